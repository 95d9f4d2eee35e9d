"""Multi-label confident learning over a DataFrame of (row_id, label, pred_probs).

`label` is an array of strings, the classes a row belongs to, perhaps none. Each row is judged by
itself: a bad one gets an error code and moves nobody else's result. One function a pass; the
selection's are those of `confident_learning`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.multilabel import filters as multilabel
from lakewinnow.core.multilabel.one_vs_rest import (
    CONFIDENT_LEARNING,
    OneVsRestJoints,
    OneVsRestThresholds,
    flag_classes,
)
from lakewinnow.core.noise.probabilities import clipped
from lakewinnow.core.selection.label_issues import LOW, IssueFilter
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.core.selection.scan import selected
from lakewinnow.core.states import State
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray
from lakewinnow.spark.arrow import lists, udf
from lakewinnow.spark.passes import states
from lakewinnow.spark.passes.valid_probs import CODES, UNKNOWN_LABEL, WRONG_LENGTH, Checked
from lakewinnow.spark.schemas import schema

LEAST_PROB: Final = 0.5  # of a class, for a row to be predicted to belong to it

JUDGED: Final = schema(
    {
        c.PREDICTED_LABELS: "array<string?>?",
        c.IS_LABEL_ISSUE: "boolean?",
        c.LABEL_SCORE: "double?",
        c.ISSUE_LABELS: "array<string?>?",
        c.ERROR_CODE: "string?",
    }
)


def check(batch: pa.RecordBatch, classes: Sequence[str]) -> Checked[Block]:
    """Judge the rows of a batch; the block of the good ones has indicators as labels."""
    probs, is_whole = lists.probabilities(batch.column(c.PRED_PROBS), len(classes))
    row, names = lists.entries(batch.column(c.LABEL))
    label = lists.positions(names, classes)
    is_known = label >= 0

    codes = multilabel.judge(probs)
    codes[~is_whole] = CODES.index(WRONG_LENGTH)
    codes[row[~is_known]] = CODES.index(UNKNOWN_LABEL)
    codes[np.asarray(batch.column(c.LABEL).is_null())] = CODES.index(UNKNOWN_LABEL)

    indicators = np.zeros(probs.shape, np.int64)
    indicators[row[is_known], label[is_known]] = 1
    rows = np.flatnonzero(codes == 0)
    row_ids = batch.column(c.ROW_ID).take(pa.array(rows)).to_pylist()
    good = clipped(probs[rows])
    n_clipped = int(np.count_nonzero((good != probs[rows]).any(axis=1)))
    block = Block(indicators[rows], good, row_ids)
    return Checked(block, rows, codes, n_imprecise=n_clipped, n_clipped=n_clipped)


def blocks(batches: Iterable[pa.RecordBatch], classes: Sequence[str]) -> Iterator[Block]:
    """Yield the good rows of each batch."""
    for batch in batches:
        yield check(batch, classes).block


@dataclass(frozen=True, eq=False)
class CheckedThresholds(State):
    """The thresholds of the good rows, and what was found of all rows."""

    state: OneVsRestThresholds
    n_by_code: IntArray  # int64, shape (len(CODES),)
    n_imprecise: int  # good rows of which values are clipped


def thresholds(rows: DataFrame, classes: Sequence[str]) -> CheckedThresholds:
    """Sum self-confidence over the good rows and count the bad ones, in one pass."""
    n_by_code = np.zeros(len(CODES), np.int64)
    zero = CheckedThresholds(OneVsRestThresholds.zero(len(classes)), n_by_code, 0)
    return states.summed(rows, zero, partial(_add_thresholds, classes=classes))


def _add_thresholds(
    found: CheckedThresholds, batch: pa.RecordBatch, classes: Sequence[str]
) -> CheckedThresholds:
    checked = check(batch, classes)
    state = found.state.update(checked.block.labels, checked.block.pred_probs)
    n_by_code = found.n_by_code + checked.n_by_code
    return CheckedThresholds(state, n_by_code, found.n_imprecise + checked.n_imprecise)


def joints(rows: DataFrame, thresholds: FloatArray, classes: Sequence[str]) -> OneVsRestJoints:
    """Count confident guesses per class and label, in one pass."""
    add = partial(_add_joints, thresholds=thresholds, classes=classes)
    return states.summed(rows, OneVsRestJoints.zero(len(classes)), add)


def _add_joints(
    state: OneVsRestJoints, batch: pa.RecordBatch, thresholds: FloatArray, classes: Sequence[str]
) -> OneVsRestJoints:
    block = check(batch, classes).block
    return state.update(block.labels, block.pred_probs, thresholds)


@dataclass(frozen=True, kw_only=True)
class MultilabelJudge:
    """All that it takes to judge a row by itself: what the last pass sends to the workers."""

    classes: Sequence[str]  # names
    thresholds: FloatArray  # float64, shape (K, 2)
    issue_filter: IssueFilter
    cuts: Cuts  # of the selection, done
    rank_by: str  # a name in `core.selection.scores.SCORES`
    adjust_pred_probs: bool  # whether scores take out how confident the model is of each class

    def __call__(self, row_ids: pa.Array, labels: pa.Array, pred_probs: pa.Array) -> pa.StructArray:
        """Return what is found, of the schema `JUDGED`."""
        checked = check(batch(row_ids, labels, pred_probs), self.classes)
        block = checked.block
        is_issue: BoolArray
        if self.issue_filter.filter_by in LOW:  # which look at rows as a whole
            is_issue = selected(block, self.cuts)
            by_class = flag_classes(block, CONFIDENT_LEARNING, self.thresholds)
        else:
            by_class = flag_classes(block, self.issue_filter, self.thresholds, self.cuts)
            is_issue = np.any(by_class, axis=1)
        adjust_by = self.thresholds if self.adjust_pred_probs else None
        scores = multilabel.label_scores(block.labels, block.pred_probs, self.rank_by, adjust_by)
        found = verdicts(checked, self.classes, is_issue, by_class, scores)
        return udf.struct_array(JUDGED, found)


def batch(row_ids: pa.Array, labels: pa.Array, pred_probs: pa.Array) -> pa.RecordBatch:
    """Return a batch of rows; an array without a value may come without a type."""
    return pa.record_batch(
        {
            c.ROW_ID: row_ids.cast(pa.string()),
            c.LABEL: labels.cast(pa.list_(pa.string())),
            c.PRED_PROBS: pred_probs.cast(pa.list_(pa.float64())),
        }
    )


def verdicts(
    checked: Checked[Block],
    classes: Sequence[str],
    is_issue: BoolArray,
    by_class: BoolArray,
    scores: FloatArray,
) -> dict[str, pa.Array]:
    """Return what was found of a batch, by the names of `JUDGED`; null for its bad rows."""
    found = {
        c.PREDICTED_LABELS: _named(checked.block.pred_probs >= LEAST_PROB, classes),
        c.IS_LABEL_ISSUE: pa.array(is_issue),
        c.LABEL_SCORE: pa.array(scores),
        c.ISSUE_LABELS: _named(by_class & is_issue[:, np.newaxis], classes),
    }
    return checked.of_all_rows(found)


def _named(chosen: BoolArray, classes: Sequence[str]) -> pa.ListArray:
    row, label = np.nonzero(chosen)
    return lists.gather(row, pa.array(classes, pa.string()).take(pa.array(label)), len(chosen))
