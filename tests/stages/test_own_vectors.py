"""Own vectors: embeddings and features go through the whole run, and bad ones to quarantine."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import make_classification

import lakewinnow
from builders import (
    Recorder,
    assert_keeps_the_contracts,
    make_config,
    read_json,
    read_rows,
    read_table,
    write_csv,
)
from lakewinnow.errors import DataError

N_ROWS, N_WRONG = 300, 20
NUMERIC = ["income", "age", "balance"]
FEATURES = [*NUMERIC, "active", "job"]


def labelled(seed=0):
    """Return three well-told classes in five numbers: matrix, true labels, labels with errors."""
    numbers, truth = make_classification(
        N_ROWS, 5, n_informative=5, n_redundant=0, n_classes=3, n_clusters_per_class=1,
        class_sep=3.0, flip_y=0, random_state=seed,
    )  # fmt: skip
    given = truth.copy()
    given[:N_WRONG] = (truth[:N_WRONG] + 1) % 3
    return numbers, truth, given


def as_table(numbers, label):
    columns = {
        "label": pa.array([f"tier {k}" for k in label]),
        "income": pa.array(numbers[:, 0] * 1e4),
        "age": pa.array((40 + 10 * numbers[:, 1]).astype(np.int32)),
        "balance": pa.array((numbers[:, 2] * 1000).round()).cast(pa.decimal128(9, 2)),
        "active": pa.array(numbers[:, 3] > 0),
        "job": pa.array(
            [["clerk", "nurse", "smith"][int(x)] for x in np.clip(numbers[:, 4], 0, 2)]
        ),
        "day": pa.array(np.arange(N_ROWS, dtype=np.int32)).cast(pa.date32()),
    }
    columns["income"] = pa.array(
        [None if i % 17 == 0 else x for i, x in enumerate(columns["income"].to_pylist())]
    )
    return pa.table(columns)


def run_over(spark, tmp_path, given, reference=None, **input_):
    """Run over a table, and check what any run has to keep."""
    pq.write_table(given, tmp_path / "rows.parquet")
    sections = {}
    if reference is not None:
        pq.write_table(reference, tmp_path / "true.parquet")
        sections["evaluate"] = {"reference": f"{tmp_path}/true.parquet"}
    sections["crossval"] = {"folds": 5}
    config = make_config(
        tmp_path / "rows.parquet", tmp_path / "out", input={"text": None, **input_}, **sections
    )
    observer = Recorder()
    result = lakewinnow.run(config, spark, observer=observer)
    assert_keeps_the_contracts(result.workspace, f"{tmp_path}/rows.parquet")
    assert observer.ran[:3] == ["ingest", "own_vectors", "crossval"]
    return result


def assert_same_places_for_equal_content(workspace):
    places = defaultdict(set)
    for row in read_rows(workspace, "corpus"):
        places[row["text_key"]].add((row["shard"], row["fold"]))
    assert all(len(place) == 1 for place in places.values())


# --- features -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tabular(spark, tmp_path_factory):
    numbers, truth, given = labelled()
    table, reference = as_table(numbers, given), as_table(numbers, truth)
    folder = tmp_path_factory.mktemp("tabular")
    return run_over(spark, folder, table, reference, features=FEATURES)


@pytest.mark.slow_on_spark
def test_label_errors_of_a_table_of_numbers_and_categories_are_found(tabular):
    detection = tabular.summary["detection"]
    assert (detection["rows"], detection["errors"]) == (N_ROWS, N_WRONG)
    assert detection["recall"] >= 0.8
    assert detection["auroc"] > 0.95


def test_the_summary_says_what_each_feature_was_taken_for(tabular):
    vectors = tabular.summary["vectors"]
    assert vectors["numeric"] == [*NUMERIC, "active"]
    assert vectors["categorical"] == ["job"]
    assert vectors["dimensions"] == 7
    assert vectors["fitted_on"] == N_ROWS


def test_a_table_is_shown_by_its_features(tabular):
    for row in read_rows(tabular.workspace, "issues"):
        assert row["text_preview"].startswith("income=")
        assert ", job=" in row["text_preview"]


def test_vectors_are_scaled_and_finite(tabular):
    vectors = np.array(read_table(tabular.workspace, "vectors")["vector"].to_pylist())
    assert vectors.shape == (N_ROWS, 7)
    np.testing.assert_allclose(vectors[:, :4].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(vectors[:, :4].std(axis=0), 1, atol=1e-5)


@pytest.mark.slow
def test_the_order_of_rows_does_not_matter(tabular, spark, tmp_path):
    numbers, _, given = labelled()
    table = as_table(numbers, given).take(pa.array(np.arange(N_ROWS)[::-1]))
    other = run_over(spark, tmp_path, table, features=FEATURES[::-1])
    by_id = [
        {row["row_id"]: row for row in read_rows(run.workspace, "issues")}
        for run in (tabular, other)
    ]
    for row_id, row in by_id[0].items():
        same = by_id[1][row_id]
        assert row["label_score"] == pytest.approx(same["label_score"], abs=1e-5)


@pytest.mark.slow
def test_equal_rows_share_a_fold_and_are_duplicates(spark, tmp_path):
    numbers, _, given = labelled()
    table = as_table(numbers, given)
    table = pa.concat_tables([table, table.slice(0, 9)])
    result = run_over(spark, tmp_path, table, features=FEATURES)
    assert_same_places_for_equal_content(result.workspace)
    assert result.summary["exact_duplicates"]["rows"] == 18
    assert len(read_rows(result.workspace, "vectors")) == N_ROWS


@pytest.mark.slow
def test_rows_without_any_feature_go_to_quarantine(spark, tmp_path):
    numbers, _, given = labelled()
    nothing = as_table(numbers, given).slice(0, 1).to_pylist()[0]
    nothing |= dict.fromkeys(FEATURES)
    table = as_table(numbers, given)
    table = pa.concat_tables([table, pa.Table.from_pylist([nothing], table.schema)])
    result = run_over(spark, tmp_path, table, features=FEATURES)
    [rejected] = read_rows(result.workspace, "quarantine")
    assert rejected["error_code"] == "features_null"
    assert rejected["error"]


def test_numbers_of_a_csv_are_numbers(spark, tmp_path):
    numbers, _, given = labelled()
    rows = [
        (*row[:2], "ab"[i % 2], f"t{k}")
        for i, (row, k) in enumerate(zip(numbers, given, strict=True))
    ]
    path = write_csv(tmp_path / "rows.csv", rows, header=("x", "y", "c", "label"))
    config = make_config(path, tmp_path / "out", input={"text": None, "features": ["x", "y", "c"]})
    lakewinnow.run(config, spark, until="own_vectors")
    details = read_json(tmp_path / "out", "_commits/own_vectors.json")["figures"]
    assert (details["numeric"], details["categorical"]) == (["x", "y"], ["c"])


# --- embeddings ---------------------------------------------------------------------------------


def with_vectors(numbers, label, kind=None, **columns):
    vectors = pa.array(list(numbers), pa.list_(kind or pa.float32()))
    names = [f"class {k}" for k in label]
    return pa.table({**columns, "v": vectors, "label": names})


@pytest.fixture(scope="module")
def images(spark, tmp_path_factory):
    numbers, truth, given = labelled(1)
    files = {"file": [f"{i:03}.png" for i in range(N_ROWS)]}
    table, reference = (with_vectors(numbers, labels, **files) for labels in (given, truth))
    twins = table.slice(100, 3)
    bad = [None, [], [1.0] * 4, [1.0] * 4 + [np.nan], [1.0] * 4 + [None]]
    strange = pa.Table.from_pylist(
        [{"file": f"bad {i}", "v": v, "label": "class 0"} for i, v in enumerate(bad)], table.schema
    )
    folder = tmp_path_factory.mktemp("images")
    return run_over(
        spark, folder, pa.concat_tables([table, twins, strange]), reference, embedding="v"
    )


@pytest.mark.slow_on_spark
def test_label_errors_of_embeddings_are_found_without_a_text(images):
    detection = images.summary["detection"]
    assert detection["errors"] == N_WRONG
    assert detection["recall"] >= 0.8
    assert detection["auroc"] > 0.95


def test_bad_embeddings_go_to_quarantine_with_the_reason(images):
    rejected = {row["file"]: row["error_code"] for row in read_rows(images.workspace, "quarantine")}
    assert rejected == {
        "bad 0": "embedding_null",
        "bad 1": "embedding_null",
        "bad 2": "embedding_wrong_length",
        "bad 3": "embedding_not_finite",
        "bad 4": "embedding_not_finite",
    }
    assert all(row["error"] for row in read_rows(images.workspace, "quarantine"))


def test_equal_embeddings_share_a_fold_and_are_duplicates(images):
    assert_same_places_for_equal_content(images.workspace)
    assert images.summary["exact_duplicates"]["rows"] == 6


def test_a_row_without_text_is_shown_by_what_it_has(images):
    previews = {row["text_preview"] for row in read_rows(images.workspace, "issues")}
    assert "file=007.png" in previews


def test_the_vectors_are_the_users(images):
    corpus = {row["text_key"]: row["source"]["v"] for row in read_rows(images.workspace, "corpus")}
    vectors = {row["text_key"]: row["vector"] for row in read_rows(images.workspace, "vectors")}
    assert vectors == corpus


@pytest.mark.slow
def test_text_may_stand_beside_an_embedding(spark, tmp_path):
    numbers, truth, given = labelled(2)
    texts = {"t": [f"caption {i}" for i in range(N_ROWS)]}
    table, reference = (with_vectors(numbers, x, pa.float64(), **texts) for x in (given, truth))
    result = run_over(spark, tmp_path, table, reference, embedding="v", text="t")
    assert result.summary["detection"]["recall"] >= 0.8
    assert {row["text"] for row in read_rows(result.workspace, "corpus")} == set(texts["t"])


def test_too_many_bad_embeddings_are_an_error(spark, tmp_path):
    numbers, _, given = labelled()
    vectors = list(numbers)
    vectors[: N_ROWS // 2] = [None] * (N_ROWS // 2)
    table = pa.table({"v": pa.array(vectors, pa.list_(pa.float64())), "label": given})
    with pytest.raises(DataError) as caught:
        run_over(spark, tmp_path, table, embedding="v")
    assert (caught.value.code, caught.value.where) == ("too_many_bad_rows", "input.embedding")


def test_a_class_of_bad_embeddings_alone_is_no_class(spark, tmp_path):
    numbers, _, given = labelled()
    table = with_vectors(numbers, given, pa.float64())
    short = with_vectors(numbers[:2, :3], [7, 7], pa.float64())
    pq.write_table(pa.concat_tables([table, short]), tmp_path / "rows.parquet")
    config = make_config(
        tmp_path / "rows.parquet", tmp_path / "out", input={"text": None, "embedding": "v"}
    )
    lakewinnow.run(config, spark, until="ingest")
    details = read_json(tmp_path / "out", "_commits/ingest.json")["figures"]
    assert details["classes"] == ["class 0", "class 1", "class 2"]
    assert details["rejected"] == {"embedding_wrong_length": 2}
