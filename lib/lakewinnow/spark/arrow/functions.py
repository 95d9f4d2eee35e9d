"""Functions of Arrow data on a frame: the one place that hands them to the engine.

The engine gets a function of ours around each, which has a worker process run it where the engine
has none of its own (Sail). And PySpark reads signatures: by the number of arguments it tells
whether a function wants a group's key, by the types whether it wants tables or iterators, and it
misreads a `functools.partial`. These here say what they take.

Sail makes groups by collecting all rows of all of them, several times over: a million vectors took
7 GB at once. There the rows are put in order, and the task that meets them tells where a group
ends; as all partitions of a query run at once, there are as many as there are cores.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import cloudpickle
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.sail.workers import Outsourced
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.engines import is_sail

BatchFunction = Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]]

_MOST_PLACED: Final = 64  # groups, of more it is no matter where each goes
_PLACE, _SIDE = "__lw_place", "__lw_side"
_SIDES: Final = ("__lw_0_", "__lw_1_")  # before the names of the columns of two frames


def ship(modules: Iterable[ModuleType]) -> None:
    """Have functions of these modules sent to workers whole: these cannot import them."""
    for module in modules:
        cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]


def map_batches(rows: DataFrame, function: BatchFunction, schema: StructType | str) -> DataFrame:
    """Return what a function makes of the batches of each partition.

    Parameters
    ----------
    function : gets an iterator, asks it for a batch at a time, and may be asked for no more than
        its first results. Must pickle.
    schema : of the batches that it returns
    """
    outsourced = Outsourced.of(function)

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return outsourced.on_batches(batches)

    return rows.mapInArrow(of_batches, schema)


def apply_to_groups(
    rows: DataFrame, by: Sequence[str], function: Callable[[pa.Table], pa.Table], schema: StructType
) -> DataFrame:
    """Return what a function makes of each group's rows, in no order. It must pickle.

    Parameters
    ----------
    by : columns whose equal values make a group; none: all rows are one, if there is one
    """
    if is_sail(rows.sparkSession):
        of_groups = partial(_of_groups, by=tuple(by), function=function)
        return map_batches(_side_by_side(rows, by, by), of_groups, schema)
    outsourced = Outsourced.of(function)

    def of_table(group: pa.Table) -> pa.Table:
        return outsourced.on_values(group)

    return rows.groupBy(*by).applyInArrow(of_table, schema)


def apply_to_cogroups(
    ones: DataFrame,
    others: DataFrame,
    by: str,
    function: Callable[[pa.Table, pa.Table], pa.Table],
    schema: StructType,
    *,
    n_groups: int = 0,
) -> DataFrame:
    """Return what a function makes of each two groups with the same key. It must pickle.

    Parameters
    ----------
    by : a column of whole numbers that both frames have
    n_groups : if they are numbered 0 .. n_groups - 1, and each takes so long that no core should
        wait for another
    """
    spark = ones.sparkSession
    if is_sail(spark):
        sides = (_as_side(rows, by, side) for side, rows in enumerate((ones, others)))
        of_both = partial(_of_cogroups, by=by, function=function)
        return map_batches(_side_by_side(union(*sides), [by], [by, _SIDE]), of_both, schema)
    if 1 < n_groups <= _MOST_PLACED:  # one to each partition
        place = cluster.partition_key(spark, n_groups, F.col(by))
        ones, others = (
            rows.withColumn(by, place).repartition(n_groups, by) for rows in (ones, others)
        )
    elif n_groups:
        ones, others = (rows.repartition(n_groups, by) for rows in (ones, others))
    outsourced = Outsourced.of(function)

    def of_tables(one: pa.Table, other: pa.Table) -> pa.Table:
        return outsourced.on_values(one, other)

    return ones.groupBy(by).cogroup(others.groupBy(by)).applyInArrow(of_tables, schema)


# --- groups on Sail -----------------------------------------------------------------------------


def _side_by_side(rows: DataFrame, by: Sequence[str], order: Sequence[str]) -> DataFrame:
    """Return the rows of each group one after the other, and the groups dealt to the cores."""
    if not by:
        return rows.coalesce(1)
    n = cluster.parallelism(rows.sparkSession)
    nth = F.pmod(_number_of(rows, by), F.lit(n))
    placed = rows.withColumn(_PLACE, cluster.partition_key(rows.sparkSession, n, nth))
    return cluster.colocated_in_order(placed.repartition(n, _PLACE), [_PLACE], order).drop(_PLACE)


def _number_of(rows: DataFrame, by: Sequence[str]) -> Column:
    """Return a whole number for each group, its own where it has one: groups are often numbered."""
    types = [rows.schema[name].dataType.typeName() for name in by]
    if types in (["integer"], ["long"]):
        return F.col(by[0]).cast("bigint")
    return F.xxhash64(*by)


def _as_side(rows: DataFrame, by: str, side: int) -> DataFrame:
    """Return rows whose columns are named for their side."""
    own = (F.col(f"`{name}`").alias(_SIDES[side] + name) for name in rows.columns if name != by)
    return rows.select(F.col(by).cast("bigint").alias(by), F.lit(side).alias(_SIDE), *own)


def _of_groups(
    batches: Iterable[pa.RecordBatch], by: Sequence[str], function: Callable[[pa.Table], pa.Table]
) -> Iterator[pa.RecordBatch]:
    for group in _groups(batches, by):
        yield from function(group).to_batches()


def _of_cogroups(
    batches: Iterable[pa.RecordBatch], by: str, function: Callable[[pa.Table, pa.Table], pa.Table]
) -> Iterator[pa.RecordBatch]:
    for group in _groups(batches, [by]):
        n_ones = len(group) - int(pc.sum(group.column(_SIDE)).as_py())
        ends = group.slice(0, n_ones), group.slice(n_ones)
        yield from function(*map(_without_other, ends, _SIDES, (by, by))).to_batches()


def _without_other(rows: pa.Table, side: str, by: str) -> pa.Table:
    """Return the columns of one side under their own names."""
    own = [name for name in rows.column_names if name == by or name.startswith(side)]
    return rows.select(own).rename_columns([name.removeprefix(side) for name in own])


def _groups(batches: Iterable[pa.RecordBatch], by: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of one group after the other, which come in order."""
    parts: list[pa.RecordBatch] = []
    for batch in batches:
        if not len(batch):
            continue
        bounds = [0, *_starts(batch, by), len(batch)]
        for start, end in pairwise(bounds):
            part = batch.slice(start, end - start)
            if parts and any(parts[-1][name][-1] != part[name][0] for name in by):
                yield pa.Table.from_batches(parts)
                parts = []
            parts.append(part)
    if parts:
        yield pa.Table.from_batches(parts)


def _starts(batch: pa.RecordBatch, by: Sequence[str]) -> list[int]:
    """Return where a group begins, after the first row."""
    begins = np.zeros(len(batch) - 1, bool)
    for name in by:
        values = batch.column(name)
        begins |= np.asarray(pc.not_equal(values[1:], values[:-1]))
    return [int(i) + 1 for i in np.flatnonzero(begins)]
