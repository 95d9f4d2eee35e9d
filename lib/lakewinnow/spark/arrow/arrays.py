"""Arrow list columns to NumPy matrices and back, without a Python object a row."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, TypeAlias, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown

_MOST_NUMBERS: Final = 2**31 - 1  # of a list column


def matrix(column: pa.Array | pa.ChunkedArray, width: int | None = None) -> NDArray[np.floating]:
    """Return a list column as a matrix, shape (n_rows, width).

    Raises
    ------
    DataError : "ragged" when a list is null, holds a null, or has another length than the rest
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    lengths = np.diff(np.asarray(column.offsets)) if len(column) else np.zeros(0, np.int64)
    if width is None:
        width = int(lengths[0]) if len(lengths) else 0
    values = column.flatten()  # honours a slice's offset, unlike `values`
    if column.null_count or values.null_count or (lengths != width).any():
        raise DataError(
            "ragged", "list column", f"{width} numbers in every row", "another length or a null"
        )
    flat: NDArray[np.floating] = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), width)


def matrix_in_order(column: pa.ChunkedArray, order: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return some lists of a column, by their places, as a matrix: the only copy that is made."""
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    if not chunks:
        return np.zeros((0, 0), np.float32)
    first = matrix(chunks[0].slice(0, 1))
    width = first.shape[1]
    found = np.empty((len(order), width), first.dtype)
    at = np.full(len(column), -1, np.int64)
    at[order] = np.arange(len(order))
    start = 0
    for chunk in chunks:
        rows, lists = at[start : start + len(chunk)], matrix(chunk, width)
        wanted = rows >= 0
        found[rows[wanted]] = lists if wanted.all() else lists[wanted]
        start += len(chunk)
    return found


def order_of_ids(ids: pa.ChunkedArray) -> NDArray[np.integer]:
    """Return the places of the rows in the order of their ids, of which each counts once."""
    order: NDArray[np.integer] = pc.sort_indices(ids).to_numpy()
    in_order = ids.take(order)
    is_new = np.append(True, pc.not_equal(in_order[1:], in_order[:-1]).to_numpy())
    once: NDArray[np.integer] = order[is_new]
    return once


def list_array(rows: NDArray[np.generic]) -> pa.ListArray:
    """Return a matrix as a list column, one list a row.

    Raises
    ------
    DataError : "too_many_numbers" for Arrow's offsets, which are of 32 bits in Spark's lists
    """
    n_rows, width = rows.shape
    if n_rows * width > _MOST_NUMBERS:
        expected = f"at most {_MOST_NUMBERS:,} numbers at once"
        got, hint = Shown(f"{n_rows:,} rows of {width:,}"), "give each task fewer rows"
        raise DataError("too_many_numbers", "list column", expected, got, hint)
    offsets = pa.array(np.arange(n_rows + 1, dtype=np.int32) * np.int32(width))
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(rows).reshape(-1)))


class Strings(Sequence[str]):
    """A string column of a batch, made into Python strings only if one is asked for."""

    def __init__(self, column: pa.Array) -> None:
        self.column = column

    @cached_property
    def _strings(self) -> list[str]:
        return list(self.column.to_pylist())

    def __len__(self) -> int:
        return len(self.column)

    def take(self, rows: NDArray[np.int64]) -> "Strings":
        """Return the strings of some rows."""
        return Strings(self.column.take(pa.array(rows)))

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        return self._strings[at]


Values: TypeAlias = Sequence[object] | Strings | pa.Array | NDArray[np.generic]  # of a column


def row_ids(batch: pa.RecordBatch) -> Sequence[str]:
    """Return the row ids of a batch; empty strings where a pass does without them."""
    if c.ROW_ID in batch.schema.names:
        return Strings(batch.column(c.ROW_ID))
    return [""] * len(batch)


def record_batch(schema: StructType, columns: Mapping[str, Values]) -> pa.RecordBatch:
    """Return columns as a batch of exactly this Spark schema."""
    arrow = to_arrow_schema(schema)
    arrays = [_array(columns[field.name]).cast(field.type) for field in arrow]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow)


def table(schema: StructType, columns: Mapping[str, Values]) -> pa.Table:
    """Return columns as a table of exactly this Spark schema."""
    return pa.Table.from_batches([record_batch(schema, columns)])


def _array(values: Values) -> pa.Array:
    if isinstance(values, Strings):
        return values.column
    return values if isinstance(values, pa.Array) else pa.array(values)
