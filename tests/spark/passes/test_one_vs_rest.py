"""Passes over rows of several labels add up, however the rows are split."""

from functools import partial

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.core.multilabel.filters import OneVsRestCells
from lakewinnow.core.multilabel.one_vs_rest import OneVsRestJoints, OneVsRestThresholds
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.spark.passes import one_vs_rest as passes
from lakewinnow.spark.passes import states, valid_probs

CLASSES = ["x", "y", "z"]
THRESHOLDS = np.array([[0.7, 0.6], [0.8, 0.5], [0.9, 0.4]])


def rows(n_rows=50):
    """Return a batch, every seventh row of which is bad."""
    rng = np.random.default_rng(5)
    probs = rng.random((n_rows, 3))
    probs[::7] = 2
    labels = [[CLASSES[k] for k in np.flatnonzero(rng.random(3) < 0.4)] for _ in range(n_rows)]
    return passes.batch(
        pa.array([f"{i:03}" for i in range(n_rows)]), pa.array(labels), pa.array(list(probs))
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_split_in_any_order_adds_up_to_the_same(n_parts, random):
    order = list(range(len(rows())))
    random.shuffle(order)
    parts = [rows().take(pa.array(order[i::n_parts])) for i in range(n_parts)]
    zero = OneVsRestThresholds.zero(len(CLASSES))
    zero = passes.CheckedThresholds(zero, np.zeros(len(valid_probs.CODES), np.int64), 0)
    thresholds = partial(passes._add_thresholds, classes=CLASSES)
    joints = partial(passes._add_joints, classes=CLASSES, thresholds=THRESHOLDS)
    for scan in (
        partial(states._scan_state, zero=zero, update=thresholds),
        partial(states._scan_state, zero=OneVsRestJoints.zero(len(CLASSES)), update=joints),
    ):
        expected = scan([rows()])
        found = [scan([part]) for part in parts]
        for name, array in expected.items():
            np.testing.assert_array_equal(sum(part[name] for part in found), array)
        np.testing.assert_equal(scan(parts), expected)


def test_rows_are_judged_one_by_one():
    judge = passes.MultilabelJudge(
        classes=CLASSES,
        thresholds=THRESHOLDS,
        issue_filter=IssueFilter(filter_by="predicted_neq_given"),
        cuts=Cuts(OneVsRestCells.none(6), np.zeros(0), {}),
        rank_by="self_confidence",
        adjust_pred_probs=False,
    )
    found = judge(
        pa.array(["a", "b", "c", "d", "e"]),
        pa.array([["x"], [], None, ["x", "v"], ["z", "x"]]),
        pa.array([[0.9, 0.5, 0.1], [0, 0, 0], [0, 0, 0], [1, 0, 0], [1, None, 0]]),
    ).to_pylist()
    assert found[0]["predicted_labels"] == ["x", "y"]
    assert found[1]["predicted_labels"] == found[1]["issue_labels"] == []
    assert found[1]["is_label_issue"] is False
    codes = [row["error_code"] for row in found]
    assert codes == [None, None, *["label_not_in_classes"] * 2, "pred_probs_nan"]
    assert found[2]["predicted_labels"] is found[3]["label_score"] is None
