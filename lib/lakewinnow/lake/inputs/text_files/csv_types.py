"""The types that Spark's `inferSchema` gives the columns of a CSV file, and values of them."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final

import pyarrow as pa
from pyspark.sql import types as t

from lakewinnow.errors import ConfigError

INTEGER, LONG, DECIMAL, DOUBLE = "int", "bigint", "decimal", "double"
BOOLEAN, DATE, TIMESTAMP, STRING = "boolean", "date", "timestamp", "string"

_INTEGER = re.compile(r"[+-]?\d+")
_WITHOUT_SCALE = re.compile(r"[+-]?\d+\.?(?:[eE][+-]?0+)?")  # a decimal to Java, if no integer
_DOUBLE = re.compile(
    r"[\0-\x20]*([+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))[fFdD]?[\0-\x20]*"
)
_NAMED_DOUBLES: Final = {"NaN": "nan", "Inf": "inf", "-Inf": "-inf"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# More than Spark takes: a column of such values alone is left to Spark.
_TIMESTAMP = re.compile(
    r"\s*(?:[+-]?\d{4,6}-\d{1,2}(?:-\d{1,2}(?:[ T].*)?)?|T?\d{1,2}:\d{1,2}.*)\s*", re.DOTALL
)
_TYPES: Final[Mapping[str, t.DataType]] = {
    INTEGER: t.IntegerType(),
    LONG: t.LongType(),
    DOUBLE: t.DoubleType(),
    BOOLEAN: t.BooleanType(),
    DATE: t.DateType(),
    STRING: t.StringType(),
}


def kind_of(value: str) -> str:
    """Return what a value that is not empty can be read as: the narrowest type."""
    if _INTEGER.fullmatch(value):
        number = int(value)
        for kind, bits in ((INTEGER, 31), (LONG, 63)):
            if -(1 << bits) <= number < 1 << bits:
                return kind
        return DECIMAL
    if _WITHOUT_SCALE.fullmatch(value):
        return DECIMAL
    if _DOUBLE.fullmatch(value) or value in _NAMED_DOUBLES:
        return DOUBLE
    if _date(value) is not None:
        return DATE
    if _TIMESTAMP.fullmatch(value):
        return TIMESTAMP
    return BOOLEAN if value.lower() in ("true", "false") else STRING


def common_type(name: str, kinds: Iterable[str]) -> t.DataType:
    """Return the type of a column from the kinds of its values.

    Raises
    ------
    ConfigError : "option_of_spark", for decimals and timestamps
    """
    found = set(kinds)
    if not found:
        return t.StringType()
    if DECIMAL in found and found <= {INTEGER, LONG, DECIMAL}:
        raise _left_to_spark(name, DECIMAL)
    if TIMESTAMP in found and found <= {INTEGER, DATE, TIMESTAMP}:
        raise _left_to_spark(name, TIMESTAMP)
    for kind, narrower in (
        (INTEGER, {INTEGER}),
        (LONG, {INTEGER, LONG}),
        (DOUBLE, {INTEGER, LONG, DECIMAL, DOUBLE}),
        (BOOLEAN, {BOOLEAN}),
        (DATE, {DATE}),
    ):
        if found <= narrower:
            return _TYPES[kind]
    return t.StringType()


def _left_to_spark(name: str, kind: str) -> ConfigError:
    return ConfigError(
        "option_of_spark",
        "input.options.inferSchema",
        "columns of strings, numbers, booleans and dates, which are what Sail's reader infers",
        f"column {name}, a {kind}",
        "use `engine: spark`, or leave out inferSchema: all columns are strings then",
    )


def typed(column: pa.Array, kind: t.DataType) -> pa.Array:
    """Convert strings that all are of a kind."""
    convert = _CONVERTERS.get(type(kind))
    if convert is None:
        return column
    to_value, arrow = convert
    values = [None if value is None else to_value(value) for value in column.to_pylist()]
    return pa.array(values, arrow)


def _double(value: str) -> float:
    found = _DOUBLE.fullmatch(value)
    return float(found.group(1)) if found else float(_NAMED_DOUBLES[value])


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(value) if _DATE.fullmatch(value) else None
    except ValueError:
        return None


_CONVERTERS: Final[Mapping[type[t.DataType], tuple[Callable[[str], object], pa.DataType]]] = {
    t.IntegerType: (int, pa.int32()),
    t.LongType: (int, pa.int64()),
    t.DoubleType: (_double, pa.float64()),
    t.BooleanType: (lambda value: value.lower() == "true", pa.bool_()),
    t.DateType: (_date, pa.date32()),
}
