"""A CSV file as Arrow batches: fast where it is well-formed, exact where it is not.

Where each quote opens a value, closes one, or is doubled, all readers agree: an expression finds
such rows, and Arrow's reader reads them. From the first row that is not so, or has more or fewer
values, `csv_records` reads a few records as Spark does, and the next block starts there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from lakewinnow.lake.inputs.text_files.csv_dialect import CsvDialect
from lakewinnow.lake.inputs.text_files.csv_records import Record, RecordReader, Tokens, line_break
from lakewinnow.lake.inputs.text_files.decoding import with_newlines

_BLOCK_BYTES: Final = 1 << 22
_SMALL_BLOCK_BYTES: Final = 1 << 15  # looked over after a block that is not well-formed
_RECORDS_BYTES: Final = 1 << 14  # decoded at a time for `csv_records`
_MOST_RECORDS: Final = 64  # read one by one before a block is looked over again
_FEW_BYTES: Final = 1 << 10  # of well-formed rows: looking for them did not pay
_BOM: Final = "\ufeff".encode()
_SPACE: Final = bytes(range(33)).decode()  # what Java trims
_NONE: Final = "\0"  # as a quote or an escape character: there is none
_NOT_BLANK: Final = rb"(?![\0-\x09\x0b-\x20]++\n)"  # what Spark leaves out, read line by line


@dataclass(frozen=True)
class CsvRows:
    """Rows of a file: its columns as strings, and of rows with too few or many the text."""

    columns: list[pa.Array]
    malformed: pa.Array

    def __len__(self) -> int:
        return len(self.malformed)


def first_record(text: Iterator[bytes], dialect: CsvDialect) -> Tokens | None:
    """Return the values of a file's first record; None where it has none."""
    return next((record.tokens for record in _CsvReader(text, dialect).records()), None)


def rows(text: Iterator[bytes], dialect: CsvDialect, n_columns: int) -> Iterator[CsvRows]:
    """Read a file after its header, if it has one.

    Parameters
    ----------
    text : the file as clean UTF-8, in blocks that cut no character
    dialect : how it is written
    n_columns : values of a row; others are malformed
    """
    reader = _CsvReader(text, dialect)
    if dialect.header:
        next(reader.records(), None)
    yield from reader.rows(n_columns)


class _CsvReader:
    def __init__(self, text: Iterator[bytes], dialect: CsvDialect) -> None:
        self._text = text if dialect.multi_line else with_newlines(text)
        self._dialect = dialect
        self._data, self._at, self._is_last = b"", 0, False  # read, where we are in it, all of it
        self._fill(_SMALL_BLOCK_BYTES)
        while not self._is_last and self._data.find(b"\n") < 0:
            self._fill(2 * len(self._data) + 1)
        self._break = line_break(self._data.decode(), dialect.quote)
        self._can_be_fast = (
            len(dialect.sep.encode()) == len(dialect.quote.encode()) == 1
            and self._break != "\r"
            and not (dialect.comment or dialect.ignore_leading or dialect.ignore_trailing)
        )
        self._never = [b"\0"]  # in a block that this reads fast
        if dialect.escape != dialect.quote:
            self._never.append(dialect.escape.encode())

    def _fill(self, n_bytes: int) -> None:
        """Have this many bytes at hand, or all there are."""
        n = len(self._data) - self._at
        if n >= n_bytes or self._is_last:
            return
        parts = [self._data[self._at :]]
        while n < n_bytes and not self._is_last:
            block = next(self._text, None)
            if block is None:
                self._is_last = True
            else:
                parts.append(block)
                n += len(block)
        self._data, self._at = b"".join(parts), 0

    def records(self) -> Iterator[Record]:
        """Read on record by record."""
        n_bytes = _RECORDS_BYTES
        while True:
            self._fill(n_bytes)
            end = self._at + n_bytes
            is_last = self._is_last and end >= len(self._data)
            part = self._data[self._at : end]
            if not is_last:
                part = _whole_characters(part)
            text, start, read = part.decode(), self._at, 0
            for record in self._records_of(text, is_last=is_last):
                start += len(text[read : record.end].encode())
                self._at, read = start, record.end
                yield record
            if is_last:
                self._at = len(self._data)
                return
            n_bytes = _RECORDS_BYTES if read else 2 * n_bytes

    def _records_of(self, text: str, *, is_last: bool) -> Iterator[Record]:
        if self._dialect.multi_line:
            yield from RecordReader(text, self._dialect, self._break, is_last=is_last)
        else:
            yield from _records_of_lines(text, self._dialect, is_last=is_last)

    def rows(self, n_columns: int) -> Iterator[CsvRows]:
        n_bytes, n_records = _BLOCK_BYTES, 1
        while True:
            self._fill(n_bytes)
            before = self._at
            if self._can_be_fast:
                yield from self._fast_rows(n_bytes, n_columns)
            n_read = self._at - before
            if n_read * 2 >= n_bytes:
                n_bytes, n_records = min(2 * n_bytes, _BLOCK_BYTES), 1
                continue
            n_bytes = _SMALL_BLOCK_BYTES
            n_records = 1 if n_read > _FEW_BYTES else min(2 * n_records, _MOST_RECORDS)
            taken = []
            for record in self.records():
                taken.append(record)
                if len(taken) == n_records:
                    break
            if not taken:
                return
            yield self._slow_rows(taken, n_columns)

    def _slow_rows(self, records: Sequence[Record], n_columns: int) -> CsvRows:
        null = self._dialect.null_value
        filled = [
            [None if token == null else token for token in record.tokens[:n_columns]]
            + [None] * (n_columns - len(record.tokens))
            for record in records
        ]
        malformed = [r.text if len(r.tokens) != n_columns else None for r in records]
        columns = [pa.array(column, pa.string()) for column in zip(*filled, strict=True)]
        return CsvRows(columns, pa.array(malformed, pa.string()))

    def _fast_rows(self, n_bytes: int, n_columns: int) -> Iterator[CsvRows]:
        """Read the well-formed rows at the start of a block."""
        block = self._data[self._at : self._at + n_bytes]
        if any(never in block for never in self._never):
            return
        block = block[: self._well_formed(n_columns).match(block).end()]  # type: ignore[union-attr]
        self._at += len(block)
        if block.strip(b"\r\n"):
            yield self._by_arrow(block, n_columns)

    def _well_formed(self, n_columns: int) -> re.Pattern[bytes]:
        """Return what rows look like of which every reader makes the same, and blank lines."""
        dialect, break_ = self._dialect, self._break.encode()
        sep, quote = re.escape(dialect.sep.encode()), re.escape(dialect.quote.encode())
        inside = rb"[^%b%b]*+" % (quote, b"" if dialect.multi_line else rb"\n")
        if dialect.escape == _NONE:  # not even what is between quotes that nothing is between
            inside = inside[:-2] + b"++"
        doubled = b"*+" if dialect.escape == dialect.quote else b"?+"
        value = rb"(?:[^%b%b\r\n]++|(?:%b%b%b)%b)" % (sep, quote, quote, inside, quote, doubled)
        row = value + rb"(?:%b%b){%d}" % (sep, value, n_columns - 1)
        not_blank = b"" if dialect.multi_line else _NOT_BLANK
        return re.compile(rb"(?:%b%b%b|%b)*+" % (not_blank, row, break_, break_))

    def _by_arrow(self, block: bytes, n_columns: int) -> CsvRows:
        dialect = self._dialect
        if block.startswith(_BOM):  # of a value: pyarrow takes the first for the file's
            block = _BOM + block
        names = [str(i) for i in range(n_columns)]
        is_plain = dialect.null_value == dialect.empty_value == ""
        table = csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            csv.ParseOptions(
                delimiter=dialect.sep,
                quote_char=dialect.quote if dialect.quote != "\0" else False,
                double_quote=dialect.quote == dialect.escape,
                newlines_in_values=True,
            ),
            csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=is_plain,
            ),
        )
        columns = [column.combine_chunks() for column in table.columns]
        if not is_plain:
            columns = [_with_nulls(column, dialect) for column in columns]
        return CsvRows(columns, pa.nulls(len(table), pa.string()))


def _with_nulls(column: pa.Array, dialect: CsvDialect) -> pa.Array:
    """Put the option's values for what is empty, and for null, in their place.

    A null here is a value of no character, which Spark reads as `null_value`.
    """
    empty = pc.if_else(pc.equal(column, ""), dialect.empty_value, column)
    return pc.if_else(pc.equal(empty, dialect.null_value), None, empty)


def _records_of_lines(text: str, dialect: CsvDialect, *, is_last: bool) -> Iterator[Record]:
    """Read each line by itself, as Spark does without `multiLine`; blank ones count for nothing."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        if end < 0:
            if not is_last:
                return
            end = len(text)
        line = text[at:end]
        at = end + 1
        is_comment = line.startswith(dialect.comment or "\0")
        if not is_comment and line.strip(_SPACE):
            for record in RecordReader(line, dialect, "\n", is_last=True):
                yield Record(record.tokens, record.text, min(at, len(text)))


def _whole_characters(part: bytes) -> bytes:
    """Leave out a character that the end cuts."""
    end = len(part)
    while end and part[end - 1] & 0xC0 == 0x80:
        end -= 1
    if end and part[end - 1] >= 0xC0:
        length = 2 + (part[end - 1] >= 0xE0) + (part[end - 1] >= 0xF0)
        if end - 1 + length > len(part):
            return part[: end - 1]
    return part
