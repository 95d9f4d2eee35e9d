"""MinHash and banding: how many of the pairs that are alike meet, and how many others do."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.checks.minhash import Bands, BucketPairs, buckets, choose_bands
from lakewinnow.core.checks.shingles import Shingles


@pytest.mark.parametrize(
    ("threshold", "permutations"), [(0.5, 128), (0.8, 128), (0.8, 256), (0.95, 64)]
)
def test_bands_find_what_they_should_and_are_as_long_as_they_can_be(threshold, permutations):
    bands = choose_bands(threshold, permutations, 0.97)
    assert bands.recall(threshold) >= 0.97
    assert bands.n * bands.rows <= permutations
    longer = Bands(permutations // (bands.rows + 1), bands.rows + 1)
    assert longer.recall(threshold) < 0.97
    assert Bands(bands.n - 1, bands.rows).recall(threshold) < 0.97


def test_bands_are_of_one_value_where_none_will_do():
    assert choose_bands(0.01, 16, 0.97) == Bands(16, 1)


def pairs_of(similarity, n, size=60):
    """Return the shingles of n texts, and of n others that are so similar to each of them."""
    rng = np.random.default_rng(0)
    shared = round(2 * size * similarity / (1 + similarity))
    one = rng.integers(0, 2**64, (n, size), np.uint64, endpoint=False)
    other = rng.integers(0, 2**64, (n, size), np.uint64, endpoint=False)
    other[:, :shared] = one[:, :shared]
    offsets = np.arange(n + 1) * size
    return [Shingles(rng.permuted(side, axis=1).ravel(), offsets) for side in (one, other)]


@pytest.mark.parametrize("similarity", [0.5, 0.8, 0.9])
def test_as_many_pairs_meet_as_the_formula_says(similarity):
    bands = Bands(25, 9)
    one, other = (buckets(side, bands, seed=0)[0] for side in pairs_of(similarity, 2000))
    share = (one == other).any(axis=1).mean()
    expected = bands.recall(similarity)
    assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / 2000) + 0.005


def test_a_signature_depends_on_the_set_and_the_seed_alone():
    hashes = np.array([5, 7, 9, 9, 7, 5, 5, 1], np.uint64)
    found, order = buckets(Shingles(hashes, np.array([0, 3, 7, 8])), Bands(3, 2), seed=1)
    assert found[0].tolist() == found[1].tolist() != found[2].tolist()
    assert order[0].tolist() == order[1].tolist()
    assert (order >= 0).all()
    again = buckets(Shingles(hashes[:3], np.array([0, 3])), Bands(3, 2), seed=2)[0]
    assert not np.isin(again, found).any()
    one_run = Shingles(np.tile(np.arange(2**16, dtype=np.uint64), 2), np.array([0, 2**16, 2**17]))
    found, _ = buckets(one_run, Bands(2, 2), seed=0)  # each more than is worked on at once
    assert found[0].tolist() == found[1].tolist()


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=40).map(sorted)


@given(ROWS, st.integers(1, 4), st.lists(st.integers(0, 40), max_size=4))
def test_a_text_is_paired_with_those_before_it_and_the_first(rows, width, cuts):
    members = {}
    for bucket, text in sorted(set(rows)):
        members.setdefault(bucket, []).append(text)
    expected = {
        (min(a, b), max(a, b))
        for texts in members.values()
        for (i, a), (j, b) in combinations(enumerate(texts), 2)
        if j - i <= width or i == 0
    }
    columns = np.array(rows, np.int64).reshape(-1, 2).T
    state, found = BucketPairs(width), []
    for part in np.split(columns, sorted(min(cut, len(rows)) for cut in cuts), axis=1):
        found += list(zip(*(ends.tolist() for ends in state.update(*part)), strict=True))
    assert set(found) == expected
    assert len(found) <= (width + 1) * len(set(rows))
