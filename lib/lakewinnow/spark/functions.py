"""Functions of Arrow data on a frame: the one place that hands them to the engine.

The engine gets a function of ours around each, which has a worker process run it where the engine
has none of its own (Sail). And PySpark reads signatures: by the number of arguments it tells
whether a function wants a group's key, by the types whether it wants tables or iterators, and it
misreads a `functools.partial`. These here say what they take.
"""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.group import GroupedData
from pyspark.sql.types import StructType

from lakewinnow.spark.sail.workers import Outsourced


def map_batches(
    rows: DataFrame,
    function: Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]],
    schema: StructType | str,
) -> DataFrame:
    """Return what a function makes of the batches of each partition.

    Parameters
    ----------
    function : callable
        Gets an iterator, asks it for a batch at a time, and may be asked for no more than its
        first results. Must pickle.
    schema : of the batches that it returns
    """
    outsourced = Outsourced.of(function)

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return outsourced.on_batches(batches)

    return rows.mapInArrow(of_batches, schema)


def apply_to_groups(
    groups: GroupedData, function: Callable[[pa.Table], pa.Table], schema: StructType
) -> DataFrame:
    """Return what a function makes of each group's rows. It must pickle."""
    outsourced = Outsourced.of(function)

    def of_table(rows: pa.Table) -> pa.Table:
        return outsourced.on_values(rows)

    return groups.applyInArrow(of_table, schema)


def apply_to_cogroups(
    ones: GroupedData,
    others: GroupedData,
    function: Callable[[pa.Table, pa.Table], pa.Table],
    schema: StructType,
) -> DataFrame:
    """Return what a function makes of each two groups with the same key. It must pickle."""
    outsourced = Outsourced.of(function)

    def of_tables(one: pa.Table, other: pa.Table) -> pa.Table:
        return outsourced.on_values(one, other)

    return ones.cogroup(others).applyInArrow(of_tables, schema)
