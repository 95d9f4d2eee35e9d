"""Quantiles of a column over a whole table, the same whatever its partitions.

`percentile_approx` would not do: what it answers depends on the order in which it meets the rows.
Nor would `percentile`: it is given weights, which Sail does not heed.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema

MOST_VALUES: Final = 1_000_000  # distinct ones, some 100 bytes each in the one task that merges
RELATIVE_ERROR: Final = 2.0**-18

_VALUE, _WEIGHT = "value", "weight"
_FOUND = schema({_VALUE: "double"})


def quantiles(
    rows: DataFrame, value: Column, shares: Sequence[float], weight: Column, n_values: int
) -> list[float | None]:
    """Return quantiles, interpolated linearly as NumPy's are; None where there is no value.

    Exact up to `MOST_VALUES` values; of more, each is rounded to 17 binary digits first, so that
    there are at most 131,072 between a number and its double, and a quantile is off by at most
    `RELATIVE_ERROR` of itself.

    Parameters
    ----------
    value : double; a null does not count
    shares : 0 .. 1
    weight : whole number, how many rows each one stands for
    n_values : how many rows there are
    """
    exact = value if n_values <= MOST_VALUES else rounded(value)
    weighted = rows.where(value.isNotNull()).groupBy(exact.alias(_VALUE))
    counted = weighted.agg(F.sum(weight).cast("bigint").alias(_WEIGHT)).coalesce(1)
    found = map_batches(counted, partial(_of_counted, shares=tuple(shares)), _FOUND).collect()
    return [quantile for (quantile,) in found] or [None] * len(shares)


def _of_counted(
    batches: Iterable[pa.RecordBatch], shares: Sequence[float]
) -> Iterator[pa.RecordBatch]:
    """Find the quantiles among distinct values and their weights; nothing where there are none."""
    counted = list(batches)
    if not any(map(len, counted)):
        return
    table = pa.Table.from_batches(counted)  # of a column of numbers, and one of weights
    values, weights = (np.asarray(column) for column in table.columns)
    order = np.argsort(values)
    values, last = values[order], np.cumsum(weights[order]) - 1
    places = np.asarray(shares) * last[-1]
    low, high = np.floor(places), np.ceil(places)
    below, above = (values[np.searchsorted(last, place)] for place in (low, high))
    # In the words of Spark's percentile, to the last bit
    between = (high - places) * below + (places - low) * above
    found = np.where((low == high) | (below == above), below, between)
    yield arrow.record_batch(_FOUND, {_VALUE: found})


def rounded(value: Column) -> Column:
    """Return values rounded to 18 binary digits."""
    return portable.head(value)
