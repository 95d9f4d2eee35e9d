"""MinHash with banding: which pairs of texts are worth comparing.

A text's signature is, for each of P hash functions, the least hash of its shingles; two texts agree
in one with the probability of their Jaccard similarity s (Broder 1997). Bands of r of them are
hashed into buckets, so that two texts share one of b buckets with probability 1 - (1 - s^r)^b
(Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakewinnow.core.checks.shingles import HashArray, Shingles
from lakewinnow.core.types import IntArray

_AT_ONCE: Final = 1 << 15  # shingles: they and what is made of them fit a core's cache
_ORDER_BITS: Final = 63


@dataclass(frozen=True)
class Bands:
    """How a signature is cut: so many bands of so many values each."""

    n: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return which share of pairs of a Jaccard similarity meet in a bucket."""
        return float(1 - (1 - similarity**self.rows) ** self.n)


def choose_bands(threshold: float, permutations: int, recall: float) -> Bands:
    """Return the longest bands that find such a share of the pairs at the threshold, and no more.

    Longer bands meet fewer texts that are not alike; where none will do, bands are of one value.
    """
    for rows in range(permutations, 0, -1):
        whole = Bands(permutations // rows, rows)
        if whole.recall(threshold) >= recall:
            needed = next(
                n for n in range(1, whole.n + 1) if Bands(n, rows).recall(threshold) >= recall
            )
            return Bands(needed, rows)
    return Bands(permutations, 1)


def buckets(texts: Shingles, bands: Bands, seed: int) -> tuple[IntArray, IntArray]:
    """Return each text's bucket in every band, and where it stands in the order of that bucket.

    Texts that are alike stand near each other in a bucket: it is ordered by the values of the next
    band, truncated so that 63 bits hold them, as in an LSH forest (Bawa et al. 2005).

    Parameters
    ----------
    texts : n texts, each with one shingle or more

    Returns
    -------
    int64, shape (n, bands); int64, shape (n, bands), 0 or more
    """
    n, width = len(texts.offsets) - 1, bands.n * bands.rows
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 2**63, width, np.uint64) * np.uint64(2) + np.uint64(1)
    terms = rng.integers(0, 2**64, width, np.uint64, endpoint=False)
    kept_bits = max(1, _ORDER_BITS // bands.rows)
    found, order = np.empty((n, bands.n), np.int64), np.empty((n, bands.n), np.int64)
    for rows in _runs(texts.offsets):
        first, end = texts.offsets[rows.start], texts.offsets[rows.stop]
        hashes = texts.hashes[first:end]
        starts = texts.offsets[rows] - first
        hashed = np.empty_like(hashes)
        for band in range(bands.n):
            bucket = np.full(len(starts), np.uint64(band + 1))
            place = np.zeros(len(starts), np.uint64)
            for i in range(band * bands.rows, (band + 1) * bands.rows):
                np.multiply(hashes, factors[i], out=hashed)
                np.add(hashed, terms[i], out=hashed)
                least = np.minimum.reduceat(hashed, starts)
                bucket = _mixed(bucket, least)
                place = (place << np.uint64(kept_bits)) | _spread(least, kept_bits)
            found[rows, band] = bucket.view(np.int64)
            order[rows, band - 1] = (place & np.uint64(2**_ORDER_BITS - 1)).view(np.int64)
    return found, order


class BucketPairs:
    """Pairs of texts that share a bucket: each with the `width` before it, and with the first.

    So there are no more than `width` + 1 pairs for a text in a bucket however many are in it; of
    those in a bucket of up to `width` + 1 texts all are paired. It is fed in parts.

    Parameters
    ----------
    width : 1 or more
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._buckets = np.zeros(0, np.int64)  # of the last bucket, its last texts
        self._ids = np.zeros(0, np.int64)
        self._first = 0  # of the last bucket, the first text
        self._n_before = 0  # of the last bucket, texts before those

    def update(self, buckets: IntArray, ids: IntArray) -> tuple[IntArray, IntArray]:
        """Return the pairs of the rows that come next, ordered by bucket, its order, and id."""
        n_old = len(self._ids)
        buckets, ids = np.append(self._buckets, buckets), np.append(self._ids, ids)
        is_other = np.ones(len(ids), np.bool_)  # than the one before: copies of a row are adjacent
        is_other[1:] = (buckets[1:] != buckets[:-1]) | (ids[1:] != ids[:-1])
        buckets, ids = buckets[is_other], ids[is_other]
        if not len(ids):
            return ids, ids
        starts = np.flatnonzero(np.append(True, buckets[1:] != buckets[:-1]))
        sizes = np.diff(np.append(starts, len(ids)))
        firsts, place = ids[starts], np.arange(len(ids)) - np.repeat(starts, sizes)
        if n_old:
            firsts[0] = self._first
            place[: sizes[0]] += self._n_before
        pairs = []
        for back in range(1, self._width + 1):
            later = np.arange(max(n_old, back), len(ids))
            later = later[buckets[later] == buckets[later - back]]
            pairs.append((ids[later - back], ids[later]))
        far = np.arange(n_old, len(ids))
        far = far[place[far] > self._width]
        pairs.append((np.repeat(firsts, sizes)[far], ids[far]))
        n_kept = min(int(sizes[-1]), self._width)
        self._first, self._n_before = int(firsts[-1]), int(place[-1]) + 1 - n_kept
        self._buckets, self._ids = buckets[-n_kept:], ids[-n_kept:]
        one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
        is_pair = one != other
        one, other = one[is_pair], other[is_pair]
        return np.minimum(one, other), np.maximum(one, other)


def _runs(offsets: IntArray) -> Iterator[slice]:
    """Yield runs of texts with about so many shingles as fit a cache."""
    first, n = 0, len(offsets) - 1
    while first < n:
        end = int(np.searchsorted(offsets, offsets[first] + _AT_ONCE, "right")) - 1
        end = max(first + 1, min(end, n))
        yield slice(first, end)
        first = end


def _spread(least: HashArray, bits: int) -> HashArray:
    """Return so many bits of a hash: the low ones of a least hash vary, the high ones do not."""
    return ((least * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & np.uint64(2**bits - 1)


def _mixed(state: HashArray, value: HashArray) -> HashArray:
    state = (state ^ value) * np.uint64(0xD6E8FEB86659FD93)
    return state ^ (state >> np.uint64(29))
