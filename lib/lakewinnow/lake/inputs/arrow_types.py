"""Types of Arrow that engines do not have, and what their values are read as.

Sail and Spark differ in which of these they read, and in what they make of them without a word.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

_MOST_DIGITS: Final = 38  # of a decimal
_WIDER: Final = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
}
# Read as they are by every engine, whoever wrote the file.
_PLAIN: Final = {
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()),
    *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.date32()),
}


def is_plain(kind: pa.DataType) -> bool:
    """Whether every engine reads a column of Parquet of this type, and all read it as the same."""
    if types.is_timestamp(kind):
        return bool(kind.unit in ("ms", "us"))
    if types.is_decimal128(kind) or kind in _PLAIN:
        return True
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if is_list or types.is_struct(kind) or types.is_map(kind):
        return all(is_plain(field.type) for field in _inner(kind))
    return False


def engine_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns in the types that engines have for their values."""
    return pa.schema(
        [(f.name, pa.string() if _is_uuid(f.type) else _engine_type(f.type)) for f in schema]
    )


def _engine_type(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _engine_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _engine_type(kind.value_type)
    if types.is_map(kind):
        return pa.map_(_engine_type(kind.key_type), _engine_type(kind.item_type))
    if _is_list(kind):
        return pa.list_(_engine_type(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _engine_type(field.type)) for field in kind])
    return _of_values(kind)


def _of_values(kind: pa.DataType) -> pa.DataType:
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if types.is_date(kind):
        return pa.date32()
    if types.is_decimal(kind) and kind.precision <= _MOST_DIGITS:
        return pa.decimal128(kind.precision, kind.scale)
    if types.is_duration(kind):
        return pa.int64()
    if types.is_large_binary(kind) or types.is_binary_view(kind) or _is_fixed_binary(kind):
        return pa.binary()
    if kind in _PLAIN and not types.is_large_string(kind):
        return kind
    return _WIDER.get(kind, pa.string())  # times, nulls, longer decimals; large strings and views


def changes(schema: Iterable[pa.Field], within: str = "") -> Iterator[str]:
    """Yield which columns change, not in how they are stored but in what their values are."""
    for field in schema:
        yield from _changes(field.type, f"{within}{field.name}")


def _changes(kind: pa.DataType, name: str) -> Iterator[str]:
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        yield from _changes(kind.value_type, name)
    elif types.is_struct(kind):
        yield from changes(_inner(kind), f"{name}.")
    elif types.is_nested(kind):
        yield from (change for field in _inner(kind) for change in _changes(field.type, name))
    elif what := _change(kind):
        yield f"{name} ({kind}) as {what}"


def _change(kind: pa.DataType) -> str:
    """Return what values of a type become; "" where they stay what they are."""
    if types.is_timestamp(kind):
        return "microseconds" if kind.unit == "ns" else ""
    if types.is_duration(kind):
        return f"integers of {kind.unit}"
    if isinstance(kind, pa.BaseExtensionType):
        return "text" if _is_uuid(kind) else _change(kind.storage_type)
    target = _engine_type(kind)
    if target == pa.string():
        return "" if kind in _PLAIN or types.is_string_view(kind) else "text"
    return str(target) if kind in _WIDER else ""


def as_engines_have(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in the types of `engine_schema`; a column that it lacks is null."""
    found = set(batch.schema.names)
    columns = [
        _cast(batch.column(field.name), field.type)
        if field.name in found
        else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(values: pa.Array, target: pa.DataType) -> pa.Array:
    if _is_uuid(values.type):
        return pa.array([None if x is None else str(x) for x in values.to_pylist()], target)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if types.is_run_end_encoded(values.type):
        values = pc.run_end_decode(values)
    if values.type == target:
        return values
    try:
        cast = values.cast(target, safe=False)  # nanoseconds are cut to microseconds
        cast.validate()  # of views of lists pyarrow 26 makes what is none
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([_plain(value, target) for value in values.to_pylist()], target)
    return cast


def _plain(value: object, target: pa.DataType) -> object:
    return value if value is None or target != pa.string() else str(value)


def _inner(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(i) for i in range(kind.num_fields)] if types.is_nested(kind) else []


def _is_list(kind: pa.DataType) -> bool:
    return not types.is_map(kind) and types.is_nested(kind) and hasattr(kind, "value_type")


def _is_fixed_binary(kind: pa.DataType) -> bool:
    return bool(types.is_fixed_size_binary(kind)) and not types.is_decimal(kind)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"
