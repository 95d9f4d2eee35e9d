r"""The records of a CSV file, one by one, of files that are not well-formed, too: no byte is lost.

A value is quoted where a quote opens it and one closes it, right before the separator or the end of
the line; inside, line breaks stay what they are. Anything else is taken as it stands, quotes and
all: ``"No" she said,3`` is the text ``"No" she said`` and a 3. Of a well-formed file every reader
makes the same, which `csv_blocks` does fast.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lakewinnow.lake.inputs.text_files.csv_dialect import CsvDialect

Tokens = list[str]

_SPACE: Final = r"\0-\x20"
_NO_QUOTE: Final = r"(?!)"  # fits nothing


@dataclass(frozen=True)
class Record:
    """One record: its values, its text without the line break, and where in the text it ends."""

    tokens: Tokens
    text: str
    end: int


def line_break(text: str, quote: str) -> str:
    r"""Return the line break of a file, which its first one decides: ``\n``, ``\r\n`` or ``\r``.

    Those inside quotes do not count. Of a text without one, which reads the same with any, it is
    ``\n``.
    """
    text = "".join(text.split(quote)[::2])
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
        self._text, self._dialect, self._break = text, dialect, break_
        self._is_last = is_last
        self._value = _value(dialect, break_)
        self._escaped = _escaped(dialect)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records; stop before one that this text may not hold whole."""
        at, text = 0, self._text
        while at < len(text):
            if text.startswith(self._break, at):
                at += len(self._break)
                continue
            if self._dialect.comment and text.startswith(self._dialect.comment, at):
                end = text.find(self._break, at)
                if end < 0:
                    return
                at = end
                continue
            tokens: Tokens = []
            end = self._read(at, tokens)
            if end < 0:
                return
            after = end + len(self._break) if end < len(text) else end
            yield Record(tokens, text[at:end], after)
            at = after

    def _read(self, at: int, tokens: Tokens) -> int:
        """Read the values of a record; return where its line ends, -1 where that is not known."""
        text, end = self._text, len(self._text)
        # The end may cut a line break, or the quotes that close a value, in two.
        last = end if self._is_last else end - len(self._break)
        while True:
            found = self._value.match(text, at)
            at = found.end()  # type: ignore[union-attr]
            is_open = found["plain"] is not None and self._opens(found["plain"])  # type: ignore[index]
            if not self._is_last and (is_open or at >= last):
                return -1
            tokens.append(self._token(found))  # type: ignore[arg-type]
            if at >= end or text[at] != self._dialect.sep:
                return at
            at += 1

    def _opens(self, value: str) -> bool:
        return value.lstrip(" \t").startswith(self._dialect.quote)

    def _token(self, found: re.Match[str]) -> str:
        if found["quoted"] is not None:
            return self._escaped.sub(r"\1", found["quoted"]) or self._dialect.empty_value
        value = found["odd"] if found["plain"] is None else found["plain"]
        if self._dialect.ignore_trailing:
            value = value.rstrip("".join(map(chr, range(33))))
        return value or self._dialect.null_value


@lru_cache
def _value(dialect: CsvDialect, break_: str) -> re.Pattern[str]:
    """Return what a value looks like: quoted, odd or plain."""
    sep, quote, escape = map(re.escape, (dialect.sep, dialect.quote, dialect.escape))
    space = f"(?:(?!{sep}|{break_})[{_SPACE}])*+"
    plain = f"[^{sep}{break_}]*+"
    if break_ == "\r\n":  # either alone is part of a value
        plain = rf"[^{sep}\r\n]*+(?:(?!\r\n)[\r\n][^{sep}\r\n]*+)*+"
    inside = rf"(?:[^{quote}]|{quote}{quote})*+"
    if dialect.escape != dialect.quote:
        inside = rf"(?:[^{quote}{escape}]|{escape}[\s\S])*+"
    if dialect.escape == "\0":
        inside = rf"[^{quote}]*+"
    opening = quote if dialect.quote != "\0" else _NO_QUOTE
    return re.compile(
        rf"{space if dialect.ignore_leading else ''}"
        rf"(?:{opening}(?P<quoted>{inside}){quote}{space}(?={sep}|{break_}|\Z)"
        rf"|(?P<odd>{opening}{inside}{quote}{plain})"
        rf"|(?P<plain>{plain}))"
    )


@lru_cache
def _escaped(dialect: CsvDialect) -> re.Pattern[str]:
    """Return what inside quotes is a quote or an escape character, in its first group."""
    quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
    if dialect.escape in (dialect.quote, "\0"):
        return re.compile(rf"{escape}({quote})")
    return re.compile(rf"{escape}([{quote}{escape}])")
