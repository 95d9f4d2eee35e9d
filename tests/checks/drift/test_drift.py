"""Drift: none from month to month or from a run to itself, and what was planted in a table."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from builders import (
    SAMPLE,
    Recorder,
    corpus_row,
    make_commit,
    make_config,
    make_table,
    read_json,
    read_rows,
    sample_run,
    text_key,
    write_csv,
)
from lakewinnow import columns as c
from lakewinnow import pipeline
from lakewinnow.checks.drift import CHECK, DriftConfig, noise, sides, vectors
from lakewinnow.checks.drift import stage as drift
from lakewinnow.checks.drift.sides import numbers
from lakewinnow.checks.drift.stage import ToCompare
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.drift.histograms import N_BINS, bins
from lakewinnow.errors import LakewinnowError
from lakewinnow.lake.inputs.earlier_run import open_run
from lakewinnow.lake.workspace import Lake

ASKED = DriftConfig(by="received", max_texts=200)


@pytest.fixture(scope="module")
def copied(spark, tmp_path_factory):
    """The configuration of the sample's run, and a copy of its workspace to compare in."""
    config, result = sample_run(spark)
    workspace = tmp_path_factory.mktemp("drift") / "workspace"
    shutil.copytree(result.workspace, workspace)
    return replace(config, workspace=str(workspace))


def with_drift(config, **keys):
    return replace(config, checks=replace(config.checks, drift=DriftConfig(**keys)))


@pytest.mark.slow_on_spark
def test_what_was_planted_in_a_table_is_found(spark, copied, tmp_path):
    with (SAMPLE / "support.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:250]
    planted = [
        (ticket, received, text.upper() + " !!!", "refunds" if queue == "billing" else queue)
        for ticket, received, text, queue in rows
    ]
    header = ("ticket", "received", "message", "queue")
    path = write_csv(tmp_path / "planted.csv", planted, header)
    observer = Recorder()
    asked = with_drift(copied, reference=str(path), max_texts=200)
    pipeline.run(asked, spark, until="drift", observer=observer)
    assert observer.ran == ["drift"]
    found = read_json(copied.workspace, "_commits/drift.json")["figures"]
    [compared] = found["comparisons"]
    drifted = {test["name"] for test in compared["tests"] if test["is_drift"]}
    assert found["detected"]
    assert {"labels", "upper_case", "punctuation", "classifier"} <= drifted
    assert set(compared["labels"]["changed"]) == {"billing", "refunds"}
    assert compared["texts"]["upper_case"]["reference_median"] > 0.5
    assert compared["embeddings"]["auc"] > 0.8
    assert found["left_out"] == {}
    assert compared["noise"]["df"] > 0
    told = " ".join(CHECK.sentences(CHECK.found(found), 0))
    assert f"this run is unlike {path}: labels (PSI " in told
    assert "; billing " in told
    assert "upper case (median 0.0" in told
    assert "embeddings (a classifier tells them apart with an AUC of " in told
    surest = read_rows(copied.workspace, "checks/drift")
    assert len(surest) == vectors.N_EXAMPLES
    assert {row["drift_group"] for row in surest} == {"this run"}
    assert min(row["drift_score"] for row in surest) > 0.5
    assert not Path(copied.workspace, "drift_reference").exists()

    assert ["cannot be used" in warning for warning in observer.warnings] == [True]


def test_the_rows_that_are_listed_show_what_others_may_see(spark, copied):
    lake = Lake(spark, copied.workspace)
    row_id = read_rows(copied.workspace, "corpus")[0]["row_id"]
    test = SimpleNamespace(is_drift=True, kind="classifier")
    compared = [SimpleNamespace(of="new", tests=[test])]
    drift._publish(lake, compared, [[(row_id, 0.9)]], F.upper(c.TEXT))
    [listed] = read_rows(copied.workspace, "checks/drift")
    assert (listed["row_id"], listed["drift_group"]) == (row_id, "new")
    assert listed["text_preview"].isupper()


def test_a_run_has_not_drifted_from_itself_nor_from_month_to_month(spark, copied, sample):
    lake = Lake(spark, copied.workspace)
    earlier = open_run(spark, sample, copied.workspace, "checks.drift.reference")
    with pytest.raises(LakewinnowError) as caught:
        open_run(spark, sample, sample, "checks.drift.reference")
    assert caught.value.code == "same_workspace"
    asked = DriftConfig(reference=sample, max_texts=200)
    report = drift.run(ToCompare(lake, copied.input, copied.embedding, asked, earlier=earlier))
    [compared] = report.figures.comparisons
    assert (report.figures.detected, report.figures.left_out) == (False, {})
    assert [t.p for t in compared.tests if t.kind in ("labels", "text", "noise")] == [1] * 9
    assert compared.embeddings.texts == 200
    assert compared.embeddings.auc < 0.52

    found = drift.run(ToCompare(lake, copied.input, copied.embedding, ASKED)).figures
    months = [one.of for one in found.comparisons]
    assert months == ["2026-01", "2026-02", "2026-03"]
    n_rows = lake.rows("corpus")
    assert {one.rows + one.reference_rows for one in found.comparisons} == {n_rows}
    assert not found.detected
    [sentence] = CHECK.sentences(found, 0)
    assert sentence.startswith(
        "None was found: 2026-01, 2026-02, 2026-03 against the other rows, by 33"
    )
    assert read_rows(copied.workspace, "checks/drift") == []


def test_values_that_are_few_or_missing_are_among_the_others(lake):
    origins = ["web"] * 40 + ["app"] * 35 + [None] * 20 + ["fax"] * 5
    rows = [corpus_row(f"{i:03}", f"text {i % 90}", origin=of) for i, of in enumerate(origins)]
    make_table(lake, "corpus", rows)
    columns = StructType().add("origin", StringType()).add("label", StringType()).jsonValue()
    make_commit(lake, "ingest", classes=["a", "b"], input_columns=columns)
    groups = sides.by_column(lake, "origin")
    assert [(pair.name, pair.reference) for pair in groups.pairs] == [
        ("app", (1, 2)),
        ("web", (0, 2)),
    ]
    assert groups.n_left_out == 1
    texts = sides.texts_of(groups)
    names, counted = sides.count(groups, texts, ["a", "b"], has_text=True)
    assert names == ["a", "b"]
    assert [(new.n_rows, other.n_rows) for new, other in counted] == [(35, 65), (40, 60)]
    assert [(new.n_texts, other.n_texts) for new, other in counted] == [(35, 55), (40, 60)]
    on_sides = sides.on_sides(texts, groups).toArrow()
    assert np.bincount(on_sides.column("cell").to_numpy()).tolist() == [35, 55, 40, 60]

    asked = DriftConfig(by="label")
    report = drift.run(ToCompare(lake, make_config("x.csv").input, EmbeddingConfig(), asked))
    assert (report.figures.detected, report.figures.comparisons) == (False, [])
    assert "label has fewer than two values with 30 rows" in report.warnings[0]
    assert list(CHECK.sentences(report.figures, 0)) == [
        "Nothing was compared: there are too few rows."
    ]


def of_pair(rng, shift, n=60):
    """Return the sample of a pair, with a text in two copies, and others on both sides."""
    texts = [f"text {i}" for i in range(2 * n)]
    texts[n : n + 5] = texts[:5]
    values = rng.normal(size=(2 * n, 6)).astype(np.float32)
    values[:n] += shift
    rows = [
        {
            "pair": 0,
            "is_new": i < n,
            "text_key": text_key(text),
            "row_id": f"{i:03}",
            "given_label": "ab"[i % 2],
            "vector": value.tolist(),
        }
        for i, (text, value) in enumerate(zip(texts, values, strict=True))
    ]
    return pa.Table.from_pylist([*rows, rows[0]])


def compared(table, wanted=60, classes=None):
    found = vectors.compare_sample(table, [wanted], 99, 1, classes)
    return json.loads(found.column("found")[0].as_py())


def test_a_sample_is_compared_whatever_the_order_of_its_rows():
    table = of_pair(np.random.default_rng(1), 1.5)
    found = compared(table)
    assert found == compared(table.take(np.random.default_rng(2).permutation(len(table))))
    assert (found["n_new"], found["vectors"]["n_texts"]) == (60, 60)
    assert found["vectors"]["classifier"]["p"] < 0.001
    both = vectors.Found.of(compared(table, classes=["b", "c", "a"]), 3).joints
    assert [joint.shape for joint in both] == [(3, 3), (3, 3)]
    assert 0 < both[0].sum() <= 60
    assert both[0][1].sum() == both[0][:, 1].sum() == 0  # no row is of class c
    assert found["joints"] is None
    scores = [score for _, score in found["surest"]]
    assert scores == sorted(scores, reverse=True)
    assert {row_id < "060" for row_id, _ in found["surest"]} == {True}


def test_a_reference_with_too_few_vectors_or_others_is_not_compared():
    table = of_pair(np.random.default_rng(1), 0)
    assert compared(table, wanted=80)["vectors"] is None
    vectors_ = table.column("vector").to_pylist()
    longer = [[*of, 0.0] if i == 90 else of for i, of in enumerate(vectors_)]
    mixed = table.set_column(5, "vector", pa.array(longer, pa.list_(pa.float64())))
    assert compared(mixed)["vectors"] is None


def test_vectors_that_cannot_be_compared_are_not(lake):
    reasons = {
        drift._why_not(make_config("x.csv", input=keys).input, None, taken_in)
        for keys, taken_in in (
            ({}, lake),
            ({"text": None, "features": ["a"]}, None),  # by a column: of one run
            ({"pred_probs": "p"}, lake),
            ({"text": None, "features": ["a"]}, lake),
        )
    }
    assert {reason.split()[0] for reason in reasons if reason} == {"rows", "features"}


def test_numbers_of_texts_in_any_language():
    texts = ["Call 112 NOW!", "Où est-ce ?", "ÄÖÜ 東京", "…", " \u00a0x\t"]
    found = numbers(pa.array(texts))
    assert found["characters"].tolist() == [13, 11, 6, 1, 4]
    assert found["words"].tolist() == [3, 3, 2, 1, 1]
    assert found["digits"].tolist() == [3 / 13, 0, 0, 0, 0]
    assert found["punctuation"].tolist() == [1 / 13, 2 / 11, 0, 1, 0]
    assert found["upper_case"].tolist() == [4 / 13, 1 / 11, 3 / 6, 0, 0]
    assert found["non_ascii"].tolist() == [0, 1 / 11, 5 / 6, 1, 1 / 4]
    assert found["word_length"].tolist() == [11 / 3, 3, 2.5, 1, 1]


def test_texts_and_joints_are_counted_by_group():
    batch = pa.record_batch({"text": ["a", "bb", "cc"], "group": pa.array([1, 0, 1], pa.int32())})
    found = sides.scan_texts([batch, batch], 2)
    expected = np.zeros((2, N_BINS["characters"]), np.int64)
    for group, n in ((1, 1), (0, 2), (1, 2)):
        expected[group, bins("characters", np.array([n]))[0]] += 2
    np.testing.assert_array_equal(found["characters"], expected)
    probs = pa.record_batch(
        {
            "label": [0, 0, 1],
            "pred_probs": [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]],
            "group": pa.array([0, 1, 1], pa.int32()),
        }
    )
    joints = noise.scan_groups([probs], np.array([0.5, 0.5]), 2)["joint"]
    assert joints.tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 1]]]


@pytest.mark.parametrize(
    ("drift_", "code", "where"),
    [
        ({"by": "day", "reference": "x.csv"}, "conflicting_keys", "checks.drift.by"),
        ({"by": "label"}, "same_column", "checks.drift.by"),
        ({"format": "csv"}, "unused_key", "checks.drift.format"),
        ({"by": "day", "max_texts": 10}, "out_of_range", "checks.drift.max_texts"),
    ],
)
def test_what_cannot_be_compared_is_refused(drift_, code, where):
    with pytest.raises(LakewinnowError) as caught:
        make_config("x.csv", checks={"drift": drift_})
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [(code, where)]


@pytest.mark.parametrize(
    ("keys", "code", "where"),
    [
        ({"reference": "no/such.csv"}, "input_not_found", "checks.drift.reference"),
        ({"by": "recieved"}, "missing_column", "checks.drift.by"),
    ],
)
def test_what_is_not_there_is_found_before_anything_is_written(spark, tmp_path, keys, code, where):
    path = write_csv(tmp_path / "in.csv", [("a b", "x"), ("c d", "y")])
    config = make_config(path, tmp_path / "out", checks={"drift": keys})
    with pytest.raises(LakewinnowError) as caught:
        pipeline.run(config, spark)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert not (tmp_path / "out").exists()
