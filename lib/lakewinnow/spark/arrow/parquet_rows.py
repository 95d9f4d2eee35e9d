"""Rows of somebody else's Parquet files, read by threads of this process.

Where a frame is nothing but the files of a folder on this machine, a pass needs no engine, which
would start workers and take every number of a list in its hands.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t

from lakewinnow import columns as c
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.engines import is_sail

Result = TypeVar("Result")

PLACE: Final = "__lw_place"  # of a row, among those of all files one after the other

_BATCH_ROWS: Final = 2**16
_BATCH_NUMBERS: Final = 2**19  # 4 MiB: a pass over half of that takes 5% longer
_MOST_FILES: Final = 10_000  # whose footers this process reads
_MOST_ROWS: Final = 2**25  # whose issues this process holds, in some 60 bytes each

_INTEGERS: Final[dict[t.DataType, pa.DataType]] = {
    t.ByteType(): pa.int8(),
    t.ShortType(): pa.int16(),
    t.IntegerType(): pa.int32(),
    t.LongType(): pa.int64(),
}
_FLOATS: Final[dict[t.DataType, pa.DataType]] = {
    t.DoubleType(): pa.float64(),
    t.FloatType(): pa.float32(),
}


@dataclass(frozen=True)
class _Part:
    """A row group of a file."""

    path: str
    row_group: int
    n_rows: int
    start: int = 0  # the first row's place


@dataclass(frozen=True)
class _Reading:
    """Which columns of the files are ours, and how labels become positions."""

    row_id: str
    label: str
    pred_probs: str
    label_type: pa.DataType
    probs_type: pa.DataType
    classes: tuple[str, ...] = ()

    @property
    def are_positions(self) -> bool:
        """Whether labels are the positions of their classes."""
        return self.label_type != pa.string() and self.classes == tuple(
            str(k) for k in range(len(self.classes))
        )


@dataclass(frozen=True)
class ParquetRows:
    """(row_id, label, pred_probs, place) of files on this machine."""

    sparkSession: SparkSession  # noqa: N815 - as a DataFrame's
    parts: tuple[_Part, ...]
    reading: _Reading
    columns: tuple[str, ...] = (c.ROW_ID, c.LABEL, c.PRED_PROBS, PLACE)

    def of_classes(self, classes: Sequence[str]) -> "ParquetRows":
        """Return the rows with the names of the positions 0 .. K-1, which reading labels takes."""
        return replace(self, reading=replace(self.reading, classes=tuple(classes)))

    def first_lengths(self, n: int) -> list[int]:
        """Return how many probabilities the first rows have, those that have any."""
        name = self.reading.pred_probs
        for part in self.parts:
            with pq.ParquetFile(part.path) as file:
                for batch in file.iter_batches(n, [part.row_group], [name], use_threads=False):
                    return list(pc.list_value_length(batch.column(name)).drop_null().to_pylist())
        return []

    def select(self, *columns: str) -> "ParquetRows":
        """Return rows of which only some columns are read."""
        return replace(self, columns=columns)

    @property
    def n_rows(self) -> int:
        """Number of rows, good and bad."""
        return sum(part.n_rows for part in self.parts)

    def rows_by_file(self) -> dict[str, int]:
        """Return each file's path and number of rows, in the order of places."""
        n_rows: dict[str, int] = {}
        for part in self.parts:
            n_rows[part.path] = n_rows.get(part.path, 0) + part.n_rows
        return n_rows

    def scan(self, function: Callable[[Iterator[pa.RecordBatch]], Result]) -> list[Result]:
        """Give each thread's share of the rows to a function, and return what it returns of each.

        Arrow and NumPy let go of the interpreter's lock, so threads do run at once.
        """
        is_over = Event()
        shares = _dealt(self.parts, cluster.parallelism(self.sparkSession))
        with ThreadPoolExecutor(len(shares)) as pool:
            try:
                return list(pool.map(lambda share: function(self._batches(share, is_over)), shares))
            finally:
                is_over.set()  # Ctrl-C: the threads need not come to their end

    def _batches(self, parts: Sequence[_Part], is_over: Event) -> Iterator[pa.RecordBatch]:
        reading = self.reading
        theirs = {name: getattr(reading, name) for name in self.columns if name != PLACE}
        n_classes = len(reading.classes)  # whose cells are not to cost more than a block's rows
        size = max(1, n_classes, min(_BATCH_ROWS, _BATCH_NUMBERS // n_classes))
        for part in parts:
            place = part.start
            with pq.ParquetFile(part.path) as file:
                for batch in file.iter_batches(
                    size,
                    row_groups=[part.row_group],
                    columns=list(theirs.values()),
                    use_threads=False,
                ):
                    if is_over.is_set():
                        return
                    columns = {
                        name: _as_ours(name, batch.column(their_name), reading)
                        for name, their_name in theirs.items()
                    }
                    if PLACE in self.columns:
                        columns[PLACE] = pa.array(np.arange(place, place + len(batch)))
                    place += len(batch)
                    yield pa.RecordBatch.from_pydict(columns)


def of(df: DataFrame, row_id: str | None, label: str, pred_probs: str) -> ParquetRows | None:
    """Return the rows of a frame if this process can read them, else None.

    Parameters
    ----------
    row_id, label, pred_probs : columns of the frame
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
    n_rows = 0
    for file in files:
        found = _parts(file, row_id, expected)
        if found is None:
            return None
        for part in found:
            parts.append(replace(part, start=n_rows))
            n_rows += part.n_rows
    if n_rows > _MOST_ROWS:
        return None
    reading = _Reading(
        row_id=row_id,
        label=label,
        pred_probs=pred_probs,
        label_type=expected[label],
        probs_type=expected[pred_probs],
    )
    return ParquetRows(df.sparkSession, tuple(parts), reading)


def _arrow_type(schema: t.StructType, name: str) -> pa.DataType | None:
    found = schema[name].dataType
    if isinstance(found, t.ArrayType):
        number = _FLOATS.get(found.elementType)
        return None if number is None else pa.list_(number)
    return pa.string() if found == t.StringType() else _INTEGERS.get(found)


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
    """Deal parts to n threads, each to the one that has the fewest rows; none gets nothing."""
    shares: list[list[_Part]] = [[] for _ in range(n)]
    n_rows = np.zeros(n, np.int64)
    for part in parts:
        least = int(n_rows.argmin())
        shares[least].append(part)
        n_rows[least] += part.n_rows
    return [share for share in shares if share] or [[]]


def _as_ours(name: str, values: pa.Array, reading: _Reading) -> pa.Array:
    if name == c.PRED_PROBS:
        return values if pa.types.is_list(values.type) else values.cast(reading.probs_type)
    if name == c.ROW_ID:
        return values.cast(pa.string())
    if not reading.are_positions:
        classes = pa.array(reading.classes, pa.string())
        return pc.index_in(values.cast(pa.string()), value_set=classes)
    wide = values.cast(pa.int64())
    is_known = pc.and_(pc.greater_equal(wide, 0), pc.less(wide, len(reading.classes)))
    return pc.if_else(is_known, wide, None).cast(pa.int32())
