"""How many tokens a text has, where the model's vocabulary is not at hand."""

import re
from typing import Final

_PIECE: Final = re.compile(r"(?P<word>[^\W\d_]+)|(?P<number>\d+)|(?P<marks>(?:[^\w\s]|_)+)|\n+")
# Characters of a token in vocabularies of 200,000 tokens and more: of words, by the last letter of
# their script, and of the rest
_OF_WORDS: Final = (("\u024f", 7.0), ("\u2e7f", 4.0), ("\U0010ffff", 1.3))
_OF_OTHERS: Final = {"number": 2.0, "marks": 1.8}


def estimated(text: str) -> int:
    """Return about how many it has, by its words, numbers and marks."""
    return sum(_tokens_of(piece.group(), piece.lastgroup) for piece in _PIECE.finditer(text))


def _tokens_of(piece: str, kind: str | None) -> int:
    if kind is None:  # new lines
        return 1
    size = _OF_OTHERS.get(kind) or next(size for last, size in _OF_WORDS if max(piece) <= last)
    return int(-(-len(piece) // size))
