"""Confident learning over a DataFrame of (row_id, label, pred_probs): one function a pass.

The arithmetic is `core`'s; this module says how it runs where the rows are. Only integer sums and
bounded sets of candidate rows reach the driver, whatever the number of rows. Probabilities have to
be valid (`core.noise.probabilities`); arrays of float are widened to double.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.noise.confident_learning import (
    EPSILON,
    LIMB_BITS,
    N_LIMBS,
    JointState,
    ThresholdState,
    most_probable,
)
from lakewinnow.core.noise.metrics import LEAST_PROB, LOW_BITS, N_BINS, TICK, CalibrationState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection.label_issues import IssueFilter, flag, plan_selection
from lakewinnow.core.selection.lowest_rows import CandidateRows
from lakewinnow.core.selection.n_lowest import Cuts, Selection, Tally
from lakewinnow.core.selection.scan import scan
from lakewinnow.core.selection.scores import label_scores
from lakewinnow.core.types import Block, FloatArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow import lists
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.arrow.parquet_rows import ParquetRows
from lakewinnow.spark.passes import states
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

WORST_FIRST: Final = (c.LABEL_SCORE, c.ROW_ID)  # lower is worse; the id breaks ties

# What a selection pass found: a histogram bin of a cell, or (bin -1) a row that may be selected.
_TALLY = schema(
    {"cell": "int", "bin": "smallint", "score": "double?", c.ROW_ID: "string?", "n": "bigint"}
)
_NO_BIN: Final = -1


class ToBlocks(Protocol):
    """How a partition's batches become rows."""

    def __call__(self, batches: Iterable[pa.RecordBatch], n_classes: int) -> Iterator[Block]:
        """Yield the rows of each batch."""


def trusted_blocks(batches: Iterable[pa.RecordBatch], n_classes: int) -> Iterator[Block]:
    """Yield the rows of tables that this package wrote: valid by construction."""
    for batch in batches:
        yield Block(
            np.asarray(batch.column(c.LABEL), np.int64),
            arrow.matrix(batch.column(c.PRED_PROBS), n_classes).astype(np.float64, copy=False),
            arrow.row_ids(batch),
        )


def thresholds(rows: DataFrame, n_classes: int) -> tuple[ThresholdState, CalibrationState]:
    """Sum self-confidence per given label, and what the calibration figures need, in one pass.

    Plain Catalyst expressions: the sums are of integers made by exact steps, so they equal those of
    `ThresholdState.update`, at several times the speed of a pass through Python workers.
    """
    own = F.get(c.PRED_PROBS, F.col(c.LABEL)).cast("double")
    top = F.array_max(c.PRED_PROBS).cast("double")
    right = F.array_position(c.PRED_PROBS, F.array_max(c.PRED_PROBS)) == F.col(c.LABEL) + 1
    loss = -F.log(F.least(F.greatest(own, F.lit(LEAST_PROB)), F.lit(1.0)))
    sums = (
        rows.groupBy(F.col(c.LABEL), F.least(F.floor(top * N_BINS), F.lit(N_BINS - 1)).alias("bin"))
        .agg(
            F.count("*"),
            F.count_if(right),
            *map(F.sum, [*_high_and_low(top), *_high_and_low(loss), *_limbs(own)]),
        )
        .toArrow()
    )
    label, which, n_rows, n_right, *ticks = (
        column.to_numpy().astype(np.int64) for column in sums.columns
    )
    state, calibration = ThresholdState.zero(n_classes), CalibrationState.zero(n_classes)
    np.add.at(state.counts, label, n_rows)
    np.add.at(state.limbs, label, np.column_stack(ticks[4:]))
    np.add.at(calibration.bins, which, np.column_stack([n_rows, n_right, *ticks[:2]]))
    np.add.at(calibration.losses, label, np.column_stack([n_rows, *ticks[2:4]]))
    return state, calibration


def self_confidence(rows: DataFrame | ParquetRows, n_classes: int) -> ThresholdState:
    """Sum self-confidence per given label in one pass, of rows that nobody has checked yet.

    Only rows whose label has a probability are in it: all rows, if no row is bad.
    """
    if isinstance(rows, ParquetRows):
        needed = rows.select(c.LABEL, c.PRED_PROBS)
        return states.summed(needed, ThresholdState.zero(n_classes), _add_self_confidence)
    own = F.get(c.PRED_PROBS, F.col(c.LABEL)).cast("double")
    sums = (
        rows.where(own.between(0.0, 1.0 + EPSILON))
        .groupBy(c.LABEL)
        .agg(*map(F.sum, _limbs(own)), F.count("*"))
        .toArrow()
    )
    columns = [column.to_numpy().astype(np.int64) for column in sums.columns]
    return ThresholdState.from_rows(n_classes, np.column_stack(columns))


def _add_self_confidence(state: ThresholdState, batch: pa.RecordBatch) -> ThresholdState:
    labels = np.asarray(pc.fill_null(batch.column(c.LABEL), -1), np.int64)
    own = lists.get(batch.column(c.PRED_PROBS), labels)
    has = (own >= 0) & (own <= 1 + EPSILON)
    return state.with_own(labels[has], own[has])


def _high_and_low(value: Column) -> list[Column]:
    """Split a number, in ticks, as `CalibrationState` holds its sums."""
    ticks = portable.rint(value / F.lit(TICK)).cast("long")
    return [F.shiftright(ticks, LOW_BITS), ticks.bitwiseAND((1 << LOW_BITS) - 1)]


def _limbs(value: Column) -> list[Column]:
    """Split a probability into integers of 31 bits, first to last; each step is exact."""
    limbs = []
    for _ in range(N_LIMBS):
        value = value * 2.0**LIMB_BITS
        limbs.append(F.floor(value))
        value = value - F.floor(value)
    return limbs


def joint(rows: DataFrame, thresholds: FloatArray) -> JointState:
    """Count confident guesses per given label, in one pass.

    Parameters
    ----------
    thresholds : float64, shape (K,)
    """
    add = partial(_add_guesses, thresholds=thresholds)
    needed = rows.select(c.LABEL, c.PRED_PROBS)
    return states.summed(needed, JointState.zero(len(thresholds)), add)


def _add_guesses(state: JointState, batch: pa.RecordBatch, thresholds: FloatArray) -> JointState:
    (block,) = trusted_blocks([batch], len(thresholds))
    return state.update(block.labels, block.pred_probs, thresholds)


def cuts(
    rows: DataFrame,
    issue_filter: IssueFilter,
    noise_model: NoiseModel,
    to_blocks: ToBlocks = trusted_blocks,
) -> tuple[Cuts, int]:
    """Find where each cell's selection ends; return that and the number of passes it took."""
    # A task ships as many rows of a cell as the cell selects, so no more tasks than can run at once
    n_tasks = cluster.parallelism(rows.sparkSession)
    plan = plan_selection(issue_filter, noise_model, n_tallies=n_tasks)
    to_rows = partial(to_blocks, n_classes=len(noise_model.classes))
    return select(rows.coalesce(n_tasks), plan, to_rows)


def select(
    rows: DataFrame,
    plan: Selection,
    to_blocks: Callable[[Iterable[pa.RecordBatch]], Iterator[Block]],
) -> tuple[Cuts, int]:
    """Make the passes that a plan needs; return the cuts and the number of passes.

    Parameters
    ----------
    plan : best made for as many tallies as tasks run at once: a partition ships no more rows of a
        cell than it may select, so too low a guess only ships more
    to_blocks : how a partition's batches become rows
    """
    n_passes = 0
    while not plan.done:
        scan_batches = partial(_scan_batches, plan=plan, to_blocks=to_blocks)
        found = map_batches(rows, scan_batches, _TALLY)
        if not plan.collects.all():  # bins of the same place add up; collected rows are distinct
            by_place = found.groupBy("cell", "bin", "score", c.ROW_ID)
            found = by_place.agg(F.sum("n").alias("n"))
        plan, n_passes = plan.refine(_tally(found.toArrow())), n_passes + 1
    return plan.cuts, n_passes


def _scan_batches(
    batches: Iterable[pa.RecordBatch],
    plan: Selection,
    to_blocks: Callable[[Iterable[pa.RecordBatch]], Iterator[Block]],
) -> Iterator[pa.RecordBatch]:
    tally = scan(plan, to_blocks(batches))
    n_bins, n_rows = len(tally.bins), len(tally.rows)
    yield arrow.record_batch(
        _TALLY,
        {
            "cell": np.concatenate([tally.bins[:, 0], tally.rows.cell]),
            "bin": np.concatenate([tally.bins[:, 1], np.full(n_rows, _NO_BIN)]),
            "score": pa.concat_arrays([pa.nulls(n_bins, pa.float64()), pa.array(tally.rows.score)]),
            c.ROW_ID: [None] * n_bins + list(tally.rows.row_id),
            "n": np.concatenate([tally.bins[:, 2], np.ones(n_rows, np.int64)]),
        },
    )


def _tally(found: pa.Table) -> Tally:
    is_row = found.column("bin").to_numpy() == _NO_BIN
    bins = [found.column(name).to_numpy()[~is_row] for name in ("cell", "bin", "n")]
    rows = found.filter(pa.array(is_row))
    row_ids = np.empty(len(rows), object)
    row_ids[:] = rows.column(c.ROW_ID).to_pylist()
    candidates = CandidateRows(
        rows.column("cell").to_numpy().astype(np.int64),
        rows.column("score").to_numpy(zero_copy_only=False),
        row_ids,
    )
    return Tally(np.column_stack(bins), candidates)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """All that it takes to judge a row by itself: what the last pass sends to the workers."""

    classes: tuple[str, ...]  # names of the labels 0 .. K-1
    thresholds: FloatArray  # float64, shape (K,)
    issue_filter: IssueFilter
    cuts: Cuts  # of the selection, done; or none yet
    rank_by: str  # a name in `core.selection.scores.SCORES`
    adjust_pred_probs: bool  # whether scores take out how confident the model is of each class

    def of_block(self, block: Block) -> dict[str, pa.Array | npt.NDArray[np.generic]]:
        """Judge a block: predicted_label, predicted_prob, is_label_issue, label_score."""
        labels, pred_probs = block.labels, block.pred_probs
        predicted = most_probable(pred_probs)
        adjust_by = self.thresholds if self.adjust_pred_probs else None
        return {
            c.PREDICTED_LABEL: pa.array(self.classes).take(pa.array(predicted)),
            c.PREDICTED_PROB: pred_probs[np.arange(len(labels)), predicted],
            c.IS_LABEL_ISSUE: flag(block, self.issue_filter, self.thresholds, self.cuts),
            c.LABEL_SCORE: label_scores(labels, pred_probs, self.rank_by, adjust_by),
        }


def ranks(judged: DataFrame) -> DataFrame:
    """Rank the issues, 1 = worst: a lazy frame of (label_score, row_id, label_rank).

    Issues of one score and id, equal rows that is, share the first one's rank and are in it once.
    """
    issues = judged.where(c.IS_LABEL_ISSUE)
    everywhere = Window.partitionBy(c.IS_LABEL_ISSUE).orderBy(*WORST_FIRST)  # issues only: one task
    ranked = issues.select(
        *WORST_FIRST,
        F.rank().over(everywhere).alias(c.LABEL_RANK),
        F.row_number().over(everywhere).alias("nth"),
    )
    return ranked.where(F.col("nth") == F.col(c.LABEL_RANK)).drop("nth")
