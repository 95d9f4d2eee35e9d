"""JSON lines as Arrow batches, and the schema that Spark infers over all of a file."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import types as t
from pyspark.sql.pandas.types import to_arrow_schema

from lakewinnow.errors import ConfigError, SchemaError, Shown
from lakewinnow.lake.inputs.text_files import json_values as jv
from lakewinnow.lake.inputs.text_files.decoding import JAVA, Readable, with_newlines

_READ_BYTES: Final = 1 << 20
_BATCH_BYTES: Final = 1 << 22
_BOM: Final = b"\xef\xbb\xbf"
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")  # items of an array
_SIMPLE: Final = {
    jv.NULL: t.StringType(),
    jv.STRING: t.StringType(),
    jv.BOOLEAN: t.BooleanType(),
    jv.LONG: t.LongType(),
    jv.DOUBLE: t.DoubleType(),
}


@dataclass
class Inferred:
    """What is in files."""

    kind: jv.JsonType = field(default_factory=lambda: {"struct": {}})  # the type of all objects
    has_others: bool = False  # whether there are lines that are no object
    twins: set[str] = field(default_factory=set)  # names that an object has twice

    def add(self, stream: Readable) -> None:
        """Add what is in a file."""
        scan = partial(jv.scan, scanner=jv.twin_finder(self.twins))
        for line in _lines(stream):
            value = _read(line.decode("utf-8", "surrogateescape"), scan, jv.scan_exactly)
            for row in value if isinstance(value, list) else [value]:
                if isinstance(row, dict):
                    self.kind = jv.merge(self.kind, jv.infer(row))
                else:
                    self.has_others = True

    def merge(self, other: "Inferred") -> None:
        """Add what is in other files."""
        self.kind = jv.merge(self.kind, other.kind)
        self.has_others |= other.has_others
        self.twins |= other.twins


def schema_of(inferred: Inferred, malformed: str) -> t.StructType:
    """Return the Spark schema of what was inferred: sorted by name, without what is empty.

    Raises
    ------
    ConfigError : "option_of_spark", for decimals
    SchemaError : "cannot_read", for columns of one name, or whose names differ in case alone
    """
    if inferred.twins:
        raise _twins(sorted(inferred.twins))
    kind = _spark_type(inferred.kind, "")
    found = kind.fields if isinstance(kind, t.StructType) else []
    return t.StructType([column for column in found if column.name != malformed])


def _twins(names: Sequence[str]) -> SchemaError:
    got = Shown(f"{', '.join(names)} more than once")
    return SchemaError("cannot_read", "input.path", "columns that differ by name", got)


def _spark_type(found: jv.JsonType, name: str) -> t.DataType | None:
    if isinstance(found, str):
        if found == jv.DECIMAL:
            raise ConfigError(
                "option_of_spark",
                "input.format",
                "integers of 64 bits, which are the longest that Sail's reader of JSON infers",
                Shown(f"column {name}, a decimal"),
                "use `engine: spark`",
            )
        return _SIMPLE[found]
    if "array" in found:
        element = _spark_type(found["array"], name)
        return None if element is None else t.ArrayType(element)
    names = sorted(filter(None, found["struct"]), key=lambda key: key.encode("utf-16-be"))
    lower = [key.lower() for key in names]
    twins = [key for key in names if lower.count(key.lower()) > 1]
    if twins:
        raise _twins(twins)
    fields = [(key, _spark_type(found["struct"][key], key)) for key in names]
    kept = [t.StructField(key, kind) for key, kind in fields if kind is not None]
    return t.StructType(kept) if kept else None


def rows(stream: Readable, schema: t.StructType, malformed: str) -> Iterator[pa.RecordBatch]:
    """Read a file: its columns, then the text of a line that does not parse."""
    arrow = to_arrow_schema(
        t.StructType([*schema.fields, t.StructField(malformed, t.StringType())])
    )
    names = [*schema.names, malformed]
    batch: list[dict[str, Any]] = []
    n_bytes = 0
    for line in _lines(stream):
        for row, text in _rows_of(line, schema):
            batch.append({**row, malformed: text})
        n_bytes += len(line)
        if n_bytes >= _BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(batch, arrow).select(names)
            batch, n_bytes = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, arrow).select(names)


def is_array(head: bytes) -> bool:
    """Whether a file that begins so is an array, which may be of many lines."""
    return head.removeprefix(_BOM).lstrip().startswith(b"[")


def _lines(stream: Readable) -> Iterator[bytes]:
    """Yield the lines that are not blank; of an array, its items."""
    blocks = iter(lambda: bytes(stream.read(_READ_BYTES)), b"")
    first = next(blocks, b"").removeprefix(_BOM)
    if is_array(first):
        yield from _items(b"".join([first, *blocks]).decode("utf-8", "surrogateescape"))
        return
    rest = b""
    for block in with_newlines(chain([first], blocks)):
        *lines, rest = (rest + block).split(b"\n")
        yield from (line for line in lines if line.strip(b" \t"))
    if rest.strip(b" \t"):
        yield rest


def _items(text: str) -> Iterator[bytes]:
    """Yield the text of each item of arrays; from the first that does not parse, the rest."""
    decoder, at = json.JSONDecoder(), 0
    while (at := _BETWEEN.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = len(text)
        yield text[at:end].encode("utf-8", "surrogateescape")
        at = end


def _read(line: str, *readers: Callable[[str], Any]) -> Any:
    """Read a line by the first that can; `jv.MalformedError`, the class, where none can."""
    for read in readers:
        with suppress(jv.MalformedError):
            return read(line)
    return jv.MalformedError


def _rows_of(line: bytes, schema: t.StructType) -> list[tuple[dict[str, Any], str | None]]:
    """Return the row of a line, or the rows of an array; the text where not all could be read."""
    text = line.decode("utf-8", "surrogateescape")
    for readers in ((jv.scan, jv.scan_exactly), (jv.scan_exactly,)):
        objects = _objects(_read(text, *readers))
        if objects is None:
            break
        with suppress(_NeedsTextError):
            bad: list[list[str]] = [[] for _ in objects]
            read = [_struct(found, schema, of) for found, of in zip(objects, bad, strict=True)]
            return [
                (row, _as_java(line) if of else None) for row, of in zip(read, bad, strict=True)
            ]
    return [({}, _as_java(line))]


def _as_java(line: bytes) -> str:
    return line.decode("utf-8", JAVA)


def _objects(value: Any) -> Sequence[dict[str, Any]] | None:
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    return None


class _NeedsTextError(Exception):
    """An object or array is wanted as its text, which the fast reader does not keep."""


class _UnreadableError(Exception):
    """A value is not of its column's type."""


def _struct(value: dict[str, Any], kind: t.StructType, bad: list[str]) -> dict[str, Any]:
    out = {}
    for column in kind.fields:
        item = value.get(column.name)
        if item is not None:
            try:
                out[column.name] = _converted(item, column.dataType, bad)
            except _UnreadableError:
                bad.append(column.name)
    return out


def _converted(value: Any, kind: t.DataType, bad: list[str]) -> Any:
    if value is None:
        return None
    if isinstance(kind, t.StringType):
        return _string(value)
    if isinstance(kind, t.LongType) and isinstance(value, jv.Integer):
        return int(value)
    if isinstance(kind, t.DoubleType) and isinstance(value, (jv.Integer, jv.Float)):
        return _double(value)
    if isinstance(kind, t.BooleanType) and isinstance(value, bool):
        return value
    if isinstance(kind, t.ArrayType) and isinstance(value, list):
        return [_converted(item, kind.elementType, bad) for item in value]
    if isinstance(kind, t.StructType) and isinstance(value, dict):
        return _struct(value, kind, bad)
    raise _UnreadableError


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (jv.Object, jv.Array)):
        return value.text
    if isinstance(value, (dict, list)):
        raise _NeedsTextError
    return jv.as_text(str(value))


def _double(value: str) -> float:
    if value.endswith("INF"):
        return float(value.lower())
    number = float(value)
    return number + 0.0 if isinstance(value, jv.Integer) else number  # an integer has no -0
