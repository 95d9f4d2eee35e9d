"""Text of users' tables and files, made fit for a terminal: nothing in it moves a cursor."""

import re
from typing import Final

# Controls (an escape sequence begins with one), line separators, marks that turn the direction of
# all that follows, and halves of surrogate pairs, which no terminal's encoding has.
_UNFIT: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES: Final = re.compile(f"[{_UNFIT}]")
_IN_A_LINE: Final = re.compile(f"[{_UNFIT}\\t\\n]")


def printable(text: str) -> str:
    r"""Return a text with escapes such as ``\x1b`` for what a terminal would obey.

    >>> printable("a\x1b[2Jb\nc")
    'a\\x1b[2Jb\nc'
    """
    return text if text.isprintable() else _IN_LINES.sub(_escaped, text)


def one_line(text: str) -> str:
    r"""Return a text as `printable` does, its line breaks and tabs among the escapes."""
    return text if text.isprintable() else _IN_A_LINE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
