"""Rows of somebody else's probabilities: which can be worked with, and what is wrong with the rest.

Each row is judged by itself: a bad one gets an error code and moves nobody else's result.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    StringType,
)

from lakewinnow import columns as c
from lakewinnow.core.confident_learning import ThresholdState
from lakewinnow.core.probabilities import Fault, judge
from lakewinnow.core.types import Block, IntArray
from lakewinnow.spark import arrow, states

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


@dataclass(frozen=True, eq=False)
class Checked:
    """A batch, its good rows apart.

    Attributes
    ----------
    block : the good rows, with their given labels
    rows : int64, shape (good rows,), their positions in the batch
    codes : int8, shape (rows,), positions in `CODES`; 0: good
    n_imprecise : good rows whose sum is off by more than 1e-3
    """

    block: Block
    rows: IntArray
    codes: npt.NDArray[np.int8]
    n_imprecise: int


def check(batch: pa.RecordBatch, n_classes: int) -> Checked:
    """Judge the rows of a batch of (row_id, label or null, pred_probs)."""
    values, labels = batch.column(c.PRED_PROBS), batch.column(c.LABEL)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), -1))
    codes = np.zeros(len(batch), np.int8)
    whole = lengths == n_classes
    probs = arrow.matrix(_without_nulls(values.filter(pa.array(whole))), n_classes)
    judgement = judge(probs.astype(np.float64, copy=False))
    codes[whole] = judgement.faults
    codes[~whole] = CODES.index(WRONG_LENGTH)
    codes[np.asarray(labels.is_null())] = CODES.index(UNKNOWN_LABEL)
    rows = np.flatnonzero(codes == 0)
    among_whole = np.cumsum(whole) - 1
    block = Block(
        np.asarray(labels.take(pa.array(rows)), np.int64),
        np.ascontiguousarray(probs[among_whole[rows]], np.float64),
        batch.column(c.ROW_ID).take(pa.array(rows)).to_pylist(),
    )
    return Checked(block, rows, codes, judgement.n_imprecise)


def _without_nulls(lists: pa.ListArray) -> pa.ListArray:
    """Return lists with NaN for null: both are no probability."""
    flat = lists.flatten()
    if not flat.null_count:
        return lists
    offsets = pa.array(np.concatenate([[0], np.cumsum(pc.list_value_length(lists))]), pa.int32())
    return pa.ListArray.from_arrays(offsets, pc.fill_null(flat, float("nan")))


def blocks(batches: Iterable[pa.RecordBatch], n_classes: int) -> Iterator[Block]:
    """Yield the good rows of each batch."""
    for batch in batches:
        yield check(batch, n_classes).block


def thresholds(rows: DataFrame, n_classes: int) -> tuple[ThresholdState, IntArray, int]:
    """Sum self-confidence over the good rows and count the bad ones, in one pass.

    Returns
    -------
    state : ThresholdState
    n_by_code : int64, shape (len(CODES),)
    n_imprecise : good rows whose sum is off by more than 1e-3
    """
    zero = ThresholdState.zero(n_classes)
    shapes = {
        "limbs": zero.limbs.shape,
        "counts": zero.counts.shape,
        "codes": (len(CODES),),
        "imprecise": (1,),
    }
    sums = states.total(rows, partial(_scan_thresholds, n_classes=n_classes), shapes)
    state = ThresholdState(sums["limbs"], sums["counts"])
    return state, sums["codes"], int(sums["imprecise"][0])


def _scan_thresholds(batches: Iterable[pa.RecordBatch], n_classes: int) -> states.Arrays:
    state = ThresholdState.zero(n_classes)
    codes, n_imprecise = np.zeros(len(CODES), np.int64), 0
    for batch in batches:
        checked = check(batch, n_classes)
        state = state.update(checked.block.labels, checked.block.pred_probs)
        codes += np.bincount(checked.codes, minlength=len(CODES))
        n_imprecise += checked.n_imprecise
    return {
        "limbs": state.limbs,
        "counts": state.counts,
        "codes": codes,
        "imprecise": np.array([n_imprecise]),
    }


def error_code(values: Column) -> Column:
    """Return why the probabilities of a row cannot be used, or null; their number aside."""
    codes = pandas_udf(_error_codes, StringType())  # type: ignore[call-overload, unused-ignore]
    return cast("Column", codes(values))


def _error_codes(values: pd.Series) -> pd.Series:
    codes = np.full(len(values), WRONG_LENGTH, object)
    lengths = np.array([0 if row is None else len(row) for row in values])
    for length in np.unique(lengths[lengths > 0]):
        whole = np.flatnonzero(lengths == length)
        rows = np.stack([np.asarray(values.iloc[row], np.float64) for row in whole])
        codes[whole] = [CODES[fault] or None for fault in judge(rows).faults]
    return pd.Series(codes, values.index)


def label_index(label: Column, classes: "list[str]") -> Column:
    """Return the position of a label (as a string) in the class list, or null."""
    position = F.array_position(F.array(*map(F.lit, classes)), label)
    return F.nullif(position, F.lit(0)).cast("int") - 1
