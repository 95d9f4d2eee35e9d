"""A bounded sample of a table: so many rows, or so many of each cell, those of smallest hash."""

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.types import IntArray


def smallest(
    rows: DataFrame, hash_: Column, n_rows: int, wanted: int, then_by: str = c.ROW_ID
) -> DataFrame:
    """Return the rows of smallest hash, or all; equal hashes go by another column.

    Parameters
    ----------
    hash_ : -2^63 .. 2^63 - 1, evenly spread
    n_rows, wanted : rows that there are, and that are to be taken
    """
    if wanted >= n_rows:
        return rows
    share = 2 * wanted / n_rows  # twice what is needed, so that it is there
    within = rows.where(hash_ <= hash_bound(share)) if share < 1 else rows
    return within.orderBy(hash_, then_by).limit(wanted)


def stratified(
    rows: DataFrame, cell: Column, hash_: Column, counts: IntArray, wanted: IntArray
) -> DataFrame:
    """Return the rows of smallest hash in each cell; equal hashes go by row id.

    Parameters
    ----------
    cell : int, number of a row's cell
    hash_ : -2^63 .. 2^63 - 1, evenly spread
    counts, wanted : int64, shape (cells,), rows that there are, and that are to be taken
    """
    if (wanted >= counts).all():
        return rows
    # Only these are ranked: what is needed and six standard deviations.
    ample = (wanted + 6 * np.sqrt(wanted) + 10) / np.maximum(counts, 1)
    bounds = F.array(*(F.lit(hash_bound(share)) for share in ample.tolist()))
    numbers = F.array(*map(F.lit, wanted.tolist()))
    by_hash = Window.partitionBy(cell).orderBy(hash_, c.ROW_ID)
    # A row that was filtered out may have no cell: Sail asks all conditions of it nonetheless.
    return (
        rows.where(hash_ <= F.get(bounds, cell))
        .withColumn("rank", F.row_number().over(by_hash))
        .where(F.col("rank") <= F.get(numbers, cell))
        .drop("rank")
    )


def hash_bound(share: float) -> int:
    """Return what about a share of all hashes is not above."""
    return min(int(share * 2**64) - 2**63, 2**63 - 1)
