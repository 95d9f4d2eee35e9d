"""Schemas of our tables, a line a column."""

from collections.abc import Mapping
from typing import Final

from pyspark.sql import types as t

_TYPES: Final[Mapping[str, type[t.DataType]]] = {
    "bigint": t.LongType,
    "binary": t.BinaryType,
    "boolean": t.BooleanType,
    "double": t.DoubleType,
    "float": t.FloatType,
    "int": t.IntegerType,
    "smallint": t.ShortType,
    "string": t.StringType,
}


def schema(columns: Mapping[str, str | t.DataType]) -> t.StructType:
    """Return columns of types as SQL has them, `?` behind those that may be null; or of such types.

    Examples
    --------
    >>> schema({"row_id": "string", "label_rank": "int?", "vector": "array<float>"})["vector"]
    StructField('vector', ArrayType(FloatType(), False), False)
    """
    return t.StructType([_field(name, kind) for name, kind in columns.items()])


def _field(name: str, kind: str | t.DataType) -> t.StructField:
    if isinstance(kind, t.DataType):
        return t.StructField(name, kind, nullable=False)
    return t.StructField(name, _type(kind.removesuffix("?")), nullable=kind.endswith("?"))


def _type(kind: str) -> t.DataType:
    if kind.startswith("array<"):
        element = kind.removeprefix("array<").removesuffix(">")
        return t.ArrayType(_type(element.removesuffix("?")), containsNull=element.endswith("?"))
    return _TYPES[kind]()
