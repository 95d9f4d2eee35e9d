"""Quantiles of a column over a whole table, the same whatever its partitions.

`percentile_approx` would not do: what it answers depends on the order in which it meets the rows.
"""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

MOST_VALUES: Final = 1_000_000  # distinct ones, some 100 bytes each in the one task that merges
RELATIVE_ERROR: Final = 2.0**-18


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
    found = rows.agg(F.percentile(exact, list(shares), weight).alias("found")).collect()[0][0]
    return [None] * len(shares) if found is None else list(found)


def rounded(value: Column) -> Column:
    """Return values rounded to 17 binary digits."""
    step = F.pow(F.lit(2.0), F.floor(F.log2(F.abs(value))) - 17)
    return F.when(value == 0, value).otherwise(F.round(value / step) * step)
