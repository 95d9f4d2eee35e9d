"""`find_consensus`: cleanlab's, whatever the kind of frame, the partitions, the bad rows."""

import warnings
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from cleanlab.multiannotator import get_label_quality_multiannotator

import lakewinnow
from builders import make_config, read_rows
from lakewinnow import find_consensus, find_label_issues
from lakewinnow.errors import ConfigError, DataError, SchemaError

CLASSES = ["ant", "bee", "cat", "dog"]
COLUMNS = {"id": "id", "annotator": "worker", "label": "label", "pred_probs": "probs"}
FOUND = ["consensus_label", "consensus_quality_score", "annotator_agreement", "num_annotations"]


def generated(n_rows=240, n_annotators=9, seed=7):
    """Labels by workers who differ in skill and diligence, rows with a model's probabilities."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, len(CLASSES), n_rows)
    skill = rng.uniform(0.3, 1, n_annotators)
    wrong = rng.random((n_rows, n_annotators)) > skill
    given = np.where(wrong, rng.integers(0, len(CLASSES), wrong.shape), true[:, None])
    is_given = rng.random(wrong.shape) < rng.uniform(0.1, 0.5, n_annotators)
    is_given[np.arange(n_rows), rng.integers(0, n_annotators, n_rows)] = True
    logits = rng.normal(size=(n_rows, len(CLASSES))) + 2 * np.eye(len(CLASSES))[true]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    row, worker = np.nonzero(is_given)
    annotations = pd.DataFrame(
        {
            "id": [f"r{i:03}" for i in row],
            "worker": [f"w{k}" for k in worker],
            "label": np.take(CLASSES, given[row, worker]),
        }
    ).sample(frac=1, random_state=seed, ignore_index=True)
    rows = pd.DataFrame(
        {
            "id": [f"r{i:03}" for i in range(n_rows)],
            "prompt": [f"message number {i}" for i in range(n_rows)],
            "probs": list(probs),
        }
    )
    return annotations, rows


def cleanlabs(annotations, rows, **methods):
    """Return cleanlab's tables; what it leaves to chance, the lowest class wins."""
    wide = annotations.assign(label=annotations.label.map(CLASSES.index))
    wide = wide.pivot_table(values="label", index="id", columns="worker").loc[rows.id]
    first = mock.patch.object(np.random, "choice", lambda labels: labels[0])
    with first, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_label_quality_multiannotator(
            wide, np.stack(rows.probs), verbose=False, **methods
        )
    table = found["label_quality"].set_index(rows.index)
    table["consensus_label"] = np.take(CLASSES, table.consensus_label)
    return table, found["annotator_stats"].sort_index()


def assert_are_cleanlabs(consensus, annotations, rows, **methods):
    table, stats = cleanlabs(annotations, rows, **methods)
    found = consensus.rows
    for name in ("consensus_label", "num_annotations", "annotator_agreement"):
        assert found[name].tolist() == table[name].tolist()
    score = "consensus_quality_score"
    np.testing.assert_allclose(found[score], table[score], rtol=1e-12)
    mine = consensus.annotators.set_index("annotator").sort_index()
    assert mine.index.tolist() == stats.index.tolist()
    assert mine.worst_class.tolist() == np.take(CLASSES, stats.worst_class).tolist()
    for name in ("annotator_quality", "agreement_with_consensus", "num_examples_labeled"):
        np.testing.assert_allclose(mine[name], stats[name], rtol=1e-12)


def bad(annotations, rows):
    """Add rows that cannot be used and annotations that do not count, and mix it all up."""
    probs = rows.probs.iloc[0]
    faults = {
        "n0": (np.nan * probs, "pred_probs_nan"),
        "n1": (probs - 1, "pred_probs_negative"),
        "n2": (probs * 0.9, "pred_probs_sum"),
        "n3": (probs[:-1], "pred_probs_wrong_length"),
        "n4": (None, "pred_probs_wrong_length"),
        "n5": (probs, "annotation_missing"),
        "n6": (probs, "annotation_missing"),  # its one label is no class
        "n7": (probs, "annotation_repeated"),
        "n8": (probs, "id_repeated"),
        None: (probs, "id_null"),
    }
    more_rows = [{"id": i, "prompt": "x", "probs": p} for i, (p, _) in faults.items()]
    more_rows.append(more_rows[8])
    labelled = [i for i in faults if i not in ("n5", "n6")]
    more = [(i, worker, "dog") for i in labelled for worker in ("w0", "w1", "only of bad rows")]
    more += [("n6", "w0", "unicorn"), ("n7", "w0", "cat"), ("r000", "w0", None)]
    more += [("r001", None, "ant"), ("nowhere", "w1", "ant"), ("r002", "w9", "unicorn")]
    more += [tuple(annotations.iloc[0])]  # said twice: counts once
    more = pd.DataFrame(more, columns=["id", "worker", "label"])
    annotations = pd.concat([more, annotations]).sample(frac=1, random_state=1)
    rows = pd.concat([pd.DataFrame(more_rows), rows]).sample(frac=1, random_state=1)
    codes = {i: code for i, (_, code) in faults.items()}
    return annotations, rows, codes


def sorted_rows(df):
    plain = df.astype({"error_code": object}).replace({np.nan: None, pd.NA: None})
    return plain.sort_values("id", na_position="first", ignore_index=True)


def assert_same(one, other):
    """Compare results whose rows may be in any order."""
    mine, theirs = sorted_rows(one.rows), sorted_rows(other.rows)
    for name in ("id", *FOUND, "error_code"):
        assert mine[name].tolist() == theirs[name].tolist(), name
    pd.testing.assert_frame_equal(one.annotators, other.annotators, check_exact=True)


METHODS = [
    {},
    {"consensus_method": "majority_vote"},
    {"consensus_method": "majority_vote", "quality_method": "agreement"},
]


@pytest.mark.parametrize("methods", METHODS)
def test_it_is_cleanlabs(methods):
    annotations, rows = generated()
    consensus = find_consensus(annotations, rows, **COLUMNS, **methods)
    assert_are_cleanlabs(consensus, annotations, rows, **methods)
    assert consensus.rows.error_code.isna().all()
    assert consensus.rows[rows.columns.tolist()].equals(rows)
    assert consensus.annotators.annotator_quality.is_monotonic_increasing


def test_bad_rows_do_not_move_the_others():
    annotations, rows = generated()
    expected = find_consensus(annotations, rows, **COLUMNS)
    more_annotations, more_rows, codes = bad(annotations, rows)
    with pytest.warns(UserWarning, match="left out|not used") as caught:
        found = find_consensus(more_annotations, more_rows, classes=CLASSES, **COLUMNS)
    assert [str(warning.message).split(":")[0] for warning in caught] == [
        "11 of 251 rows are left out",
        f"30 of {len(more_annotations) - 1} annotations are not used",
    ]
    is_bad = found.rows.error_code.notna()
    by_id = found.rows[is_bad].set_index("id").error_code
    assert {None if pd.isna(i) else i: code for i, code in by_id.items()} == codes
    assert found.rows.loc[is_bad, FOUND].isna().all(axis=None)
    good = found.rows[~is_bad].sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(good, expected.rows, check_exact=True)
    pd.testing.assert_frame_equal(found.annotators, expected.annotators)


def on_spark(spark, annotations, rows, n_partitions):
    lists = [None if p is None else p.tolist() for p in rows.probs]
    columns = (annotations.replace({np.nan: None}), rows.assign(probs=lists))
    schemas = (
        "id string, worker string, label string",
        "id string, prompt string, probs array<double>",
    )
    frames = (
        spark.createDataFrame(list(df.itertuples(index=False, name=None)), schema)
        for df, schema in zip(columns, schemas, strict=True)
    )
    return [df.repartition(n_partitions) for df in frames]


@pytest.mark.filterwarnings("ignore:.*(left out|not used)")
def test_spark_equals_pandas(spark):
    annotations, rows, _ = bad(*generated())
    expected = find_consensus(annotations, rows, classes=CLASSES, **COLUMNS)
    found = find_consensus(*on_spark(spark, annotations, rows, 5), classes=CLASSES, **COLUMNS)
    assert_same(lakewinnow.Consensus(found.rows.toPandas(), found.annotators), expected)
    assert found.rows.columns == expected.rows.columns.tolist()
    assert dict(found.rows.dtypes)["consensus_label"] == "string"


def test_the_consensus_goes_on_as_the_given_label(spark, tmp_path):
    annotations, rows = generated()
    crowd = find_consensus(*on_spark(spark, annotations, rows, 1), **COLUMNS)
    saved = str(tmp_path / "consensus")
    crowd.rows.where("error_code IS NULL").write.parquet(saved)
    rows_read = pd.read_parquet(saved)
    expected = find_consensus(annotations, rows, **COLUMNS)
    assert_same(lakewinnow.Consensus(rows_read, crowd.annotators), expected)

    own = {"id": "id", "label": "consensus_label", "pred_probs": "probs", "classes": CLASSES}
    of_expected = find_label_issues(expected.rows, **own).set_index("id")
    issues = find_label_issues(spark.read.parquet(saved), **own).toPandas().set_index("id")
    issues = issues.loc[of_expected.index]
    assert issues.is_label_issue.tolist() == of_expected.is_label_issue.tolist()
    assert issues.label_score.tolist() == of_expected.label_score.tolist()

    config = make_config(
        saved, tmp_path / "out", input={"format": "parquet", "text": "prompt", **own}
    )
    lakewinnow.run(config, spark, until="label_issues")
    of_run = {row["row_id"]: row for row in read_rows(config.workspace, "checks/label_issues")}
    flags = of_expected.is_label_issue
    assert {i: row["is_label_issue"] for i, row in of_run.items()} == flags.to_dict()
    assert flags.any()


def test_integers_stay_integers():
    annotations, rows = generated(n_annotators=12)
    annotations["label"] = annotations.label.map(CLASSES.index)
    annotations["worker"] = annotations.worker.str[1:].astype(int)
    annotations["id"], rows["id"] = annotations.id.str[1:].astype(int), range(len(rows))
    consensus = find_consensus(annotations, rows, **COLUMNS)
    named = find_consensus(*generated(n_annotators=12), **COLUMNS).rows
    assert consensus.rows.consensus_label.map(CLASSES.__getitem__).tolist() == (
        named.consensus_label.tolist()
    )
    assert sorted(consensus.annotators.annotator) == list(range(12))
    assert consensus.annotators.worst_class.dtype == np.int64


def test_our_columns_give_way_to_the_callers():
    annotations, rows = generated()
    taken = {"consensus_label": "theirs", "lakewinnow_consensus_label": "theirs too"}
    found = find_consensus(annotations, rows.assign(**taken), **COLUMNS).rows
    expected = find_consensus(annotations, rows, **COLUMNS).rows
    assert set(found.consensus_label) == {"theirs"}
    ours = found["lakewinnow_lakewinnow_consensus_label"]
    assert ours.tolist() == expected.consensus_label.tolist()


def changed(which, **columns):
    annotations, rows = generated(n_rows=20)
    return (
        (annotations.assign(**columns), rows)
        if which == "annotations"
        else (annotations, rows.assign(**columns))
    )


@pytest.mark.parametrize(
    ("tables", "settings", "error", "code"),
    [
        (changed("rows"), {"label": "lable"}, SchemaError, "missing_column"),
        (changed("rows"), {"pred_probs": "prob"}, SchemaError, "missing_column"),
        (changed("rows"), {"quality_method": "votes"}, ConfigError, "unknown_method"),
        (changed("rows"), {"consensus_method": "majority"}, ConfigError, "unknown_method"),
        (changed("rows"), {"classes": ["ant", "ant"]}, ConfigError, "repeated_class"),
        (changed("rows", probs="x"), {}, SchemaError, "wrong_column_type"),
        (changed("annotations", label=0.5), {}, SchemaError, "wrong_column_type"),
        (changed("annotations", worker=1.5), {}, SchemaError, "wrong_column_type"),
        (changed("annotations", label="ant"), {}, DataError, "one_class"),
        (changed("annotations", label=None), {}, DataError, "no_rows"),
        (changed("annotations", id="elsewhere"), {}, DataError, "too_many_bad_rows"),
        (
            changed("annotations", id="elsewhere"),
            {"max_bad_fraction": 1.0},
            DataError,
            "no_rows",
        ),
        (changed("rows", id="r001"), {}, DataError, "too_many_bad_rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(left out|not used)")
def test_what_cannot_be(tables, settings, error, code):
    with pytest.raises(error) as caught:
        find_consensus(*tables, **{**COLUMNS, **settings})
    assert caught.value.code == code


def test_one_annotation_a_row_is_no_crowd():
    annotations, rows = generated(n_rows=20)
    with pytest.raises(DataError) as caught:
        find_consensus(annotations.drop_duplicates("id"), rows, **COLUMNS)
    assert caught.value.code == "no_row_labelled_twice"


def test_frames_of_two_kinds_and_columns_of_wrong_types(spark):
    annotations, rows = generated(n_rows=20)
    on_spark = spark.createDataFrame(annotations)
    with pytest.raises(ConfigError) as caught:
        find_consensus(on_spark, rows, **COLUMNS)
    assert caught.value.code == "not_of_a_kind"
    with pytest.raises(SchemaError) as caught:
        find_consensus(on_spark, on_spark, **{**COLUMNS, "pred_probs": "label"})
    assert caught.value.code == "wrong_column_type"
