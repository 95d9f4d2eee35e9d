"""One line of JSON, as Jackson reads it for Spark, and the type that Spark infers of it.

Python's scanner reads nearly all lines. What it does not know (single quotes, ``+Infinity``), and
the text of an object that stands where other lines have a string, a slower reader here does.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

JsonType = str | Mapping[str, Any]  # a name, {"array": type} or {"struct": {name: type}}

NULL, STRING, BOOLEAN = "null", "string", "boolean"
LONG, DOUBLE, DECIMAL = "bigint", "double", "decimal"
_NUMBERS: Final = (LONG, DOUBLE, DECIMAL)
_MOST_DIGITS: Final = 38  # of a decimal; a longer integer is a double


class Integer(str):
    """An integer as it is written."""

    __slots__ = ()


class Float(str):
    """Another number as it is written, NaN and Infinity included."""

    __slots__ = ()


class Object(dict[str, Any]):
    """An object and its text."""

    text: str


class Array(list[Any]):
    """An array and its text."""

    text: str


class MalformedError(ValueError):
    """Not JSON."""


_scanner = partial(json.JSONDecoder, parse_int=Integer, parse_float=Float, parse_constant=Float)
_SCANNER: Final = _scanner()
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(
    r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![0-9A-Za-z_.+-])"
)
_WORD: Final = re.compile(r"[+-]?[A-Za-z]+")
_WORDS: Final[Mapping[str, Any]] = {
    "true": True,
    "false": False,
    "null": None,
    **{w: Float(w) for w in ("NaN", "Infinity", "+Infinity", "-Infinity", "+INF", "-INF")},
}
_ESCAPES: Final = dict(zip("\"\\/bfnrt'", "\"\\/\b\f\n\r\t'", strict=True))
_ESCAPED: Final = re.compile(r"\\(u....|.)")
_STRING: Final = {
    quote: re.compile(
        rf"""{quote}((?:[^{quote}\\\x00-\x1f]|\\(?:["\\/bfnrt']|u[0-9A-Fa-f]{{4}}))*+){quote}"""
    )
    for quote in "\"'"
}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def twin_finder(twins: set[str]) -> json.JSONDecoder:
    """Return a scanner that adds to `twins` the names that an object has twice."""

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twins.update(name for name in found if names.count(name) > 1)
        return found

    return _scanner(object_pairs_hook=collect)


def scan(line: str, scanner: json.JSONDecoder = _SCANNER) -> Any:
    """Read the first value of a line, fast; what follows it does not count.

    Raises
    ------
    MalformedError : it is none, or this reader does not know it
    """
    start = _SPACE.match(line).end()  # type: ignore[union-attr]
    try:
        value, end = scanner.raw_decode(line, start)
    except (ValueError, RecursionError) as error:
        raise MalformedError from error
    _check_characters(line, end)
    return value


def scan_exactly(line: str) -> Any:
    """Read the first value of a line; objects and arrays know their text."""
    reader = _JsonReader(line)
    try:
        value = reader.value()
    except (IndexError, RecursionError) as error:
        raise MalformedError from error
    _check_characters(line, reader.at)
    return value


def as_text(value: str) -> str:
    """Return a string, as Java encodes it: half a pair of surrogates is a question mark."""
    if value.isascii() or not _SURROGATES.search(value):
        return value
    return _SURROGATES.sub("?", _PAIR.sub(_joined, value))


def _joined(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _check_characters(line: str, end: int) -> None:
    """Raise where bytes that are not UTF-8, which stand in the line as surrogates, were read."""
    if not line.isascii() and _SURROGATES.search(line, 0, end):
        raise MalformedError


class _JsonReader:
    def __init__(self, line: str) -> None:
        self._line, self.at = line, 0

    def value(self) -> Any:
        char = self._next()
        start = self.at
        if char == "{":
            return self._object(start)
        if char == "[":
            return self._array(start)
        if char in "\"'":
            return self._string()
        number = _NUMBER.match(self._line, start)
        if number:
            self.at = number.end()
            is_integer = number.group(2) is None and number.group(3) is None
            return (Integer if is_integer else Float)(number.group())
        word = _WORD.match(self._line, start)
        if word is None or word.group() not in _WORDS:
            raise MalformedError
        self.at = word.end()
        return _WORDS[word.group()]

    def _next(self) -> str:
        """Return the next character that is not space."""
        self.at = _SPACE.match(self._line, self.at).end()  # type: ignore[union-attr]
        return self._line[self.at]

    def _object(self, start: int) -> Object:
        found = Object()
        for _ in self._items("}"):
            name = self._string()
            if self._next() != ":":
                raise MalformedError
            self.at += 1
            found[name] = self.value()
        found.text = self._line[start : self.at]
        return found

    def _array(self, start: int) -> Array:
        found = Array(self.value() for _ in self._items("]"))
        found.text = self._line[start : self.at]
        return found

    def _items(self, end: str) -> Iterator[None]:
        """Stop at each item, which who asks for the next one has then read."""
        self.at += 1
        if self._next() != end:
            yield
            while self._next() == ",":
                self.at += 1
                yield
            if self._next() != end:
                raise MalformedError
        self.at += 1

    def _string(self) -> str:
        expression = _STRING.get(self._next())
        found = expression and expression.match(self._line, self.at)
        if not found:
            raise MalformedError
        self.at = found.end()
        return _ESCAPED.sub(_unescaped, found[1])


def _unescaped(found: re.Match[str]) -> str:
    char, code = found[1][0], found[1][1:]
    return chr(int(code, 16)) if code else _ESCAPES[char]


def infer(value: Any) -> JsonType:
    """Return the type of a value; of an empty string it is not known."""
    if value is None or (type(value) is str and not value):
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, Integer):
        n_digits = len(value.lstrip("-"))
        if n_digits < 19 or -(1 << 63) <= int(value) < 1 << 63:
            return LONG
        return DECIMAL if n_digits <= _MOST_DIGITS else DOUBLE
    if isinstance(value, Float):
        return DOUBLE
    if isinstance(value, str):
        return STRING
    if isinstance(value, list):
        element: JsonType = NULL
        for item in value:
            element = merge(element, infer(item))
        return {"array": element}
    return {"struct": {as_text(name): infer(item) for name, item in value.items()}}


def merge(one: JsonType, other: JsonType) -> JsonType:
    """Return the narrowest type that holds values of both."""
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    if isinstance(one, str) or isinstance(other, str):
        if one in _NUMBERS and other in _NUMBERS:
            return DOUBLE if DOUBLE in (one, other) else DECIMAL
        return STRING
    if "array" in one and "array" in other:
        return {"array": merge(one["array"], other["array"])}
    if "struct" in one and "struct" in other:
        fields = dict(one["struct"])
        for name, kind in other["struct"].items():
            fields[name] = merge(fields[name], kind) if name in fields else kind
        return {"struct": fields}
    return STRING
