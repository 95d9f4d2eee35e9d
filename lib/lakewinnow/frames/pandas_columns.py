"""Columns of a pandas frame: labels, ids and probabilities whatever dtype they come in."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_list_like, is_numeric_dtype

from lakewinnow.frames.columns import STRINGS_OR_INTEGERS, own_names, wrong_type


def plain(where: str, values: pd.Series, *, with_bools: bool = False) -> pd.Series:
    """Return labels or ids as nullable strings, integers or booleans, whatever dtype they came in.

    Integers with gaps, say, are floats in pandas.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found = values.astype(object).convert_dtypes()
    if found.isna().all():
        return found.astype("string")
    if with_bools and is_bool_dtype(found):
        return found
    if is_integer_dtype(found) or isinstance(found.dtype, pd.StringDtype):
        return found
    raise wrong_type(where, STRINGS_OR_INTEGERS, f"{values.name} {values.dtype}")


def strings(values: pd.Series) -> list[str | None]:
    """Return what `plain` returns as strings, or None where there is none."""
    return [None if value is pd.NA else as_name(value) for value in values]


def as_name(value: object) -> str:
    """Return a label or an id as a string, a boolean as Spark's SQL has it."""
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def row_ids(df: pd.DataFrame, id_column: str | None) -> list[str]:
    """Return the caller's ids as strings, or where there is none the row's position.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    positions = [f"{row:012d}" for row in range(len(df))]
    if id_column is None:
        return positions
    own = strings(plain("id", df[id_column]))
    return [at if name is None else name for name, at in zip(own, positions, strict=True)]


def arrays(where: str, values: pd.Series) -> list[npt.NDArray[np.float64] | None]:
    """Return the probabilities of each row, or None where there are none.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    try:
        rows = [np.asarray(row, np.float64) for row in values]
    except (TypeError, ValueError) as error:
        raise wrong_type(where, "arrays of numbers", f"{values.name}: {error}") from error
    return [row if row.ndim == 1 else None for row in rows]  # NaN has no dimension, as None has not


def probabilities(where: str, df: pd.DataFrame, names: str | Sequence[str]) -> pd.Series:
    """Return the column of probabilities, made of a column for each class where several are named.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    if isinstance(names, str):
        return df[names]
    for name in names:
        if not is_numeric_dtype(df[name]):
            raise wrong_type(where, "columns of numbers", f"{name} {df[name].dtype}")
    return pd.Series(list(df[[*names]].to_numpy(np.float64, na_value=np.nan)), name=where)


def lists(where: str, values: pd.Series) -> tuple[pd.Series, list[list[str | None] | None]]:
    """Return the labels of all rows in one column, as `plain` has them, and of each as strings.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    is_list = np.array([is_list_like(row) for row in values], bool)
    if values[~is_list].notna().any():
        raise wrong_type(where, f"arrays of {STRINGS_OR_INTEGERS}", f"{values.name} {values.dtype}")
    rows = [list(row) if there else None for row, there in zip(values, is_list, strict=True)]
    flat = plain(where, pd.Series([label for row in rows for label in row or ()], dtype=object))
    names = iter(strings(flat))
    return flat, [None if row is None else list(islice(names, len(row))) for row in rows]


def arrow_type(labels: pd.Series) -> pa.DataType:
    """Return the type of labels that `plain` returned."""
    if is_bool_dtype(labels):
        return pa.bool_()
    return pa.int64() if is_integer_dtype(labels) else pa.string()


def append(df: pd.DataFrame, found: Mapping[str, pa.Array]) -> pd.DataFrame:
    """Return a frame with columns that were found, a row each; integers and booleans nullable."""
    out = df.copy()
    names = own_names(list(found), df.columns)
    for name, array in found.items():
        values = array.to_pandas(integer_object_nulls=True)
        if pa.types.is_integer(array.type):
            values = values.astype("Int64")
        elif pa.types.is_boolean(array.type):
            values = values.astype("boolean")
        out[names[name]] = values.set_axis(df.index)
    return out
