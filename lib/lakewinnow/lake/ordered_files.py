"""Rows written as files whose names and order are given: what a trainer is handed.

Spark writes a file a partition, with the partition's number in its name. Sail deals the rows of a
partition to several files; there the task that has a file's rows writes it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow.lake.files import Files
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.engines import is_sail

_AT: Final = "__lw_at"
_PARTS: Final = "_parts"  # beside the files
_PART: Final = re.compile(r"part-(\d+)")
_WRITTEN: Final = "n bigint"


def write(
    lake: Lake,
    rows: DataFrame,
    at: Column,
    order: Sequence[str],
    columns: Sequence[str],
    names: Sequence[str],
) -> list[str]:
    """Write rows into files by one job; a file that gets no row is not there.

    Parameters
    ----------
    at : a whole number, the place in `names` of a row's file
    order : columns that decide the order of rows in a file, to the last row
    columns : what is written of a row: one column of text as lines, or more as Parquet
    names : in the workspace, of files of one folder or of several; all end the same

    Returns
    -------
    the names of the files that are there
    """
    folder = f"{names[0].rpartition('/')[0]}/{_PARTS}"
    lake.files.delete(folder)
    as_lines = not names[0].endswith(".parquet")
    kept = rows.select(at.cast("int").alias(_AT), *{*order, *columns})
    if is_sail(lake.spark):
        _write_in_tasks(lake, kept, order, columns, folder, as_lines=as_lines)
    else:
        in_files = cluster.in_partitions(kept, len(names), F.col(_AT))
        chosen = in_files.sortWithinPartitions(*order).select(*columns)
        writer = chosen.write.mode("overwrite")
        path = lake.files.path(folder)
        (writer.text if as_lines else writer.parquet)(path)
    found = []
    for entry in lake.files.entries(folder):
        part = _PART.match(entry.base_name)
        if part and entry.size:
            found.append(names[int(part[1])])
            lake.files.move_file(f"{folder}/{entry.base_name}", found[-1])
    lake.files.delete(folder)
    return found


def _write_in_tasks(
    lake: Lake,
    rows: DataFrame,
    order: Sequence[str],
    columns: Sequence[str],
    folder: str,
    *,
    as_lines: bool,
) -> None:
    in_order = cluster.colocated_in_order(rows, [_AT], [_AT, *order])
    write_parts = partial(
        _write_parts, root=lake.files.root, folder=folder, columns=tuple(columns), as_lines=as_lines
    )
    map_batches(in_order.select(_AT, *columns), write_parts, _WRITTEN).collect()


def _write_parts(
    batches: Iterable[pa.RecordBatch],
    root: str,
    folder: str,
    columns: Sequence[str],
    *,
    as_lines: bool,
) -> Iterator[pa.RecordBatch]:
    """Write the files of a partition, whose rows come file by file."""
    files, part, open_at, n_rows = Files(root), None, -1, 0
    for batch in batches:
        places = np.asarray(batch.column(_AT))
        bounds = [0, *(np.flatnonzero(np.diff(places)) + 1), len(places)]
        for start, end in pairwise(bounds):
            rows = batch.slice(start, end - start).select(columns)
            if part is None or places[start] != open_at:
                if part is not None:
                    part.close()
                open_at = int(places[start])
                name = f"{folder}/part-{open_at:05}"
                part = _Lines(files, name) if as_lines else _Parquet(files, name, rows.schema)
            part.add(rows)
        n_rows += len(batch)
    if part is not None:
        part.close()
    yield pa.record_batch({"n": pa.array([n_rows], pa.int64())})


class _Lines:
    """A file of lines of text."""

    def __init__(self, files: Files, name: str) -> None:
        self._stream = files.create(name)

    def add(self, rows: pa.RecordBatch) -> None:
        ended = pc.binary_join_element_wise(rows.column(0).cast(pa.string()), "\n", "")
        self._stream.write("".join(ended.to_pylist()).encode())

    def close(self) -> None:
        self._stream.close()


class _Parquet:
    """A Parquet file."""

    def __init__(self, files: Files, name: str, schema: pa.Schema) -> None:
        self._stream = files.create(name)
        self._writer = pq.ParquetWriter(self._stream, schema)

    def add(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows)

    def close(self) -> None:
        self._writer.close()
        self._stream.close()
