"""Columns as one JSON text, the same on every engine: what a row's id is a hash of.

The text is that of Spark's `to_json`, with all fields and in UTC. Sail's has no nulls, loses the
sign of decimals, and writes numbers and times in its own way.
"""

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow.core.number_text import number_text
from lakewinnow.spark.arrow import udf

_PLAIN: Final = (t.BooleanType, t.ByteType, t.ShortType, t.IntegerType, t.LongType)
_BY_PYTHON: Final = (t.ArrayType, t.DecimalType, t.DoubleType, t.FloatType, t.MapType, t.StructType)
_MOST_PLAIN_SCALE: Final = 6  # a decimal of more places may be written with an exponent
_TO_MILLISECONDS: Final = len('"2026-11-28T09:10:30.123')

_SPECIAL: Final = r'[\x00-\x1f"\\]'
_ESCAPES: Final[Mapping[str, str]] = {
    "\\": "\\\\",  # first: the others bring more of it
    '"': '\\"',
    **{chr(code): f"\\u{code:04X}" for code in range(32)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}
_TRANSLATION: Final = str.maketrans(dict(_ESCAPES))


def json_of(columns: Mapping[str, tuple[Column, t.DataType]]) -> Column:
    """Return columns as the text of one JSON object, in the order of their names."""
    parts: list[Column] = []
    for name in sorted(columns):
        value, data_type = columns[name]
        parts.append(F.lit(f"{',' if parts else '{'}{_quoted(name)}:"))
        parts.append(F.when(value.isNull(), F.lit("null")).otherwise(_json(value, data_type)))
    return F.concat(*parts, F.lit("}"))


def _json(value: Column, data_type: t.DataType) -> Column:
    if isinstance(data_type, t.StringType):
        return _string(value)
    if isinstance(data_type, _PLAIN):
        return value.cast("string")
    if isinstance(data_type, t.DecimalType) and data_type.scale <= _MOST_PLAIN_SCALE:
        return value.cast("string")
    if isinstance(data_type, _BY_PYTHON):
        return udf.on_arrow(partial(_texts, data_type=data_type), t.StringType())(value)
    field = F.to_json(F.struct(value.alias("v")), {"timeZone": "UTC"})  # {"v":…}
    native = F.substring(field, len('{"v":') + 1, F.length(field) - len('{"v":}'))
    if isinstance(data_type, t.TimestampType):
        return F.concat(F.substring(native, 1, _TO_MILLISECONDS), F.lit('Z"'))
    if isinstance(data_type, t.TimestampNTZType):
        return F.concat(F.substring(native, 1, _TO_MILLISECONDS), F.lit('"'))
    return native


def _string(value: Column) -> Column:
    escaped = value
    for character, escape in _ESCAPES.items():
        escaped = F.replace(escaped, F.lit(character), F.lit(escape))
    text = F.when(value.rlike(_SPECIAL), escaped).otherwise(value)
    return F.concat(F.lit('"'), text, F.lit('"'))


def _texts(values: pa.Array, data_type: t.DataType) -> pa.Array:
    write = _writer(data_type)
    texts = [None if value is None else write(value) for value in values.to_pylist()]
    return pa.array(texts, pa.string())


def _writer(data_type: t.DataType) -> Callable[[Any], str]:
    """Return what writes a Python value of this type as JSON."""
    if isinstance(data_type, (t.DoubleType, t.FloatType)):
        return partial(_number, is_single=isinstance(data_type, t.FloatType))
    if isinstance(data_type, t.ArrayType):
        item = _with_null(data_type.elementType)
        return lambda values: f"[{','.join(map(item, values))}]"
    if isinstance(data_type, t.MapType):
        key, item = _writer(data_type.keyType), _with_null(data_type.valueType)
        return lambda pairs: _object((key(k).strip('"'), item(v)) for k, v in pairs)
    if isinstance(data_type, t.StructType):
        fields = [(_quoted(f.name)[1:-1], f.name, _with_null(f.dataType)) for f in data_type.fields]
        return lambda row: _object((shown, write(row[name])) for shown, name, write in fields)
    return _WRITERS.get(type(data_type), str)


def _with_null(data_type: t.DataType) -> Callable[[Any], str]:
    write = _writer(data_type)
    return lambda value: "null" if value is None else write(value)


def _object(fields: Any) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}"


def _number(value: float, *, is_single: bool) -> str:
    text = number_text(value, is_single=is_single)
    return text if text[-1].isdigit() else f'"{text}"'


def _quoted(text: str) -> str:
    return f'"{text.translate(_TRANSLATION)}"'


def _time(value: dt.datetime) -> str:
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds")


_WRITERS: Final[Mapping[type[t.DataType], Callable[[Any], str]]] = {
    t.BinaryType: lambda value: f'"{base64.b64encode(value).decode()}"',
    t.BooleanType: lambda value: str(value).lower(),
    t.DateType: lambda value: f'"{value.isoformat()}"',
    t.StringType: _quoted,
    t.TimestampNTZType: lambda value: f'"{_time(value)}"',
    t.TimestampType: lambda value: f'"{_time(value)}Z"',  # Arrow has it in UTC
}
