"""Verdicts: rows of somebody else's frame, in batches and by expressions."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from lakewinnow.core.selection.cells import Cells
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.spark.passes import verdicts
from lakewinnow.spark.passes.confident_learning import Judge

JUDGE = Judge(
    classes=("a", "b"),
    thresholds=np.array([0.5, 0.5]),
    issue_filter=IssueFilter(filter_by="predicted_neq_given"),
    cuts=Cuts(Cells.none(2), np.zeros(0), {}),
    rank_by="self_confidence",
    adjust_pred_probs=False,
)


def test_batches_are_judged_without_spark():
    found = verdicts._verdicts(
        pa.array(["x", "y", "z"]),
        pa.array([0, 0, None], pa.int32()),
        pa.array([[0.25, 0.75], [0.5, None], [0.5, 0.5]]),
        JUDGE,
        is_sound=False,
    ).to_pylist()
    assert [row["error_code"] for row in found] == [None, "pred_probs_nan", "label_not_in_classes"]
    assert found[0]["predicted_label"] == "b"
    assert found[0]["is_label_issue"] is True
    assert found[0]["label_score"] == 0.25
    assert found[1]["is_label_issue"] is found[2]["label_score"] is None

    good = [pa.array(["x"]), pa.array([0], pa.int32()), pa.array([[0.25, 0.75]])]
    assert verdicts._verdicts(*good, JUDGE, is_sound=True).to_pylist() == found[:1]
    batch = pa.record_batch(good, names=["row_id", "label", "pred_probs"])
    (issues,) = verdicts._issues([batch], JUDGE, is_sound=True)
    assert issues.to_pylist() == [{"row_id": "x", "is_label_issue": True, "label_score": 0.25}]


@pytest.mark.parametrize("kind", ["float", "double"])
def test_expressions_say_what_python_says(spark, kind):
    rng = np.random.default_rng(20240229)
    probs = np.round(rng.dirichlet(np.ones(2), 50), 1)  # ties between the classes
    rows = [(str(i), i % 2, row.tolist()) for i, row in enumerate(probs)]
    df = spark.createDataFrame(rows, f"row_id string, label int, pred_probs array<{kind}>")
    columns = [F.col(name) for name in df.columns]
    plain = verdicts.plain(*columns[1:], JUDGE)
    both = df.select(
        verdicts.by_python(*columns, JUDGE, is_sound=True).alias("python"),
        F.struct(*(value.alias(name) for name, value in plain.items())).alias("plain"),
    )
    for python, expressions in both.collect():
        assert {name: python[name] for name in plain} == expressions.asDict()
