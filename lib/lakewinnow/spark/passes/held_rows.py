"""Rows of Parquet files on this machine of which one pass holds all that later steps ask for.

Where rows are selected by their margins to other classes, two things need a row's probabilities
later: its guess, for which those do that may reach a threshold, and the selection, for which the
margins below 0 do. Of most rows that is a number or two; so the probabilities are read once.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from typing import Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from lakewinnow import columns as c
from lakewinnow.core import sparse
from lakewinnow.core.noise.confident_learning import (
    EPSILON,
    JointState,
    Reached,
    ThresholdState,
    cells_of_guesses,
    most_probable,
    unflagged,
    with_cells,
)
from lakewinnow.core.selection.cells import (
    Margins,
    count_margins,
    margin_counters,
    margins_below_zero,
)
from lakewinnow.core.selection.n_lowest import Cuts, Selection, Tally
from lakewinnow.core.selection.scan import scan, selected
from lakewinnow.core.selection.scores import label_scores, self_confidence
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray
from lakewinnow.spark.arrow.parquet_rows import PLACE, ParquetRows
from lakewinnow.spark.passes import valid_probs, verdicts
from lakewinnow.spark.passes.valid_probs import Checked, CheckedJoint
from lakewinnow.spark.sessions import cluster

Result = TypeVar("Result")

MOST_HELD: Final = 2**24  # probabilities and margins of all rows, in 16 to 24 bytes each
_SHARE: Final = 0.5  # of the mean of the first rows: a threshold is hardly below that


class _Batch(NamedTuple):
    """What is held of a batch."""

    verdicts: pa.RecordBatch  # of `verdicts.JUDGED`, of all rows; the flag: whether one may be set
    rows: IntArray  # positions of the good rows, of which the rest is
    labels: IntArray
    predicted: IntArray  # the most probable class
    is_unflagged: BoolArray
    reached: Reached
    margins: Margins


@dataclass(eq=False)
class _Part:
    """What a thread has read."""

    state: ThresholdState
    n_by_code: IntArray
    n_imprecise: int
    n_clipped: int
    below_zero: IntArray
    bounds: FloatArray  # float64, shape (K,), that the probabilities held reach
    batches: list[_Batch]
    n_held: int = 0


@dataclass(frozen=True, eq=False)
class HeldRows:
    """All rows, to be counted once the thresholds are known, and judged once the cuts are."""

    rows: ParquetRows
    parts: Sequence[_Part]

    @property
    def state(self) -> ThresholdState:
        """Self-confidence of the good rows."""
        return reduce(ThresholdState.merge, (part.state for part in self.parts))

    def joint(self, thresholds: FloatArray) -> CheckedJoint:
        """Return what `valid_probs.joint` returns."""
        if all((thresholds - EPSILON >= part.bounds).all() for part in self.parts):
            joint = reduce(JointState.merge, self._map(partial(_joint, thresholds=thresholds)))
        else:
            joint = valid_probs.joint(self.rows, thresholds, with_margins=False).joint
        parts = self.parts
        return CheckedJoint(
            joint,
            np.sum([part.n_by_code for part in parts], axis=0),
            sum(part.n_imprecise for part in parts),
            sum(part.n_clipped for part in parts),
            np.sum([part.below_zero for part in parts], axis=0),
        )

    def judge(self, plan: Selection) -> tuple[Cuts, pa.Table]:
        """Return what `local_issues.judge_rows` returns of every row.

        Parameters
        ----------
        plan : `looks_below_zero`
        """
        while not plan.done:
            plan = plan.refine(Tally.merge(self._map(partial(_tally, plan=plan))))
        parts = self._map(partial(_judged, cuts=plan.cuts))
        judged = [batch for part in parts for batch in part if len(batch)]
        judged.sort(key=lambda batch: batch.column(PLACE)[0].as_py())
        return plan.cuts, pa.Table.from_batches(judged, to_arrow_schema(verdicts.JUDGED))

    def _map(self, function: Callable[[_Part], Result]) -> list[Result]:
        with ThreadPoolExecutor(len(self.parts)) as pool:
            return list(pool.map(function, self.parts))


def read(
    rows: ParquetRows, classes: Sequence[str], rank_by: str, thresholds: FloatArray | None
) -> HeldRows | None:
    """Read the rows, or return None if too much would have to be held.

    Parameters
    ----------
    classes : K names
    rank_by : a name in `core.selection.scores.SCORES`
    thresholds : float64, shape (K,); None: those of the rows
    """
    below_zero = margin_counters(len(classes))
    if below_zero is None:
        return None
    most_held = MOST_HELD // cluster.parallelism(rows.sparkSession)
    read_part = partial(
        _read,
        below_zero=below_zero,
        names=pa.array(classes, pa.string()),
        rank_by=rank_by,
        thresholds=thresholds,
        most_held=most_held,
    )
    parts = rows.scan(read_part)
    return HeldRows(rows, parts) if all(part.n_held <= most_held for part in parts) else None


def _read(
    batches: Iterable[pa.RecordBatch],
    below_zero: IntArray,
    names: pa.Array,
    rank_by: str,
    thresholds: FloatArray | None,
    most_held: int,
) -> _Part:
    n_classes = len(names)
    part = _Part(
        state=ThresholdState.zero(n_classes),
        n_by_code=np.zeros(len(valid_probs.CODES), np.int64),
        n_imprecise=0,
        n_clipped=0,
        below_zero=np.zeros_like(below_zero),
        bounds=np.full(n_classes, -np.inf) if thresholds is None else thresholds - EPSILON,
        batches=[],
    )
    for batch in batches:
        checked = valid_probs.check_batch(batch, n_classes)
        block = checked.block
        if thresholds is None and not part.state.counts.any():
            part.bounds = _bounds(block, n_classes)
        part.state = part.state.update(block.labels, block.pred_probs)
        part.n_by_code += checked.n_by_code
        part.n_imprecise += checked.n_imprecise
        part.n_clipped += checked.n_clipped
        held = _held(batch, checked, part.bounds, names, rank_by)
        count_margins(part.below_zero, held.margins)
        part.n_held += len(held.margins.row) + len(held.reached.row)
        part.batches.append(held)
        if part.n_held > most_held:
            part.batches = []
            break
    return part


def _bounds(block: Block, n_classes: int) -> FloatArray:
    """Return what the thresholds of all rows are hardly below, by the first rows."""
    own = self_confidence(block.labels, block.pred_probs)
    if not len(own):
        return np.full(n_classes, -np.inf)
    n_rows = np.bincount(block.labels, minlength=n_classes)
    sums = np.bincount(block.labels, own, minlength=n_classes)
    means = np.full(n_classes, own.mean())
    np.minimum(means, np.divide(sums, n_rows, where=n_rows > 0, out=means.copy()), out=means)
    return _SHARE * means


def _held(
    batch: pa.RecordBatch,
    checked: Checked[Block],
    bounds: FloatArray,
    names: pa.Array,
    rank_by: str,
) -> _Batch:
    labels, pred_probs, _ = block = checked.block
    predicted = most_probable(pred_probs)
    largest = pred_probs[np.arange(len(labels)), predicted]
    is_unflagged = unflagged(labels, pred_probs, largest)
    found = {
        c.PREDICTED_LABEL: names.take(pa.array(predicted)),
        c.PREDICTED_PROB: largest,
        c.IS_LABEL_ISSUE: ~is_unflagged,
        c.LABEL_SCORE: label_scores(labels, pred_probs, rank_by),
    }
    return _Batch(
        verdicts.judged(batch, checked, found),
        checked.rows,
        labels,
        predicted,
        is_unflagged,
        Reached.of(pred_probs, bounds),
        margins_below_zero(block),
    )


def _joint(part: _Part, thresholds: FloatArray) -> JointState:
    counts, n_label_issues = sparse.zeros(len(thresholds)), 0
    for batch in part.batches:
        guesses = batch.reached.above(thresholds - EPSILON).guesses(batch.predicted)
        cells, n_issues = cells_of_guesses(
            guesses, batch.labels, batch.is_unflagged, len(thresholds)
        )
        counts, n_label_issues = with_cells(counts, cells), n_label_issues + n_issues
    return JointState(counts, n_label_issues)


def _tally(part: _Part, plan: Selection) -> Tally:
    return scan(plan, (batch.margins for batch in part.batches))


def _judged(part: _Part, cuts: Cuts) -> list[pa.RecordBatch]:
    at = verdicts.JUDGED.names.index(c.IS_LABEL_ISSUE)
    judged = []
    for batch in part.batches:
        is_low = np.zeros(len(batch.verdicts), bool)
        is_low[batch.rows] = selected(batch.margins, cuts)
        is_issue = pc.and_(batch.verdicts.column(at), pa.array(is_low))
        judged.append(batch.verdicts.set_column(at, batch.verdicts.schema.field(at), is_issue))
    return judged
