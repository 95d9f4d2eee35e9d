"""Arrow list columns that somebody else made: lists of any length, null, or with nulls in them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow.core.types import BoolArray, FloatArray, IntArray


def probabilities(values: pa.ListArray, n_classes: int) -> tuple[FloatArray, BoolArray]:
    """Return lists of numbers as a matrix, and which of them are of the right length.

    Returns
    -------
    float64, shape (rows, K), C-ordered; NaN for a null, and in all of a row of another length
    bool, shape (rows,)
    """
    is_whole = _lengths(values) == n_classes
    flat = values.filter(pa.array(is_whole)).flatten()
    shape = (int(np.count_nonzero(is_whole)), n_classes)
    numbers = np.asarray(pc.fill_null(flat, float("nan")), np.float64).reshape(shape)
    if is_whole.all():
        return numbers, is_whole
    rows = np.full((len(values), n_classes), np.nan)
    rows[is_whole] = numbers
    return rows, is_whole


def get(values: pa.ListArray, at: IntArray) -> FloatArray:
    """Return a number of each list by its place, shape (rows,); NaN where there is none."""
    has = (at >= 0) & (at < _lengths(values))
    numbers = pc.fill_null(values.values, float("nan"))
    found = np.full(len(values), np.nan)
    found[has] = np.asarray(numbers)[(np.asarray(values.offsets)[:-1] + at)[has]]
    return found


def entries(values: pa.ListArray) -> tuple[IntArray, pa.Array]:
    """Return the entries of all lists one after the other, and the row that each is from."""
    return np.repeat(np.arange(len(values)), np.maximum(_lengths(values), 0)), values.flatten()


def positions(values: pa.Array, names: Sequence[str]) -> IntArray:
    """Return the position of each string among `names`, or -1."""
    found = pc.index_in(values.cast(pa.string()), value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, -1), np.int64)


def gather(rows: IntArray, values: pa.Array, n_rows: int) -> pa.ListArray:
    """Return lists of entries, the reverse of `entries`; `rows` have to ascend."""
    ends = np.cumsum(np.bincount(rows, minlength=n_rows))
    return pa.ListArray.from_arrays(pa.array(np.append(0, ends), pa.int32()), values)


def spread(values: pa.Array, rows: IntArray, n_rows: int) -> pa.Array:
    """Return an array of length n_rows that has the values at these rows, and null elsewhere."""
    if len(rows) == n_rows:
        return values
    places = np.full(n_rows, -1)
    places[rows] = np.arange(len(rows))
    return values.take(pa.array(places, mask=places < 0))


def named(codes: npt.NDArray[np.int8], names: Sequence[str]) -> pa.Array:
    """Return the name of each code, and null for 0."""
    return pa.array(names, pa.string()).take(pa.array(codes, mask=codes == 0))


def _lengths(values: pa.ListArray) -> IntArray:
    return np.asarray(pc.fill_null(pc.list_value_length(values), -1), np.int64)
