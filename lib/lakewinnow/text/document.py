"""A text and the parts that rules count: words, lines, paragraphs; each made when asked for."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lakewinnow.core.types import IntArray


class Document:
    """A text.

    Attributes
    ----------
    text : str
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> list[str]:
        """What white space separates, punctuation included."""
        return self.text.split()

    @cached_property
    def lines(self) -> list[str]:
        """The lines that are not blank, without white space around them."""
        return [line for line in map(str.strip, self.text.splitlines()) if line]

    @cached_property
    def paragraphs(self) -> list[str]:
        """What blank lines separate, without white space around it."""
        found: list[list[str]] = [[]]
        for line in map(str.strip, self.text.splitlines()):
            if line:
                found[-1].append(line)
            elif found[-1]:
                found.append([])
        return ["\n".join(lines) for lines in found if lines]

    @cached_property
    def n_inked(self) -> int:
        """Characters that are not white space."""
        return sum(map(len, self.words))

    @cached_property
    def word_ids(self) -> IntArray:
        """A number for each word, equal where words are, shape (n_words,)."""
        ids: dict[str, int] = {}
        return np.array([ids.setdefault(word, len(ids)) for word in self.words], np.int64)

    @cached_property
    def word_lengths(self) -> IntArray:
        """Characters of each word, shape (n_words,)."""
        return lengths(self.words)


def lengths(parts: Sequence[str]) -> IntArray:
    """Return the characters of each part, shape (n_parts,)."""
    return np.fromiter(map(len, parts), np.int64, len(parts))
