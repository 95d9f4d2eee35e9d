"""Shingles of texts, and the Jaccard similarity of their sets.

A shingle is a run of characters or of words of a text's normal form, and stands as a 64-bit hash.
A text that is shorter than a run is one shingle; one of nothing but punctuation has none.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lakewinnow.core.types import BoolArray, FloatArray, IntArray

Unit = Literal["character", "word"]
HashArray = npt.NDArray[np.uint64]

_END: Final = "\uffff"  # a noncharacter, between texts: normal forms do not reach across it
_GAP: Final = ord(" ")
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_HALF: Final = np.uint64(32)
_N_CHARACTERS: Final = 0x110000


class Shingles(NamedTuple):
    """The shingles of some texts, one text after the other, with repeats."""

    hashes: HashArray  # uint64, shape (n_shingles,)
    offsets: IntArray  # int64, shape (n_texts + 1,), where each text's start


def normal_forms(texts: Sequence[str]) -> list[str]:
    """Return what is compared of each text: its letters, marks, digits and symbols.

    Case is folded and compatible characters are one (Unicode casefold, then NFKC); each run of
    punctuation, white space and control characters is one space, none at either end.
    """
    if not texts:
        return []
    joined = _END.join(text.replace(_END, " ") for text in texts).casefold()
    characters = _characters(unicodedata.normalize("NFKC", joined))
    is_end = characters == ord(_END)
    is_gap = _is_gap()[characters]
    follows = np.ones(len(characters), np.bool_)  # a gap or the end of another text
    follows[1:] = is_gap[:-1]
    kept = characters[is_end | ~is_gap | ~follows]
    kept[_is_gap()[kept] & (kept != ord(_END))] = _GAP
    ends = np.append(kept[1:] == ord(_END), np.ones(min(1, len(kept)), np.bool_))
    kept = kept[~((kept == _GAP) & ends)]
    return str(kept.tobytes(), "utf-32-le", "surrogatepass").split(_END)


def text_ids(normal: Sequence[str]) -> IntArray:
    """Return a 64-bit hash of each normal form.

    Among a billion texts the chance that any two share one by accident is 3%.
    """
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text in normal
    )
    return np.frombuffer(digests, "<i8").astype(np.int64)


def shingles(normal: Sequence[str], unit: Unit, size: int) -> Shingles:
    """Return the shingles of texts in their normal form.

    Parameters
    ----------
    size : characters or words in a shingle
    """
    joined = _characters("".join(normal))
    lengths = np.fromiter(map(len, normal), np.int64, len(normal))
    units, counts = joined.astype(np.uint64), lengths
    if unit == "word":
        units, counts = _words(joined, lengths)
    padded = np.where(counts > 0, np.maximum(counts, size), 0)
    row = np.repeat(np.arange(len(counts)), counts)
    filled = np.zeros(int(padded.sum()), np.uint64)
    filled[np.arange(len(units)) + (_starts(padded) - _starts(counts))[row]] = units
    n_windows = np.where(padded > 0, padded - size + 1, 0)
    hashes = np.zeros(max(0, len(filled) - size + 1), np.uint64)
    for i in range(size):
        hashes *= _BASE
        hashes += filled[i : len(hashes) + i]
    return Shingles(
        _mixed(hashes[_ranges(_starts(padded), n_windows)]), np.append(0, np.cumsum(n_windows))
    )


def pieces(lengths: IntArray, most: int) -> Iterator[slice]:
    """Yield runs of texts, of no more than so many characters if they are more than one."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = ends[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + most, "right")))
        yield slice(first, end)
        first = end


def jaccard(one: Shingles, other: Shingles) -> FloatArray:
    """Return the Jaccard similarity of pairs of texts, shape (n,); 0 where both have no shingle.

    Shingles are compared by the ``64 - log2(n)`` leading bits of their hashes: for texts of s
    shingles the chance that one of n = 10,000 pairs is off by a shingle is below s² / 2^50.
    """
    n = len(one.offsets) - 1
    bits = np.uint64(max(1, (n - 1).bit_length()))
    sets = [_keyed(texts, bits) for texts in (one, other)]
    both = np.sort(np.concatenate(sets), kind="stable")  # which merges what is sorted
    shared = both[1:][both[1:] == both[:-1]]
    n_both, n_shared = (
        np.bincount((keys >> (np.uint64(64) - bits)).astype(np.int64), minlength=n)
        for keys in (both, shared)
    )
    similarity: FloatArray = n_shared / np.maximum(n_both - n_shared, 1)
    return similarity


def _keyed(texts: Shingles, bits: np.uint64) -> HashArray:
    """Return a text's number and, behind it, as much of a shingle as fits; each once."""
    rows = np.repeat(np.arange(len(texts.offsets) - 1, dtype=np.uint64), np.diff(texts.offsets))
    keys = np.sort((rows << (np.uint64(64) - bits)) | (texts.hashes >> bits))
    is_new = np.ones(len(keys), np.bool_)
    is_new[1:] = keys[1:] != keys[:-1]
    return keys[is_new]  # as np.unique, which hashes since NumPy 2.3 and takes 100 times as long


def _words(characters: npt.NDArray[np.uint32], lengths: IntArray) -> tuple[HashArray, IntArray]:
    """Return a hash of each word, and how many words each text has."""
    is_gap = characters == _GAP
    starts_text = np.zeros(len(characters), np.bool_)
    starts_text[_starts(lengths)[lengths > 0]] = True
    is_first = ~is_gap & (
        starts_text | np.append(np.ones(min(1, len(is_gap)), np.bool_), is_gap[:-1])
    )
    firsts = np.flatnonzero(is_first)
    text = np.repeat(np.arange(len(lengths)), lengths)
    counts = np.bincount(text[firsts], minlength=len(lengths))
    if not len(firsts):
        return np.zeros(0, np.uint64), counts
    word = np.cumsum(is_first) - 1
    place = np.arange(len(characters)) - firsts[word]
    powers = np.cumprod(np.append(np.uint64(1), np.full(int(place.max()), _BASE)), dtype=np.uint64)
    values = np.where(is_gap, 0, characters.astype(np.uint64) * powers[place])
    return _mixed(np.add.reduceat(values, firsts)), counts


def _mixed(hashes: HashArray) -> HashArray:
    hashes = (hashes ^ (hashes >> _HALF)) * _MIX
    return hashes ^ (hashes >> _HALF)


def _characters(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@cache
def _is_gap() -> BoolArray:
    """Whether a code point is punctuation, a separator or a control: takes 0.2 s, once a process.

    The end of a text counts as one, so that it takes no space before the next.
    """
    categories = (unicodedata.category(chr(code))[0] in "PZC" for code in range(_N_CHARACTERS))
    return np.fromiter(categories, np.bool_, _N_CHARACTERS)


def _starts(lengths: IntArray) -> IntArray:
    starts: IntArray = np.cumsum(lengths) - lengths
    return starts


def _ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """Return the positions ``start .. start + length - 1`` of all ranges."""
    positions: IntArray = np.arange(int(lengths.sum())) + np.repeat(
        starts - _starts(lengths), lengths
    )
    return positions
