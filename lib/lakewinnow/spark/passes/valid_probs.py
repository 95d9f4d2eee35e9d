"""Rows of somebody else's probabilities: which can be worked with, and what is wrong with the rest.

Each row is judged by itself: a bad one gets an error code and moves nobody else's result.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DecimalType, DoubleType, FloatType, StringType

from lakewinnow import columns as c
from lakewinnow.core import sparse
from lakewinnow.core.noise.confident_learning import (
    EPSILON,
    JointState,
    ThresholdState,
    guessed_cells,
    with_cells,
)
from lakewinnow.core.noise.probabilities import IMPRECISE_SUM, Fault, clipped, judge
from lakewinnow.core.selection.cells import count_margins, margin_counters, margins_below_zero
from lakewinnow.core.states import Arrays
from lakewinnow.core.types import Block, FloatArray, IntArray
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow import lists, udf
from lakewinnow.spark.arrow.parquet_rows import ParquetRows
from lakewinnow.spark.passes import states

if TYPE_CHECKING:
    import pandas as pd

WRONG_LENGTH: Final = "pred_probs_wrong_length"
UNKNOWN_LABEL: Final = "label_not_in_classes"
# Codes as small integers, so that a pass can count them: those of the faults, then these.
CODES: Final = (*(fault.code for fault in Fault), WRONG_LENGTH, UNKNOWN_LABEL)
SENTENCES: Final[Mapping[str, str]] = {
    **{fault.code: fault.reason for fault in Fault if fault},
    WRONG_LENGTH: "there is not one probability for each class",
}


def is_probabilities(data_type: DataType) -> bool:
    """Whether a column of this type can hold the probabilities of a row."""
    if isinstance(data_type, ArrayType):
        return isinstance(data_type.elementType, (DoubleType, FloatType, DecimalType))
    return data_type.typeName() == "vectorudt"


def as_array(values: Column, data_type: DataType) -> Column:
    """Return probabilities as an array of double (or of float, where that is what they are)."""
    if not isinstance(data_type, ArrayType):
        from pyspark.ml.functions import vector_to_array

        return vector_to_array(values)
    if isinstance(data_type.elementType, DecimalType):
        return values.cast("array<double>")
    return values


Rows = TypeVar("Rows")


@dataclass(frozen=True, eq=False)
class Checked(Generic[Rows]):
    """A batch, its good rows apart."""

    block: Rows  # the good rows, with their given labels
    rows: IntArray  # int64, shape (good rows,), their positions in the batch
    codes: npt.NDArray[np.int8]  # int8, shape (rows,), positions in `names`; 0: good
    n_imprecise: int  # good rows of which `imprecise` warns
    n_clipped: int  # good rows of which values are clipped
    names: Sequence[str] = CODES  # of the codes

    @classmethod
    def sound(cls, block: Block) -> "Checked[Block]":
        """Return rows that are known to be good."""
        n_rows = len(block.labels)
        return Checked(block, np.arange(n_rows), np.zeros(n_rows, np.int8), 0, 0)

    @property
    def n_by_code(self) -> IntArray:
        """Rows with each code, int64, shape (len(names),)."""
        return np.bincount(self.codes, minlength=len(self.names))

    def of_all_rows(
        self, found: Mapping[str, pa.Array | npt.NDArray[np.generic]]
    ) -> dict[str, pa.Array]:
        """Return what was found of the good rows, null for the others, and the error codes."""
        n_rows = len(self.codes)
        columns = {k: lists.spread(pa.array(v), self.rows, n_rows) for k, v in found.items()}
        return columns | {c.ERROR_CODE: lists.named(self.codes, self.names)}


def check(
    row_ids: Sequence[str],
    labels: IntArray,
    lengths: IntArray,
    flat: npt.NDArray[np.floating],
    n_classes: int,
) -> Checked[Block]:
    """Judge rows.

    Parameters
    ----------
    row_ids : n strings
    labels : int64, shape (n,); -1: not in the class list
    lengths : int64, shape (n,), number of probabilities of each row
    flat : shape (sum of lengths,), the probabilities of all rows; NaN for null
    """
    whole = lengths == n_classes
    of_whole = flat if whole.all() else flat[np.repeat(whole, lengths)]
    probs: FloatArray = of_whole.astype(np.float64, copy=False).reshape(-1, n_classes)
    judgement = judge(probs)
    codes = np.full(len(labels), CODES.index(WRONG_LENGTH), np.int8)
    codes[whole] = judgement.faults
    codes[labels < 0] = CODES.index(UNKNOWN_LABEL)
    rows = np.flatnonzero(codes == 0)
    if len(rows) < len(codes):
        probs = probs[(np.cumsum(whole) - 1)[rows]]
        labels, row_ids = labels[rows], [row_ids[row] for row in rows.tolist()]
    if judgement.n_clipped:
        probs = clipped(probs)
    _, n_imprecise, n_clipped = judgement
    return Checked(Block(labels, probs, row_ids), rows, codes, n_imprecise, n_clipped)


def check_batch(batch: pa.RecordBatch, n_classes: int) -> Checked[Block]:
    """Judge the rows of a batch of (label or null, pred_probs), with or without row_id."""
    values = batch.column(c.PRED_PROBS)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0), np.int64)
    labels = np.asarray(pc.fill_null(batch.column(c.LABEL), -1), np.int64)
    return check(arrow.row_ids(batch), labels, lengths, _with_nan(values.flatten()), n_classes)


def check_series(
    row_ids: "pd.Series", labels: "pd.Series", values: "pd.Series", n_classes: int
) -> Checked[Block]:
    """Judge rows of pandas columns: the labels' positions or null, the arrays of probabilities."""
    lists = [() if row is None else row for row in values]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    flat = np.concatenate([*lists, ()]).astype(np.float64, copy=False)
    return check(list(row_ids), _positions(labels), lengths, flat, n_classes)


def _positions(labels: "pd.Series") -> IntArray:
    return labels.fillna(-1).to_numpy(np.int64)


def _with_nan(values: pa.Array) -> npt.NDArray[np.floating]:
    """Return numbers with NaN for null: both are no probability."""
    filled = pc.fill_null(values, float("nan")) if values.null_count else values
    numbers: npt.NDArray[np.floating] = filled.to_numpy(zero_copy_only=False)
    return numbers


def blocks(batches: Iterable[pa.RecordBatch], n_classes: int) -> Iterator[Block]:
    """Yield the good rows of each batch."""
    for batch in batches:
        yield check_batch(batch, n_classes).block


def thresholds(rows: DataFrame | ParquetRows, n_classes: int) -> ThresholdState:
    """Sum self-confidence over the good rows, in one pass."""
    needed = rows.select(c.LABEL, c.PRED_PROBS)
    return states.summed(needed, ThresholdState.zero(n_classes), _add_thresholds)


def _add_thresholds(state: ThresholdState, batch: pa.RecordBatch) -> ThresholdState:
    block = check_batch(batch, len(state.counts)).block
    return state.update(block.labels, block.pred_probs)


@dataclass(frozen=True, eq=False)
class CheckedJoint:
    """The confident joint of the good rows, and what the other rows lack."""

    joint: JointState
    n_by_code: IntArray  # int64, shape (len(CODES),)
    n_imprecise: int  # good rows of which `imprecise` warns
    n_clipped: int  # good rows of which values are clipped
    # int64, shape (K, K, steps), from `core.selection.cells.count_margins`, or None
    below_zero: IntArray | None

    @property
    def is_sound(self) -> bool:
        """Whether no row is bad, or to be clipped."""
        return not self.n_clipped and not self.n_by_code[1:].any()


def joint(
    rows: DataFrame | ParquetRows, thresholds: FloatArray, *, with_margins: bool
) -> CheckedJoint:
    """Check every row and count confident guesses per given label, in one pass.

    Parameters
    ----------
    thresholds : float64, shape (K,)
    with_margins : whether to count margins, so that their selection takes a pass less
    """
    n_classes = len(thresholds)
    below_zero = margin_counters(n_classes) if with_margins else None
    zeros: dict[str, Any] = {
        "counts": sparse.zeros(n_classes),
        "n_label_issues": np.zeros(1, np.int64),
        "codes": np.zeros(len(CODES), np.int64),
        "imprecise": np.zeros(1, np.int64),
        "clipped": np.zeros(1, np.int64),
    }
    if below_zero is not None:
        zeros["below_zero"] = below_zero
    scan_joint = partial(_scan_joint, thresholds=thresholds, zeros=zeros)
    sums = states.total(rows.select(c.LABEL, c.PRED_PROBS), scan_joint, zeros)
    state = JointState(sums["counts"], int(sums["n_label_issues"][0]))
    n_imprecise, n_clipped = int(sums["imprecise"][0]), int(sums["clipped"][0])
    return CheckedJoint(state, sums["codes"], n_imprecise, n_clipped, sums.get("below_zero"))


def _scan_joint(batches: Iterable[pa.RecordBatch], thresholds: FloatArray, zeros: Arrays) -> Arrays:
    sums: dict[str, Any] = {name: copy(array) for name, array in zeros.items()}
    for batch in batches:
        checked = check_batch(batch, len(thresholds))
        labels, pred_probs, _ = checked.block
        cells, n_label_issues = guessed_cells(labels, pred_probs, thresholds)
        sums["counts"] = with_cells(sums["counts"], cells)
        sums["n_label_issues"] += n_label_issues
        sums["codes"] += checked.n_by_code
        sums["imprecise"] += checked.n_imprecise
        sums["clipped"] += checked.n_clipped
        if "below_zero" in sums:
            count_margins(sums["below_zero"], margins_below_zero(checked.block))
    return sums


def imprecise(n_rows: int) -> str:
    """Return the warning that the probabilities of rows are not exact."""
    return (
        f"the probabilities of {counted(n_rows, 'row')} are a little off: values below 0"
        " or above 1, by at most 0.001, are clipped; sums that are not 1, by at most 0.01, stay as"
        " they are"
    )


def is_outside(values: Column) -> Column:
    """Return whether a good row has a value to clip."""
    slack = F.lit(EPSILON)
    return (F.array_max(values) > 1 + slack) | (F.array_min(values) < -slack)


def is_imprecise(values: Column) -> Column:
    """Return whether `imprecise` warns of a good row."""
    total = F.aggregate(values, F.lit(0.0), lambda total, prob: total + prob)
    return is_outside(values) | (F.abs(total - 1) > IMPRECISE_SUM)


def clip(values: Column) -> Column:
    """Return the probabilities of good rows as `core`'s `clipped` does, arrays of double."""
    return F.when(
        is_outside(values),
        F.transform(values, lambda prob: F.greatest(F.least(prob, F.lit(1.0)), F.lit(0.0))),
    ).otherwise(values)


def error_code(values: Column) -> Column:
    """Return why the probabilities of a row cannot be used, or null; their number aside."""
    return udf.on_arrow(_error_codes, StringType())(values)


def _error_codes(values: pa.Array) -> pa.Array:
    batch = pa.record_batch(
        {c.PRED_PROBS: values, c.LABEL: pa.repeat(pa.scalar(0, pa.int32()), len(values))}
    )
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    codes = np.full(len(values), CODES.index(WRONG_LENGTH), np.int8)
    for length in np.unique(lengths[lengths > 0]):
        of_length = lengths == length
        codes[of_length] = check_batch(batch.filter(pa.array(of_length)), int(length)).codes
    return pc.if_else(pa.array(codes == 0), None, pa.array(CODES).take(pa.array(codes)))


def label_index(label: Column, classes: "list[str]") -> Column:
    """Return the position of a label (as a string) in the class list, or null."""
    position = F.array_position(F.array(*map(F.lit, classes)), label)
    return F.nullif(position, F.lit(0)).cast("int") - 1
