"""Counts and shares of characters, and how much of a text it has said before.

A part counts as repeated from its second occurrence on: these are what would go if each stayed
once. Of n-grams each word counts once, however many repeated n-grams it is in, and characters are
those of words, so that white space dilutes nothing.
"""

import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.core.types import IntArray
from lakewinnow.text.document import Document
from lakewinnow.text.rules import NOT_JUDGED

_DIGITS: Final = string.digits.encode()
_PLAIN: Final = bytes(code for code in range(128) if chr(code).isalnum() or chr(code).isspace())
_LEAST: Final = 10  # characters beside white space: shares of fewer mean nothing
_AT_ONCE: Final = 300  # characters from which NumPy is the faster way
_RUN: Final = re.compile(r"([^\W_]|[!?])\1{7,}")  # rows of dashes and the like separate, and may
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_JOINERS: Final = "\u200c\u200d\ufe0e\ufe0f"  # inside words of Persian, say, and of emoji


def n_characters(document: Document) -> float:
    """Return the number of characters."""
    return len(document.text)


def n_words(document: Document) -> float:
    """Return the number of words that have a letter."""
    return sum(word.isalpha() or any(map(str.isalpha, word)) for word in document.words)


def n_replaced(document: Document) -> float:
    """Return how many characters decoding has lost: U+FFFD."""
    return document.text.count("\ufffd")


def n_controls(document: Document) -> float:
    """Return the number of control characters that do not separate words or lines."""
    if document.text.isprintable():
        return 0.0
    return len(_CONTROL.findall(document.text))


def n_mojibake(document: Document) -> float:
    """Return ftfy's count of sequences that are UTF-8 read as another encoding: ``cafÃ©``."""
    if document.text.isascii():
        return 0.0
    from ftfy.badness import badness

    return float(badness(document.text))


def digit_share(document: Document) -> float:
    """Return the share of characters that are digits; white space does not count."""
    if document.n_inked < _LEAST:
        return NOT_JUDGED
    if document.text.isascii():  # 50 times as fast
        encoded = document.text.encode()
        return (len(encoded) - len(encoded.translate(None, _DIGITS))) / document.n_inked
    return sum(map(str.isdigit, document.text)) / document.n_inked


def symbol_share(document: Document) -> float:
    """Return the share of characters that are no letters, digits, marks or white space.

    Vowel signs and other marks that belong to letters count as letters do.
    """
    if document.n_inked < _LEAST:
        return NOT_JUDGED
    if document.text.isascii():
        encoded = document.text.encode()
        return len(encoded.translate(None, _PLAIN)) / document.n_inked
    n_plain = sum(map(str.isalnum, document.text))
    if document.n_inked > n_plain:
        n_plain += sum(map(_is_mark, document.text))
    return 1 - n_plain / document.n_inked


def _is_mark(character: str) -> bool:
    return character > "\u02ff" and (
        unicodedata.category(character)[0] == "M" or character in _JOINERS
    )


def longest_run(document: Document) -> float:
    """Return how often one letter, digit, ``!`` or ``?`` is repeated without a break; 8 or more."""
    if not _has_run(document.text):
        return 0.0
    return max((match.end() - match.start() for match in _RUN.finditer(document.text)), default=0)


def _has_run(text: str) -> bool:
    """Whether some character is repeated that often: by all characters at once, in long texts."""
    if len(text) < _AT_ONCE:
        return True
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    is_again = codes[1:] == codes[:-1]
    for n in (1, 2, 3):  # in runs of 3, of 5, of 8
        is_again = is_again[n:] & is_again[:-n]
    return bool(is_again.any())


def longest_ascii_word(document: Document) -> float:
    """Return the characters of the longest word, of those that are ASCII and no address of a page.

    Other scripts may do without white space between words.
    """
    words = document.words
    return max((len(word) for word in words if word.isascii() and "://" not in word), default=0)


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
