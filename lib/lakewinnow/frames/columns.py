"""The caller's columns: whether they are there and can be used, and names for ours beside them."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow.errors import SchemaError, Shown
from lakewinnow.lake.inputs.source import column, own_name, text_of
from lakewinnow.spark.passes import valid_probs

STRINGS_OR_INTEGERS: Final = "strings or integers"
_UNHASHABLE: Final = re.compile(r"\b(map<|variant)")
_WHOLE_FLOATS: Final = 2**53  # beyond, not every whole number is a float


def check_key(where: str, schema: t.StructType, name: str, *, is_list: bool = False) -> t.DataType:
    """Return the type of a column of labels or ids (or of lists of them), if it can be one.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found = schema[name].dataType
    element = found.elementType if is_list and isinstance(found, t.ArrayType) else found
    if isinstance(found, t.ArrayType) != is_list or not isinstance(
        element, (t.StringType, t.IntegralType)
    ):
        expected = f"{'arrays of ' if is_list else ''}{STRINGS_OR_INTEGERS}"
        raise wrong_type(where, expected, f"{name} {found.simpleString()}")
    return element


def check_label(schema: t.StructType, name: str) -> tuple[Column, t.DataType]:
    """Return a column of labels as strings or integers, and its type: "true" for True.

    A fraction is no label; it becomes null, which is no class.

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    found, label = schema[name].dataType, column(name)
    if isinstance(found, t.BooleanType):
        return label.cast("string"), found
    if isinstance(found, t.FractionalType):
        is_whole = (label % 1 == 0) & label.between(-_WHOLE_FLOATS, _WHOLE_FLOATS)
        return F.when(is_whole, label.cast("bigint")), t.LongType()
    return label, check_key("label", schema, name)


def check_probabilities(where: str, schema: t.StructType, name: str | Sequence[str]) -> Column:
    """Return a column of probabilities as arrays of double (or of float, if they are).

    Parameters
    ----------
    name : of the column, or of a column of numbers for each class

    Raises
    ------
    SchemaError : "wrong_column_type"
    """
    if not isinstance(name, str):
        for each in name:
            if not isinstance(kind := schema[each].dataType, t.NumericType):
                raise wrong_type(where, "columns of numbers", f"{each} {kind.simpleString()}")
        return F.array(*(column(each).cast("double") for each in name))
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


def own_names(names: Sequence[str], columns: Iterable[str]) -> dict[str, str]:
    """Return what each of our columns is called beside these of the caller."""
    return {name: own_name(name, list(map(str, columns))) for name in names}
