"""A CSV file as Arrow batches: fast where it is well-formed, exact where it is not.

A block of the file is looked over with NumPy. Where each quote opens a value, closes one, or is
doubled, all readers agree, and Arrow's reads the rows. From the first quote that does none of it,
`csv_records` reads a few records as Spark does, and the next block starts there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
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
_BLANK_LINE: Final = re.compile(rb"(?:^|\n)[\0-\x09\x0b-\x20]+(?:\n|$)")
_NEWLINE, _RETURN = ord("\n"), ord("\r")

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class CsvRows:
    """CsvRows of a file: its columns as strings, and of rows with too few or many the text."""

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
        self._break = line_break(self._data.decode())
        self._can_be_fast = (
            len(dialect.sep.encode()) == len(dialect.quote.encode()) == 1
            and self._break != "\r"
            and not (dialect.comment or dialect.ignore_leading or dialect.ignore_trailing)
        )
        self._never = [b"\0"]
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
        if block.startswith(_BOM) or any(never in block for never in self._never):
            return
        if not self._dialect.multi_line and _BLANK_LINE.search(block):
            return
        found = _well_formed(block, self._dialect, has_returns=self._break == "\r\n")
        if found is None:
            return
        starts, ends, n_values = found
        self._at += int(ends[-1])
        is_blank = ends - starts == len(self._break)
        is_odd = (n_values != n_columns) & ~is_blank
        lines = block[: ends[-1]]
        if is_odd.any():
            odd = np.flatnonzero(is_odd)
            yield self._slow_rows(
                self._parsed([block[starts[i] : ends[i]].decode() for i in odd]), n_columns
            )
            edges = [0, *np.column_stack((starts[odd], ends[odd])).ravel(), ends[-1]]
            lines = b"".join(block[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
        if not (is_odd | is_blank).all():
            yield self._by_arrow(lines, n_columns)

    def _parsed(self, lines: Sequence[str]) -> list[Record]:
        return [
            record
            for line in lines
            for record in RecordReader(line, self._dialect, self._break, is_last=True)
        ]

    def _by_arrow(self, block: bytes, n_columns: int) -> CsvRows:
        dialect = self._dialect
        if self._break == "\r\n":
            block = block.replace(b"\r\n", b"\n")  # inside quotes, too, as Spark does
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


def _well_formed(
    block: bytes, dialect: CsvDialect, *, has_returns: bool
) -> tuple[Places, Places, Places] | None:
    """Find the well-formed rows at the start of a block.

    Returns
    -------
    starts, ends : of each row, its line break included
    n_values : of each row
    """
    data = np.frombuffer(block, np.uint8)
    quote, sep = ord(dialect.quote), ord(dialect.sep)
    quotes = np.flatnonzero(data == quote)
    newlines = np.flatnonzero(data == _NEWLINE)
    ends = _outside(newlines, quotes)
    odd = [_odd_quotes(data, quotes, sep, is_doubled=dialect.escape == dialect.quote)]
    if not dialect.multi_line:
        odd.append(np.setdiff1d(newlines, ends, assume_unique=True))
    returns = _outside(np.flatnonzero(data == _RETURN), quotes)
    if has_returns:  # each newline has one, and each of them a newline
        odd.append(ends[data[np.maximum(ends - 1, 0)] != _RETURN])
        returns = returns[data[np.minimum(returns + 1, len(data) - 1)] != _NEWLINE]
    odd.append(returns)
    limit = min((int(places[0]) for places in odd if len(places)), default=len(block))
    ends = ends[ends < limit] + 1
    if not len(ends):
        return None
    starts = np.concatenate(([0], ends[:-1]))
    seps = _outside(np.flatnonzero(data[: ends[-1]] == sep), quotes)
    n_seps = np.searchsorted(seps, ends) - np.searchsorted(seps, starts)
    return starts, ends, n_seps + 1


def _outside(places: Places, quotes: Places) -> Places:
    """Return the places that are not between an opening and a closing quote."""
    if not len(quotes):
        return places
    outside: Places = places[np.searchsorted(quotes, places) % 2 == 0]
    return outside


def _odd_quotes(data: Bytes, quotes: Places, sep: int, *, is_doubled: bool) -> Places:
    """Return the first of the quotes that neither open a value nor close it.

    A doubled quote closes and opens.
    """
    opening, closing = quotes[::2], quotes[1::2]
    before = data[np.maximum(opening - 1, 0)]
    opens = (opening == 0) | (before == sep) | (before == _NEWLINE)
    after = data[np.minimum(closing + 1, len(data) - 1)]
    closes = (after == sep) | (after == _NEWLINE) | (after == _RETURN)
    if is_doubled:
        n_pairs = len(opening[1:])
        is_double = opening[1:] == closing[:n_pairs] + 1
        opens[1:] |= is_double
        closes[:n_pairs] |= is_double
    return np.sort(np.concatenate((opening[~opens][:1], closing[~closes][:1])))


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
