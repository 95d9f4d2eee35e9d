"""The caller's own frame, of Spark or pandas: its columns checked, ours put beside them."""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_integer_dtype, is_list_like
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    IntegralType,
    StringType,
    StructType,
)

from lakewinnow.errors import ConfigError, DataError, SchemaError, Shown, did_you_mean
from lakewinnow.lake.inputs.acceptance import MAX_CLASSES
from lakewinnow.lake.inputs.source import column, own_name, text_of
from lakewinnow.spark.passes import valid_probs

FIRST_ROWS: Final = 1000  # if they agree on the number of classes, the others need not be asked
STRINGS_OR_INTEGERS: Final = "strings or integers"
_UNHASHABLE: Final = re.compile(r"\b(map<|variant)")


def check_names(columns: Iterable[str], wanted: Mapping[str, str | None]) -> None:
    """Raise SchemaError "missing_column" for the names, by parameter, that are no column."""
    known = [str(name) for name in columns]
    problems = [
        SchemaError(
            "missing_column",
            where,
            f"one of the frame's columns ({', '.join(known)})",
            name,
            did_you_mean(name, known),
        )
        for where, name in wanted.items()
        if name is not None and name not in known
    ]
    if problems:
        raise SchemaError.together(problems)


def check_key(where: str, schema: StructType, name: str, *, is_list: bool = False) -> DataType:
    """Return the type of a column of labels or ids (or of lists of them), if it can be one.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found = schema[name].dataType
    element = found.elementType if is_list and isinstance(found, ArrayType) else found
    if isinstance(found, ArrayType) != is_list or not isinstance(
        element, (StringType, IntegralType)
    ):
        expected = f"{'arrays of ' if is_list else ''}{STRINGS_OR_INTEGERS}"
        raise wrong_type(where, expected, f"{name} {found.simpleString()}")
    return element


def check_probabilities(where: str, schema: StructType, name: str) -> Column:
    """Return a column of probabilities as arrays of double (or of float, if they are).

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found = schema[name].dataType
    if not valid_probs.is_probabilities(found):
        expected = "an array of double, float or decimal, or a vector"
        raise wrong_type(where, expected, f"{name} {found.simpleString()}")
    return valid_probs.as_array(column(name), found)


def wrong_type(where: str, expected: str, got: str) -> SchemaError:
    """Return the error for a column that cannot be used."""
    return SchemaError("wrong_column_type", where, expected, Shown(got), "cast it")


def row_id(df: DataFrame, id_column: str | None, needed: Sequence[str]) -> Column:
    """Return an id of each row as a string, by which ties are broken.

    Parameters
    ----------
    id_column : the caller's. None: a hash of the whole row
    needed : columns that are read anyway, of which a hash stands in for a null id

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    if id_column is None:
        return _hash(df, df.columns)
    check_key("id", df.schema, id_column)
    return F.coalesce(text_of(id_column), _hash(df, needed))


def _hash(df: DataFrame, names: Sequence[str]) -> Column:
    """Hash columns to 128 bits; what Spark cannot hash it leaves out."""
    types = {name: df.schema[name].dataType.simpleString() for name in names}
    known = [column(name) for name, kind in types.items() if not _UNHASHABLE.search(kind)]
    halves = (F.xxhash64(F.lit(half), *known) for half in (0, 1))
    return F.concat(*(F.lpad(F.hex(half), 16, "0") for half in halves))


# --- classes ------------------------------------------------------------------------------------


def class_names(
    labels: DataFrame, pred_probs: DataFrame, classes: Sequence[object] | None
) -> list[str]:
    """Return the classes in the order of the probabilities.

    Parameters
    ----------
    labels, pred_probs : frames of one column
    classes : the caller's. None: 0 .. K-1 for integers, where K is how many probabilities the rows
        have, or most of them; the sorted distinct labels for strings

    Raises
    ------
    ConfigError : "repeated_class"
    DataError : "no_rows", "too_many_classes"
    """
    if classes is not None:
        return _distinct(classes)
    [label], [probs] = labels.columns, pred_probs.columns
    if isinstance(labels.schema[label].dataType, StringType):
        found = labels.where(column(label).isNotNull()).distinct().limit(MAX_CLASSES + 1).collect()
        return _sorted([row[0] for row in found])
    lengths = pred_probs.where(column(probs).isNotNull()).select(F.size(column(probs)).alias("k"))
    # Collected as they are: an aggregate would have every partition read before the limit
    first = Counter(lengths.limit(FIRST_ROWS).toArrow().column("k").to_pylist())
    return _numbers(first if len(first) == 1 else _counts(lengths))


def label_index(df: DataFrame, name: str, classes: Sequence[str]) -> Column:
    """Return the position of each row's label in the class list, or null."""
    label, n_classes = column(name), len(classes)
    is_position = isinstance(df.schema[name].dataType, IntegralType)
    if is_position and list(classes) == [str(k) for k in range(n_classes)]:
        return F.when(label.between(0, n_classes - 1), label).cast("int")
    return valid_probs.label_index(label.cast("string"), list(classes))


def _counts(lengths: DataFrame) -> Counter[int]:
    most = lengths.groupBy("k").count().orderBy(F.desc("count"), F.desc("k")).limit(2)
    return Counter({row[0]: row[1] for row in most.collect()})


def class_names_in_memory(
    labels: pd.Series, lengths: Iterable[int], classes: Sequence[object] | None
) -> list[str]:
    """Return the classes as `class_names` does; labels are those that `plain` returned."""
    if classes is not None:
        return _distinct(classes)
    if is_integer_dtype(labels):
        return _numbers(Counter(lengths))
    return _sorted(labels.dropna().unique().tolist())


def _distinct(classes: Sequence[object]) -> list[str]:
    counts = Counter(map(str, classes))
    twice = [name for name, n in counts.items() if n > 1]
    if twice:
        raise ConfigError("repeated_class", "classes", "each class once", twice[0])
    return _some(list(counts))


def _sorted(labels: list[str]) -> list[str]:
    if len(labels) > MAX_CLASSES:
        expected, got = f"at most {MAX_CLASSES:,} distinct labels", Shown("more")
        hint = "is it an id or free text by mistake?"
        raise DataError("too_many_classes", "label", expected, got, hint)
    return _some(sorted(labels))


def _numbers(lengths: Counter[int]) -> list[str]:
    most = max(((n, k) for k, n in lengths.items()), default=(0, 0))
    return _some([str(k) for k in range(most[1])])


def _some(classes: list[str]) -> list[str]:
    if not classes:
        expected = "rows with labels and probabilities"
        raise DataError("no_rows", "label, pred_probs", expected, Shown("none"))
    return classes


def check_bad_rows(
    codes: Sequence[str],
    n_by_code: npt.NDArray[np.int64],
    n_imprecise: int,
    max_bad_fraction: float,
    hint: str,
) -> None:
    """Warn of the rows that are left out.

    Parameters
    ----------
    codes, n_by_code : reasons, the first of which is none, and how many rows have them
    n_imprecise : rows whose probabilities sum to 1 only roughly

    Raises
    ------
    DataError : "too_many_bad_rows", or "classes_do_not_fit" where that is most rows' fault
    """
    n_rows, n_bad = int(n_by_code.sum()), int(n_by_code[1:].sum())
    found = zip(codes[1:], n_by_code[1:].tolist(), strict=True)
    reasons = ", ".join(f"{n:,} {code}" for code, n in found if n)
    if n_bad > max_bad_fraction * n_rows:
        if 2 * n_by_code[codes.index(valid_probs.WRONG_LENGTH)] > n_rows:
            expected = "a name for each of the probabilities, in their order"
            hint = "list all classes, those without a row too"
            got = Shown("another number of names than most rows have probabilities")
            raise DataError("classes_do_not_fit", "classes", expected, got, hint)
        expected = f"at most {max_bad_fraction:.0%} of the rows to be left out"
        got = Shown(f"{n_bad:,} of {n_rows:,}: {reasons}")
        raise DataError("too_many_bad_rows", "pred_probs", expected, got, hint)
    if n_bad:
        warnings.warn(f"{n_bad:,} of {n_rows:,} rows are left out: {reasons}", stacklevel=5)
    if n_imprecise:
        warnings.warn(
            f"the probabilities of {n_imprecise:,} rows sum to 1 only to within 0.01", stacklevel=5
        )


# --- columns beside the caller's ----------------------------------------------------------------


def own_names(names: Sequence[str], columns: Iterable[str]) -> dict[str, str]:
    """Return what each of our columns is called beside these of the caller."""
    return {name: own_name(name, list(map(str, columns))) for name in names}


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


# --- pandas columns -----------------------------------------------------------------------------


def plain(where: str, values: pd.Series) -> pd.Series:
    """Return labels or ids as nullable strings or integers, whatever dtype they came in.

    Integers with gaps, say, are floats in pandas.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found = values.astype(object).convert_dtypes()
    if found.isna().all():
        return found.astype("string")
    if is_integer_dtype(found) or isinstance(found.dtype, pd.StringDtype):
        return found
    raise wrong_type(where, STRINGS_OR_INTEGERS, f"{values.name} {values.dtype}")


def strings(values: pd.Series) -> list[str | None]:
    """Return what `plain` returns as strings, or None where there is none."""
    return [None if value is pd.NA else str(value) for value in values]


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
    return pa.int64() if is_integer_dtype(labels) else pa.string()
