"""A text and the parts that rules count: words, lines, paragraphs; each made when asked for."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lakewinnow.core.types import IntArray


class Document:
    """A text."""

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

    def ngrams(self, n: int) -> IntArray | None:
        """Return a number for each n-gram of words, equal where n-grams are; None: all differ.

        Shape (n_words - n + 1,). Where all differ, so do longer ones: soon so in most texts.
        """
        while len(self._ngrams) < n:
            shorter = self._ngrams[-1]
            self._ngrams.append(None if shorter is None else self._longer(shorter))
        return self._ngrams[n - 1]

    def _longer(self, grams: IntArray) -> IntArray | None:
        """Return the numbers of n-grams, by those of (n-1)-grams and of the words after them."""
        ids = self._word_ids
        # Both as one number below n_words squared: exact, unlike a hash.
        pairs = grams[:-1] * len(ids) + ids[len(ids) - len(grams) + 1 :]
        different, found = np.unique(pairs, return_inverse=True)
        return None if len(different) == len(pairs) else found.reshape(-1)

    @cached_property
    def _word_ids(self) -> IntArray:
        ids: dict[str, int] = {}
        return np.array([ids.setdefault(word, len(ids)) for word in self.words], np.int64)

    @cached_property
    def _ngrams(self) -> list[IntArray | None]:
        """The numbers of 1-grams, 2-grams …, as far as they were asked for."""
        is_any_twice = len(set(self.words)) < len(self.words)
        return [self._word_ids if is_any_twice else None]

    @cached_property
    def word_lengths(self) -> IntArray:
        """Characters of each word, shape (n_words,)."""
        return lengths(self.words)


def lengths(parts: Sequence[str]) -> IntArray:
    """Return the characters of each part, shape (n_parts,)."""
    return np.fromiter(map(len, parts), np.int64, len(parts))
