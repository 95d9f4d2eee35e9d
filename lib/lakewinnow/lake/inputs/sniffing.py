"""What a file looks like to someone who has never seen it: its format, options, first rows."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow.config.formats import format_of, has_tabs
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.inputs import arrow_files
from lakewinnow.lake.inputs.formats import file_format
from lakewinnow.lake.inputs.source import CSV_OPTIONS, MALFORMED
from lakewinnow.lake.inputs.text_files import csv_blocks, json_lines
from lakewinnow.lake.inputs.text_files.csv_dialect import csv_dialect
from lakewinnow.lake.inputs.text_files.decoding import clean_utf8
from lakewinnow.lake.inputs.text_files.listing import InputFile, folder_keys, list_files
from lakewinnow.lake.inputs.text_files.reading import column_names

_ROWS: Final = 20_000  # of a file
_FILES: Final = 8  # of a folder, at most
_BYTES: Final = 1 << 22  # of a text file
_RECORDS: Final = 200  # to find the separator and the header by
_SEPARATORS: Final = (",", ";", "\t", "|")
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # first: UTF-16's mark is the start of it
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC: Final = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"), (b"\xff\xff\xff\xff", "arrow"))
_WORDS_OF_A_NAME: Final = 6
_NUMBER: Final = r"^\s*[-+]?[\d.,]*\d%?\s*$"


@dataclass(frozen=True)
class Sniffed:
    """What section `input` needs to say of a path, and the first rows."""

    format: str
    sample: pa.Table
    options: dict[str, Any]  # of the reader, that are not its own
    folder_keys: Sequence[str]  # columns that are names of folders


def sniff(path: str) -> Sniffed:
    """Look at the beginning of a table.

    Raises
    ------
    DataError : "input_not_found", "cannot_read", "empty_input"
    ConfigError : a folder holds no table, or several
    """
    files = list_files(absolute(path), {})
    if files is None:
        raise DataError("input_not_found", "PATH", "a file or folder that exists", path)
    if not files:
        raise DataError("empty_input", "PATH", "a table with rows", path)
    format_ = format_of(path) or _by_content(path, files) or file_format(path)
    data = _data_files(files, format_)
    some = data[:: -(-len(data) // _FILES)]
    try:
        found = [_head_of(file, format_) for file in some]
        sample = pa.concat_tables([rows for _, rows in found], promote_options="permissive")
    except (pa.ArrowException, OSError, UnicodeError) as error:
        reason = Shown(str(error).splitlines()[0] if str(error) else "nothing")
        raise DataError("cannot_read", "PATH", f"a table of format {format_}", reason) from error
    if not len(sample):
        raise DataError("empty_input", "PATH", "a table with rows", path)
    return Sniffed(format_, _flat(sample.combine_chunks()), found[0][0], folder_keys(some, ()))


def _head_of(file: InputFile, format_: str) -> tuple[dict[str, Any], pa.Table]:
    """Return the options that read a file, and its first rows."""
    options: dict[str, Any] = {}
    if format_ == "csv":
        options, rows = _csv(file)
    elif format_ == "json":
        rows = _json(file)
    else:
        kind = "parquet" if format_ in ("delta", "iceberg") else format_
        rows = arrow_files.head(file, kind, _ROWS)
    for key, value in file.folder_values.items():
        rows = rows.append_column(key, pa.repeat(pa.scalar(value, pa.string()), len(rows)))
    return options, rows


def _by_content(path: str, files: Sequence[InputFile]) -> str | None:
    """Return the format of one file whose name says none."""
    if not Files(path).is_file():
        return None
    if path.lower().endswith(".zip"):
        return format_of(files[0].member) or "csv"
    with files[0].open() as stream:
        head = bytes(stream.read(8))
    named = (format_ for magic, format_ in _MAGIC if head.startswith(magic))
    return next(named, "json" if head.lstrip()[:1] in (b"{", b"[") else "csv")


def _data_files(files: Sequence[InputFile], format_: str) -> Sequence[InputFile]:
    if format_ in ("delta", "iceberg"):
        data = [f for f in files if f.name.endswith(".parquet") and "_delta_log" not in f.name]
        return data or files
    return arrow_files.of_format(files, format_)


def _flat(table: pa.Table) -> pa.Table:
    """Add the columns that are inside others, under names with dots."""
    for name in table.column_names:
        if pa.types.is_struct(table.schema.field(name).type):
            column = table[name].combine_chunks()
            fields = range(column.type.num_fields)
            inner = pa.table(
                [pc.struct_field(column, [i]) for i in fields],
                [f"{name}.{column.type.field(i).name}" for i in fields],
            )
            for inner_name in _flat(inner).column_names:
                table = table.append_column(inner_name, _flat(inner)[inner_name])
    return table


# --- text files ---------------------------------------------------------------------------------


class _Head:
    """The first bytes of a file, as a stream."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _: int, /) -> bytes:
        content, self._content = self._content, b""
        return content


def _head(file: InputFile) -> bytes:
    parts: list[bytes] = []
    with file.open() as stream:
        while sum(map(len, parts)) < _BYTES and (part := bytes(stream.read(_BYTES))):
            parts.append(part)
    return b"".join(parts)


def _json(file: InputFile) -> pa.Table:
    head = _head(file)
    if len(head) >= _BYTES and not json_lines.is_array(head):
        head = head[: head.rfind(b"\n") + 1] or head
    inferred = json_lines.Inferred()
    inferred.add(_Head(head))
    schema = json_lines.schema_of(inferred, MALFORMED)
    batches = list(json_lines.rows(_Head(head), schema, MALFORMED))
    if not schema.fields or not batches:
        return pa.table({})
    table = pa.Table.from_batches(batches)
    whole = table.filter(pc.is_null(table[MALFORMED]))
    return whole.drop_columns(MALFORMED).slice(0, _ROWS)


def _csv(file: InputFile) -> tuple[dict[str, Any], pa.Table]:
    head = _head(file)
    options: dict[str, Any] = {}
    encoding = _encoding(head)
    if encoding != "utf-8":
        options["encoding"] = encoding
    text = b"".join(clean_utf8(_Head(head), encoding)).decode()
    if len(head) >= _BYTES:
        text = text[: text.rfind("\n") + 1] or text
    separator, records = _separated(text, prefers_tabs=has_tabs(file.name))
    if separator != ("\t" if has_tabs(file.name) else ","):
        options["sep"] = separator
    if not _has_header(records):
        options["header"] = False
    spelled = {name: str(value).lower() for name, value in options.items()} | {"encoding": "utf-8"}
    dialect = csv_dialect({**CSV_OPTIONS, "sep": separator, **spelled})
    blocks = [text.encode()]
    names = column_names(csv_blocks.first_record(iter(blocks), dialect) or [], dialect)
    if not names:
        return options, pa.table({})
    read = csv_blocks.rows(iter(blocks), dialect, len(names))
    parts = [pa.table(rows.columns, names).filter(pc.is_null(rows.malformed)) for rows in read]
    table = pa.concat_tables(parts) if parts else pa.table({name: [] for name in names})
    table = table.slice(0, _ROWS).combine_chunks()
    return options, pa.table([_typed(column) for column in table.columns], table.column_names)


def _encoding(head: bytes) -> str:
    """Guess the encoding: a mark's, UTF-8, UTF-16 by its zeros, else that of Windows."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for name, zeros in (("utf-16le", head[1::2]), ("utf-16be", head[::2])):
        if zeros.count(0) > len(zeros) / 3:
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _separated(text: str, *, prefers_tabs: bool) -> tuple[str, list[list[str]]]:
    """Return the character that makes the most regular table of the text, and its first records."""

    def regularity(records: list[list[str]]) -> tuple[bool, float, int]:
        [(n_columns, n_rows), *_] = Counter(map(len, records)).most_common(1) or [(1, 0)]
        share = n_rows / max(1, len(records))
        return n_columns > 1 and share >= 0.9, share if n_columns > 1 else 0.0, n_columns

    first = "\t" if prefers_tabs else ","
    candidates = [first, *(sep for sep in _SEPARATORS if sep != first)]
    found = {sep: list(_records(text, sep)) for sep in candidates}
    best = max(found, key=lambda sep: regularity(found[sep]))
    return best, found[best]


def _records(text: str, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        yield from islice(filter(None, reader), _RECORDS)
    except csv.Error:  # a value that is too long, say
        return


def _has_header(records: list[list[str]]) -> bool:
    """Whether the first record are names: no numbers, no sentences, none a value of its column."""
    if len(records) < 2:
        return True
    first, *others = records
    columns = list(zip(*(row for row in others if len(row) == len(first)), strict=True))
    names = [name for name in first if name]
    if len(set(names)) < len(names) or len(first) - len(names) > 1:
        return False
    if any(_is_number(name) or len(name.split()) > _WORDS_OF_A_NAME for name in names):
        return False
    return not any(name and name in column for name, column in zip(first, columns, strict=False))


def _is_number(text: str) -> bool:
    return bool(pc.match_substring_regex(pa.scalar(text), _NUMBER).as_py())


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers where all values are numbers."""
    with_points = pc.replace_substring_regex(column, r"^([-+]?\d+),(\d+)$", r"\1.\2")
    for values, kind in ((column, pa.int64()), (column, pa.float64()), (with_points, pa.float64())):
        try:
            return values.cast(kind) if values.null_count < len(values) else values
        except pa.ArrowInvalid:
            continue
    return column
