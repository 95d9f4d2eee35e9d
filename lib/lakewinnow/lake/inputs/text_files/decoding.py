"""The bytes of a file as clean UTF-8, with Java's replacement for what is not text.

Java and Python both put U+FFFD in the place of bytes that are not of the encoding. They differ in
how many: a surrogate that was written as three bytes of UTF-8 is one for Java and three for Python.
"""

import codecs
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

JAVA: Final = "lakewinnow-java"  # names the handler of what cannot be decoded

_READ_BYTES: Final = 1 << 20
_REPLACEMENT: Final = "\ufffd"
_BOM: Final = "\ufeff".encode()

# What Spark 4 lets a reader be told, and what Python calls it. Java's UTF-16 and UTF-32 are
# big-endian where no mark says otherwise.
ENCODINGS: Final[Mapping[str, str]] = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "utf-16": "utf-16",
    "utf-16be": "utf-16-be",
    "utf-16le": "utf-16-le",
    "utf-32": "utf-32",
}
_MARKS: Final[Mapping[str, tuple[tuple[bytes, str], ...]]] = {
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""


def clean_utf8(stream: Readable, encoding: str) -> Iterator[bytes]:
    """Yield a stream's text as UTF-8 without a byte order mark, no character cut in two.

    Parameters
    ----------
    stream : bytes to read
    encoding : one of `ENCODINGS`, or another that Python knows
    """
    blocks = iter(lambda: bytes(stream.read(_READ_BYTES)), b"")
    codec = ENCODINGS.get(encoding, encoding)
    if codec in _MARKS:
        codec, blocks = _marked(codec, blocks)
    decoder = codecs.getincrementaldecoder(codec)(JAVA)
    is_first = True
    for block in blocks:
        clean = decoder.decode(block).encode()
        if clean:
            yield clean.removeprefix(_BOM) if is_first else clean
            is_first = False
    if rest := decoder.decode(b"", final=True).encode():
        yield rest


def _marked(codec: str, blocks: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """Take a byte order mark off the first block, and what it says of the order."""
    first = next(blocks, b"")
    for mark, marked in _MARKS[codec]:
        if first.startswith(mark):
            return marked, _chain(first.removeprefix(mark), blocks)
    return f"{codec}-be", _chain(first, blocks)


def _chain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    start, end, data = error.start, error.end, error.object
    if error.encoding == "utf-8" and data[start] == 0xED and _continues(data, start + 1):
        end = start + 2 + _continues(data, start + 2)  # a surrogate: one character to Java
    return _REPLACEMENT, end


def _continues(data: bytes, at: int) -> bool:
    return at < len(data) and data[at] & 0xC0 == 0x80


codecs.register_error(JAVA, _replace)


def with_newlines(text: Iterator[bytes]) -> Iterator[bytes]:
    """Make a newline of every line break, where no value has one."""
    rest = b""
    for block in text:
        whole = rest + block
        rest = whole[-1:] if whole.endswith(b"\r") else b""
        yield whole[: len(whole) - len(rest)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if rest:
        yield b"\n"
