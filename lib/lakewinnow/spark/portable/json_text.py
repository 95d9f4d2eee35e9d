"""Columns as one JSON text, the same on every engine: what a row's id is a hash of.

Values that differ have texts that differ, in every type. Within that the text is that of Spark's
`to_json` in UTC, with all fields: times have as many more places as they need. Engines' own has no
microseconds; Sail's has no nulls and loses the sign of decimals, too.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow.core.number_text import number_text
from lakewinnow.spark.arrow import udf

_PLAIN: Final = (t.BooleanType, t.ByteType, t.ShortType, t.IntegerType, t.LongType)
_MOST_PLAIN_SCALE: Final = 6  # a decimal of more places may be written with an exponent
_NOT_IN_ARROW: Final = (t.CalendarIntervalType, t.YearMonthIntervalType)
_NULL: Final = "null"
_MICROSECONDS: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"
_ENGINE_OPTIONS: Final = {"timeZone": "UTC", "timestampFormat": _MICROSECONDS}

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
# A byte that is not UTF-8 is decoded as such a half of a pair, which no other text has.
_NOT_UTF8: Final = {code: f"\\u{code:04X}" for code in range(0xDC80, 0xDD00)}
_TRANSLATION: Final = str.maketrans(dict(_ESCAPES)) | _NOT_UTF8


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
    if isinstance(data_type, _NOT_IN_ARROW):
        return F.concat(F.lit('"'), value.cast("string"), F.lit('"'))
    if not _is_in_arrow(data_type):
        field = F.to_json(F.struct(value.alias("v")), _ENGINE_OPTIONS)  # {"v":…}
        return F.substring(field, len('{"v":') + 1, F.length(field) - len('{"v":}'))
    return udf.on_arrow(partial(_texts, data_type=data_type), t.StringType())(value)


def _is_in_arrow(data_type: t.DataType) -> bool:
    """Whether Python functions get values of this type as they are."""
    if isinstance(data_type, t.ArrayType):
        return _is_in_arrow(data_type.elementType)
    if isinstance(data_type, t.MapType):
        return _is_in_arrow(data_type.keyType) and _is_in_arrow(data_type.valueType)
    if isinstance(data_type, t.StructType):
        return all(_is_in_arrow(field.dataType) for field in data_type.fields)
    return not isinstance(data_type, (*_NOT_IN_ARROW, t.UserDefinedType))


def _string(value: Column) -> Column:
    escaped = value
    for character, escape in _ESCAPES.items():
        escaped = F.replace(escaped, F.lit(character), F.lit(escape))
    text = F.when(value.rlike(_SPECIAL), escaped).otherwise(value)
    return F.concat(F.lit('"'), text, F.lit('"'))


def _texts(values: pa.Array, data_type: t.DataType) -> pa.Array:
    return pa.array(_write(values, data_type), pa.string())


def _write(values: pa.Array, data_type: t.DataType) -> list[str | None]:
    """Write the values of an array as JSON; a null is None."""
    if isinstance(data_type, t.ArrayType):
        items = _with_nulls(_write(values.values, data_type.elementType))
        return _lists(values, items, "[]")
    if isinstance(data_type, t.MapType):
        keys = (
            key if key[:1] == '"' else f'"{key}"'
            for key in _with_nulls(_write(values.keys, data_type.keyType))
        )
        items = _with_nulls(_write(values.items, data_type.valueType))
        return _lists(
            values, [f"{key}:{item}" for key, item in zip(keys, items, strict=True)], "{}"
        )
    if isinstance(data_type, t.StructType):
        fields = [
            [
                f"{_quoted(field.name)}:{text}"
                for text in _with_nulls(_write(values.field(i), field.dataType))
            ]
            for i, field in enumerate(data_type.fields)
        ]
        rows = zip(*fields, strict=True) if fields else [()] * len(values)
        is_valid = values.is_valid().to_pylist()
        return [
            f"{{{','.join(row)}}}" if valid else None
            for row, valid in zip(rows, is_valid, strict=True)
        ]
    if isinstance(data_type, _TIMES):
        return _times(values, data_type)
    if isinstance(data_type, t.StringType):
        values = values.cast(pa.binary())
    write = _WRITERS.get(type(data_type), lambda value: _quoted(str(value)))
    return [None if value is None else write(value) for value in values.to_pylist()]


def _with_nulls(texts: Iterable[str | None]) -> list[str]:
    return [_NULL if text is None else text for text in texts]


def _lists(values: pa.Array, items: list[str], brackets: str) -> list[str | None]:
    offsets, is_valid = values.offsets.to_pylist(), values.is_valid().to_pylist()
    opening, closing = brackets[0], brackets[1]
    return [
        f"{opening}{','.join(items[start:end])}{closing}" if valid else None
        for start, end, valid in zip(offsets, offsets[1:], is_valid, strict=False)
    ]


def _times(values: pa.Array, data_type: t.DataType) -> list[str | None]:
    """Write dates and times of any year, which Python has not."""
    unit = "D" if isinstance(data_type, t.DateType) else "us"
    as_moments = values.cast(pa.date32() if unit == "D" else pa.timestamp("us", values.type.tz))
    numbers = as_moments.cast(pa.int32() if unit == "D" else pa.int64()).fill_null(0)
    moments = np.datetime_as_string(numbers.to_numpy().astype(f"datetime64[{unit}]"))
    zone = "Z" if isinstance(data_type, t.TimestampType) else ""
    return [
        f'"{_short(str(moment))}{zone}"' if valid else None
        for moment, valid in zip(moments, values.is_valid().to_pylist(), strict=True)
    ]


def _short(moment: str) -> str:
    """Leave out microseconds where there are none."""
    return moment[:-3] if "." in moment and moment.endswith("000") else moment


def _number(value: float, *, is_single: bool) -> str:
    text = number_text(value, is_single=is_single)
    return text if text[-1].isdigit() else f'"{text}"'


def _quoted(text: str) -> str:
    return f'"{text.translate(_TRANSLATION)}"'


_TIMES: Final = (t.DateType, t.TimestampType, t.TimestampNTZType)
_WRITERS: Final[Mapping[type[t.DataType], Callable[[Any], str]]] = {
    t.BinaryType: lambda value: f'"{base64.b64encode(value).decode()}"',
    t.BooleanType: lambda value: str(value).lower(),
    **dict.fromkeys((*_PLAIN[1:], t.DecimalType), str),
    t.DoubleType: partial(_number, is_single=False),
    t.FloatType: partial(_number, is_single=True),
    t.StringType: lambda value: _quoted(value.decode("utf-8", "surrogateescape")),
}
