"""Rows of somebody else's Parquet files, read by the tasks that want them.

Where a frame is nothing but the files of a folder on this machine, a pass in Python need not have
its rows from the JVM, which takes every number of a list in its hands to make Arrow of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.engines import is_sail

_BATCH_ROWS: Final = 2**16
_MOST_NUMBERS: Final = 2**20  # of a batch: 8 MiB, which are used again; fresh memory is slow
_MOST_FILES: Final = 10_000  # whose footers this process reads

_INTEGERS: Final[dict[DataType, pa.DataType]] = {
    ByteType(): pa.int8(),
    ShortType(): pa.int16(),
    IntegerType(): pa.int32(),
    LongType(): pa.int64(),
}
_FLOATS: Final[dict[DataType, pa.DataType]] = {
    DoubleType(): pa.float64(),
    FloatType(): pa.float32(),
}


@dataclass(frozen=True)
class _Part:
    """A row group of a file."""

    path: str
    row_group: int
    n_rows: int


@dataclass(frozen=True)
class _Reading:
    """Which columns of the files are ours, and how labels become positions."""

    row_id: str
    label: str
    pred_probs: str
    probs_type: pa.DataType
    classes: tuple[str, ...]
    are_positions: bool


@dataclass(frozen=True)
class ParquetRows:
    """(row_id, label, pred_probs) of files; to passes what a DataFrame of these columns is."""

    sparkSession: SparkSession  # noqa: N815 - as a DataFrame's
    parts: tuple[_Part, ...]
    reading: _Reading
    columns: tuple[str, ...] = (c.ROW_ID, c.LABEL, c.PRED_PROBS)

    def select(self, *columns: str) -> "ParquetRows":
        """Return rows of which only some columns are read."""
        return replace(self, columns=columns)

    def mapInArrow(  # noqa: N802 - as a DataFrame's
        self,
        function: Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]],
        schema: StructType | str,
    ) -> DataFrame:
        """Give the rows to a function, batch by batch, as many tasks at once as there are cores."""
        shares = _dealt(self.parts, cluster.parallelism(self.sparkSession))
        read = partial(_map_share, self.reading, self.columns, shares, function)
        tasks = self.sparkSession.range(0, len(shares), 1, len(shares))
        return map_batches(tasks, read, schema)


def of(
    df: DataFrame, row_id: str | None, label: str, pred_probs: str, classes: Sequence[str]
) -> ParquetRows | None:
    """Return the rows of a frame if its tasks can read them themselves, else None.

    Parameters
    ----------
    row_id, label, pred_probs : columns of the frame
    classes : the names of the positions 0 .. K-1
    """
    names = (row_id, label, pred_probs)
    if row_id is None or any("." in str(name) for name in names):  # a dot is a path in Parquet
        return None
    expected = {name: _arrow_type(df.schema, str(name)) for name in names}
    if None in expected.values() or not cluster.is_local(df.sparkSession):
        return None
    files = _files(df)
    if files is None:
        return None
    parts: list[_Part] = []
    for file in files:
        found = _parts(file, row_id, expected)
        if found is None:
            return None
        parts += found
    reading = _Reading(
        row_id=row_id,
        label=label,
        pred_probs=pred_probs,
        probs_type=expected[pred_probs],
        classes=tuple(classes),
        are_positions=expected[label] != pa.string()
        and list(classes) == [str(k) for k in range(len(classes))],
    )
    return ParquetRows(df.sparkSession, tuple(parts), reading)


def _arrow_type(schema: StructType, name: str) -> pa.DataType | None:
    found = schema[name].dataType
    if isinstance(found, ArrayType):
        number = _FLOATS.get(found.elementType)
        return None if number is None else pa.list_(number)
    return pa.string() if found == StringType() else _INTEGERS.get(found)


def _files(df: DataFrame) -> list[str] | None:
    """Return the files that a frame is all of and nothing but, if they are on this machine."""
    spark = df.sparkSession
    try:
        uris = [urlsplit(uri) for uri in df.inputFiles()]
        if not 0 < len(uris) <= _MOST_FILES or any(uri.scheme != "file" for uri in uris):
            return None
        files = [unquote(uri.path) for uri in uris]
        folders = {str(Path(file).parent) for file in files}
        if len(folders) > 1:
            return None
        if is_sail(spark):
            return files if _is_plain_read(df) else None
        plain = (spark.read.schema(df.schema).parquet(path) for path in (*folders, files[0]))
        # Spark itself says whether the frame means the same
        return files if any(frame.sameSemantics(df) for frame in plain) else None
    except PySparkException:
        return None


def _is_plain_read(df: Any) -> bool:
    """Whether a frame of Connect reads Parquet files and does no more; Sail has no answer to that.

    Such a plan is one relation, the reading of a data source.
    """
    plan = df._plan.to_proto(df.sparkSession.client)  # noqa: SLF001 - what is sent is public
    read = plan.root.read
    source = read.data_source
    is_read = plan.root.WhichOneof("rel_type") == "read" and not read.is_streaming
    return bool(
        is_read and source.format == "parquet" and not source.options and not source.predicates
    )


def _parts(file: str, row_id: str, expected: dict[Any, Any]) -> list[_Part] | None:
    """Return the row groups of a file whose columns are as the frame has them."""
    try:
        opened = pq.ParquetFile(file)
    except (OSError, pa.ArrowException):
        return None
    with opened:
        schema, footer = opened.schema_arrow, opened.metadata
    for name, kind in expected.items():
        if schema.get_field_index(name) < 0 or not _is_of(schema.field(name).type, kind):
            return None
    paths = [footer.schema.column(i).path for i in range(footer.num_columns)]
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    for group in groups:  # a null id would have to be made up from the row
        seen = group.column(paths.index(row_id)).statistics
        if seen is None or not seen.has_null_count or seen.null_count:
            return None
    return [_Part(file, i, group.num_rows) for i, group in enumerate(groups)]


def _is_of(found: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_list(expected):
        is_list = any(
            of(found)
            for of in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        )
        return is_list and bool(found.value_type == expected.value_type)
    return bool(found == expected)


def _dealt(parts: Sequence[_Part], n: int) -> list[list[_Part]]:
    """Deal parts to n tasks, each to the one that has the fewest rows; none gets nothing."""
    shares: list[list[_Part]] = [[] for _ in range(n)]
    n_rows = np.zeros(n, np.int64)
    for part in parts:
        least = int(n_rows.argmin())
        shares[least].append(part)
        n_rows[least] += part.n_rows
    return [share for share in shares if share] or [[]]


def _map_share(
    reading: _Reading,
    columns: Sequence[str],
    shares: Sequence[Sequence[_Part]],
    function: Callable[[Iterator[pa.RecordBatch]], Iterable[pa.RecordBatch]],
    tasks: Iterable[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    mine = (shares[i] for task in tasks for i in task.column(0).to_pylist())
    yield from function(_batches(reading, columns, (part for share in mine for part in share)))


def _batches(
    reading: _Reading, columns: Sequence[str], parts: Iterable[_Part]
) -> Iterator[pa.RecordBatch]:
    theirs = [getattr(reading, name) for name in columns]
    size = max(1, min(_BATCH_ROWS, _MOST_NUMBERS // len(reading.classes)))
    for part in parts:
        with pq.ParquetFile(part.path) as file:
            groups = file.iter_batches(
                size, row_groups=[part.row_group], columns=theirs, use_threads=False
            )
            for batch in groups:
                made = [
                    _as_ours(name, batch.column(getattr(reading, name)), reading)
                    for name in columns
                ]
                yield pa.RecordBatch.from_arrays(made, names=list(columns))


def _as_ours(name: str, values: pa.Array, reading: _Reading) -> pa.Array:
    if name == c.PRED_PROBS:
        return values.cast(reading.probs_type)
    if name == c.ROW_ID:
        return values.cast(pa.string())
    if not reading.are_positions:
        classes = pa.array(reading.classes, pa.string())
        return pc.index_in(values.cast(pa.string()), value_set=classes)
    wide = values.cast(pa.int64())
    is_known = pc.and_(pc.greater_equal(wide, 0), pc.less(wide, len(reading.classes)))
    return pc.if_else(is_known, wide, None).cast(pa.int32())
