"""The records of a CSV file, one by one, exactly as Spark's reader finds them.

Spark reads CSV with the Univocity parser. Of a well-formed file every reader makes the same, which
`csv_blocks` does fast; this module is for the rest, where what is read depends on the reader: a
quote inside a value that is not doubled, text after a closing quote, a value that the end of the
file cuts off, a line break of another kind than the file's. Each rule here was taken from what
Spark 4.2 makes of such a file, and `tests/lake/text_files` compares the two on random bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lakewinnow.lake.inputs.text_files.csv_dialect import CsvDialect

Tokens = list[str]

_LINE_END: Final = "\n"  # what any line break is read as
_NUL: Final = "\0"
_NOT_A_VALUE: Final = "#"  # as the last character of a file it does not count as one


@dataclass(frozen=True)
class Record:
    """One record: its values, its text without the line break, and where in the text it ends."""

    tokens: Tokens
    text: str
    end: int


def line_break(text: str) -> str:
    r"""Return the line break of a file, which its first one decides: ``\n``, ``\r\n`` or ``\r``.

    What is returned for a text without a line break, which reads the same with any, is ``\n``.
    """
    newline, carriage = text.find("\n"), text.find("\r")
    if carriage < 0 or 0 <= newline < carriage:
        return "\n"
    return "\r\n" if newline == carriage + 1 else "\r"


class RecordReader:
    """Reads the records of a text, from a place in it.

    Parameters
    ----------
    text : part of a file, which starts where a record starts
    dialect : how the file is written
    break_ : its line break
    is_last : whether the file ends with this text
    """

    def __init__(self, text: str, dialect: CsvDialect, break_: str, *, is_last: bool) -> None:
        self._text, self._dialect, self._is_last = text, dialect, is_last
        self._break, self._second = break_, break_[1:]
        self._end = len(text)
        self._at = 0  # of the next character
        self._char, self._previous = _LINE_END, _NUL
        self._is_unescaped = False  # a quote inside the quoted value at hand was not doubled
        self._trim = False
        self._parts: list[str] = []  # of the value at hand
        self._tokens: Tokens = []
        self._is_finished = False
        special = dialect.quote + dialect.escape + dialect.escape_escape
        self._special = (re.compile(f"[{re.escape(special + break_[0])}]"), special)
        ends = dialect.sep + _LINE_END
        self._ends = (re.compile(f"[{re.escape(ends + break_[0])}]"), ends)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records; stop before one that this text may not hold whole."""
        while True:
            try:
                record = self._next_record()
            except _NeedsMoreError:
                return
            if record is None:
                return
            yield record

    def _next_record(self) -> Record | None:
        while not self._is_finished:
            start = self._at
            self._tokens, self._parts = [], []
            try:
                self._char = self._next()
                if self._char == self._dialect.comment:
                    self._skip_line()
                    continue
                self._read_values()
            except _EndOfTextError:
                self._is_finished = True
                self._finish(start)
            if self._tokens:
                text = _without_line_end(self._text[start : self._at])
                return Record(self._tokens, text, self._at)
        return None

    def _next(self) -> str:
        at, text = self._at, self._text
        if at >= self._end:
            if self._is_last:
                raise _EndOfTextError
            raise _NeedsMoreError
        char = text[at]
        self._at = at + 1
        if char == self._break[0]:
            if not self._second:
                return _LINE_END
            if at + 1 == self._end and not self._is_last:
                raise _NeedsMoreError
            if text.startswith(self._second, at + 1):
                self._at = at + 2
                return _LINE_END
        return char

    def _skip_line(self) -> None:
        end = self._text.find(self._break, self._at)
        if end < 0:
            if not self._is_last:
                raise _NeedsMoreError
            self._at = self._end
        else:
            self._at = end + len(self._break)

    def _read_values(self) -> None:
        """Read values up to the end of the line; _EndOfTextError where there is none."""
        dialect = self._dialect
        while self._char != _LINE_END:
            if dialect.ignore_leading:
                self._skip_space()
            if self._char in (dialect.sep, _LINE_END):
                self._tokens.append(dialect.null_value)
            else:
                self._is_unescaped, self._previous = False, _NUL
                if self._char == dialect.quote:
                    self._read_quoted()
                else:
                    self._read_plain()
            if self._char != _LINE_END:
                self._char = self._next()
                if self._char == _LINE_END:
                    self._tokens.append(dialect.null_value)

    def _skip_space(self) -> None:
        stops = (self._dialect.sep, _LINE_END, self._dialect.quote)
        while self._char <= " " and self._char not in stops:
            self._char = self._next()

    def _read_plain(self) -> None:
        r"""Read a value that is not quoted.

        In a file of ``\r\n``, or ``\r``, a ``\n`` alone is part of such a value, but for the last.
        """
        start = self._at - 1
        ends = [self._text.find(self._dialect.sep, start), self._text.find(self._break, start)]
        end = min((end for end in ends if end >= 0), default=-1)
        if end < 0 or (end == self._end - 1 and self._text[end] == self._break):
            if not self._is_last:
                raise _NeedsMoreError
            self._read_until_end()
            return
        value = self._text[start:end]
        if self._dialect.ignore_trailing:
            value = _right_trimmed(value)
        self._tokens.append(value or self._dialect.null_value)
        self._at = end
        self._char = self._next()

    def _read_until_end(self) -> None:
        """Read on to the end of the value at hand, whatever is in it."""
        self._trim = self._dialect.ignore_trailing
        self._char = self._take_until(*self._ends)
        self._add_value()

    def _add_value(self) -> None:
        value = "".join(self._parts)
        if self._trim:
            value = _right_trimmed(value)
        self._tokens.append(value or self._dialect.empty_value)
        self._parts = []

    def _read_quoted(self) -> None:
        if self._read_simple_quoted():
            return
        self._trim = False
        dialect, parts = self._dialect, self._parts
        quote, escape = dialect.quote, dialect.escape
        ends = (dialect.sep, _LINE_END)
        self._char = self._next()
        while True:
            if self._previous == quote and (self._char <= " " or self._char in ends):
                break
            if self._char not in (quote, escape):
                if self._previous == quote:  # it was not the closing one
                    self._is_unescaped = True
                    parts += (quote, self._char)
                    self._read_rest_as_plain()
                    return
                if self._previous == escape and escape != _NUL:
                    parts.append(escape)
                self._read_until_special()
            else:
                self._unescape()
                self._previous = self._char
                self._char = self._next()
        if self._char not in ends and self._finds_text_after_quote():
            return
        self._add_value()

    def _read_simple_quoted(self) -> bool:
        """Read a quoted value with nothing special in it; False, and nothing read, for others."""
        quote, escape = self._dialect.quote, self._dialect.escape
        end = self._text.find(quote, self._at)
        if end < 0 or self._text[end - 1] == escape:
            return False
        if self._text[end + 1 : end + 2] not in (self._dialect.sep, _LINE_END):
            return False
        value = self._text[self._at : end]
        if self._break in value or self._has_escape(value):
            return False
        self._tokens.append(value or self._dialect.empty_value)
        self._at = end + 1
        self._char = self._next()
        return True

    def _has_escape(self, value: str) -> bool:
        escape, both = self._dialect.escape, self._dialect.escape_escape
        return escape + both in value or escape + self._dialect.quote in value

    def _read_until_special(self) -> None:
        """Read on to a quote, or an escape character, and one further."""
        self._char = self._previous = self._take_until(*self._special)
        self._char = self._next()

    def _take_until(self, pattern: re.Pattern[str], stops: str) -> str:
        """Take characters into the value; return the first that is one of `stops`.

        `pattern` finds `stops`, and what may start a line break.
        """
        char, text = self._char, self._text
        while char not in stops:
            self._parts.append(char)
            found = pattern.search(text, self._at)
            end = found.start() if found else self._end
            self._parts.append(text[self._at : end])
            self._at = end
            char = self._next()
        return char

    def _unescape(self) -> None:
        """Take a quote or escape character inside quotes."""
        dialect, parts = self._dialect, self._parts
        char, previous = self._char, self._previous
        if char == dialect.escape and previous == dialect.escape_escape != _NUL:
            parts.append(dialect.escape)
            self._char = _NUL
        elif previous == dialect.escape:
            if char == dialect.quote:
                parts.append(dialect.quote)
                self._char = _NUL
            else:
                parts.append(previous)
        elif char == previous == dialect.quote:
            parts.append(dialect.quote)
        elif previous == dialect.quote:  # an escape character after what looked like the end
            parts.append(dialect.quote)
            self._previous = char
            self._read_plain_with_escapes()

    def _read_plain_with_escapes(self) -> None:
        """Read on to the end of a value, whose escape characters still count."""
        dialect = self._dialect
        while self._char not in (dialect.sep, _LINE_END):
            if self._char in (dialect.quote, dialect.escape):
                self._unescape()
            elif self._previous == dialect.quote:
                self._parts.append(dialect.quote)
                self._previous = self._char
                continue
            else:
                self._parts.append(self._char)
            self._previous = self._char
            self._char = self._next()

    def _read_rest_as_plain(self) -> None:
        """Read on to the end of a value whose quotes turned out to be part of it."""
        self._parts.insert(0, self._dialect.quote)
        self._previous = self._char
        self._char = self._next()
        self._read_until_end()

    def _finds_text_after_quote(self) -> bool:
        """Skip space after a closing quote; what follows makes all of it one plain value."""
        space = []
        while True:
            space.append(self._char)
            self._char = self._next()
            if self._char == _LINE_END:
                return False
            if self._char > " " or self._char == self._dialect.sep:
                break
        if self._char == self._dialect.sep:
            return False
        self._parts += (self._dialect.quote, *space, self._char)
        self._read_rest_as_plain()
        return True

    def _finish(self, start: int) -> None:
        """Add the value that the end of the file has cut off, if there is one."""
        has_value = self._takes_value_at_end()
        if has_value or self._parts:
            self._add_value()
        elif self._at > start:
            self._tokens.append(self._dialect.null_value)

    def _takes_value_at_end(self) -> bool:
        char, previous = self._char, self._previous
        if char == self._dialect.quote:
            if previous == char:
                return True
            if not self._is_unescaped:
                self._parts.append(char)
        no_values = (self._dialect.sep, _LINE_END, self._dialect.comment or _NOT_A_VALUE)
        self._char = self._previous = _NUL
        return previous != _NUL and char not in no_values


class _EndOfTextError(Exception):
    """The file ended inside a record."""


class _NeedsMoreError(Exception):
    """What comes next is beyond the text at hand."""


def _without_line_end(text: str) -> str:
    r"""Leave out one ``\n``, ``\r\n`` or ``\r`` at the end."""
    if text.endswith("\r\n"):
        return text[:-2]
    return text[:-1] if text.endswith(("\n", "\r")) else text


def _right_trimmed(value: str) -> str:
    end = len(value)
    while end and value[end - 1] <= " ":
        end -= 1
    return value[:end]
