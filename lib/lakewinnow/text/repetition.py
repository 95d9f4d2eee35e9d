"""How much of a text it has said before: shares from 0 to 1 of lines, of characters, of words.

A part counts as repeated from its second occurrence on: these are what would go if each stayed
once. Of n-grams each word counts once, however many repeated n-grams it is in, and characters are
those of words, so that white space dilutes nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lakewinnow.core.types import IntArray
from lakewinnow.text.document import Document


def repeated_share(parts: Sequence[str]) -> float:
    """Return the share of parts that are equal to an earlier one."""
    return 1 - len(set(parts)) / len(parts) if parts else 0.0


def repeated_character_share(parts: Sequence[str]) -> float:
    """Return the share of characters that are in parts equal to an earlier one."""
    n_all = sum(map(len, parts))
    return 1 - sum(map(len, set(parts))) / n_all if n_all else 0.0


def top_ngram_share(document: Document, n: int) -> float:
    """Return the share of characters in the n-gram of words that occurs most often, at least twice.

    Of several n-grams that are as frequent, the one that covers most.
    """
    grams = document.ngrams(n)
    if grams is None:
        return 0.0
    counts = np.bincount(grams)
    # What an occurrence covers begins where the one before it of the same n-gram ends.
    ends = np.concatenate([[0], np.cumsum(document.word_lengths)])
    order = np.argsort(grams, kind="stable")
    is_again = np.diff(grams[order], prepend=-1) == 0
    begins = order.copy()
    begins[is_again] = np.maximum(order, np.roll(order, 1) + n)[is_again]
    covered = np.bincount(grams[order], ends[order + n] - ends[begins])
    return float(covered[counts == counts.max()].max() / document.n_inked)


def repeated_ngram_share(document: Document, n: int) -> float:
    """Return the share of characters in n-grams of words that are equal to an earlier one."""
    grams = document.ngrams(n)
    if grams is None:
        return 0.0
    _, first = np.unique(grams, return_index=True)
    is_repeated = np.ones(len(grams), bool)
    is_repeated[first] = False
    return _covered(document.word_lengths, is_repeated, n) / document.n_inked


def _covered(lengths: IntArray, is_start: NDArray[np.bool_], n: int) -> int:
    """Return the characters of the words that these n-grams cover."""
    is_covered = np.zeros(len(lengths), bool)
    for i in range(n):
        is_covered[i : i + len(is_start)] |= is_start
    return int(lengths[is_covered].sum())
