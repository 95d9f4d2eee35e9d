"""Own probabilities: a table of ids, labels and probabilities alone goes through the whole run."""

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import assert_keeps_the_contracts, read_rows
from lakewinnow.config.file import parse_config
from lakewinnow.core.selection import label_issues as core

CLASSES = ["cat", "dog", "fish"]
N_ROWS, N_WRONG = 120, 12


def images():
    """Return ids, labels, some of them wrong, and probabilities, as of a softmax of float32."""
    given, probs = np.arange(N_ROWS) % 3, np.full((N_ROWS, 3), 0.05)
    probs[np.arange(N_ROWS), given] = 0.9
    given[:N_WRONG] = (given[:N_WRONG] + 1) % 3
    sure = probs[N_WRONG::4]
    probs[N_WRONG::4] = np.where(sure > 0.5, 1.000_01, -1e-5)
    probs[1::4] += 1e-5
    ids = [f"{i:03}.png" for i in range(N_ROWS)]
    labels = [CLASSES[k] for k in given]
    return pa.table({"file": ids, "label": labels, "probs": probs.tolist()})


def config_of(tmp_path, table, **source):
    pq.write_table(table, tmp_path / "images.parquet")
    path = str(tmp_path / "images.parquet")
    keys = {"path": path, "label": "label", "pred_probs": "probs", **source}
    clean = {"label_issues": "drop"}
    return parse_config({"input": keys, "workspace": str(tmp_path / "out"), "clean": clean})


@pytest.mark.slow_on_spark
def test_number_24_ids_labels_and_probabilities_alone_run(tmp_path, spark):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", lakewinnow.LakewinnowWarning)
        result = lakewinnow.run(config_of(tmp_path, images(), id="file"), spark)
    assert_keeps_the_contracts(tmp_path / "out")
    (warning,) = [str(w.message) for w in warned if w.category is lakewinnow.LakewinnowWarning]
    assert "the probabilities of 57 rows are a little off" in warning
    assert (result.rows["quarantine"], result.rows["dropped"]) == (0, N_WRONG)
    shown = [row["text_preview"] for row in read_rows(tmp_path / "out", "issues")]
    assert len(set(shown)) == N_ROWS  # so that a person can tell an image from the others


@pytest.mark.slow_on_spark
def test_number_24_equal_probabilities_do_not_make_two_rows_the_same(tmp_path, spark):
    table = images().drop_columns("file")
    with pytest.warns(lakewinnow.LakewinnowWarning, match="a little off"):
        result = lakewinnow.run(config_of(tmp_path, table), spark)
    assert result.rows["dropped"] == N_WRONG


@pytest.mark.parametrize("kind", ["spark", "pandas"])
def test_number_24_probabilities_that_are_a_little_off_are_judged_as_if_clipped(kind, spark):
    df = images().to_pandas()
    exact = df.assign(probs=[np.clip(row, 0, 1) for row in df["probs"]])
    given = spark.createDataFrame(df) if kind == "spark" else df
    found = []
    for rows, n in ((exact, 30), (given, 57)):
        with pytest.warns(lakewinnow.LakewinnowWarning, match=f"of {n} rows are a little off"):
            found.append(lakewinnow.find_label_issues(rows, "probs", label="label", id="file"))
    expected, issues = found[0], found[1] if kind == "pandas" else found[1].toPandas()
    for name in ("is_label_issue", "label_score", "predicted_prob"):
        by_file = issues.set_index("file")[name].loc[expected["file"]]
        assert by_file.tolist() == expected[name].tolist()


def test_number_24_probabilities_in_half_precision_are_taken():
    labels = np.arange(N_ROWS) % 3
    probs = np.random.default_rng(0).dirichlet([1.0] * 3, N_ROWS).astype(np.float16)
    with pytest.warns(lakewinnow.LakewinnowWarning, match="rows are a little off"):
        found = lakewinnow.find_label_issues(labels, probs)
    expected = core.find_label_issues(labels, probs.astype(np.float64)).is_label_issue
    np.testing.assert_array_equal(found, expected)
