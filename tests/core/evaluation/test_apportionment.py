"""Apportionment: each label within one copy of its share, none lost, ties always the same way."""

from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lakewinnow.core.evaluation.apportionment import apportion

WEIGHTS = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(0, 1)
)


@given(WEIGHTS, st.integers(2, 9))
def test_each_label_gets_its_share_to_within_a_copy(weights, n_copies):
    weights[:, 0] += 0.01
    shares = weights / weights.sum(axis=1, keepdims=True)
    counts = apportion(shares, n_copies)
    assert (counts.sum(axis=1) == n_copies).all()
    assert (abs(counts - shares * n_copies) < 1 + 1e-6).all()
    assert (counts[shares == 0] == 0).all()


@pytest.mark.parametrize(
    ("shares", "n_copies", "counts"),
    [
        ([1.0, 0.0, 0.0], 4, [4, 0, 0]),
        ([0.6, 0.3, 0.1], 4, [3, 1, 0]),  # 2.4, 1.2, 0.4: equal remainders go to the larger share
        ([0.25, 0.25, 0.5], 2, [1, 0, 1]),  # 0.5, 0.5: to the first
        ([0.5, 0.5], 3, [2, 1]),
        ([0.34, 0.33, 0.33], 3, [1, 1, 1]),
    ],
)
def test_copies_that_are_left_go_to_the_largest_remainders(shares, n_copies, counts):
    assert apportion(np.array([shares]), n_copies).tolist() == [counts]


def test_hamiltons_method_row_by_row():
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.ones(5), 200)
    for row, counts in zip(shares, apportion(shares, 4), strict=True):
        quotas = [4 * share for share in row]
        expected = [floor(quota) for quota in quotas]
        by_remainder = sorted(range(5), key=lambda k: expected[k] - quotas[k])
        for k in by_remainder[: 4 - sum(expected)]:
            expected[k] += 1
        assert counts.tolist() == expected
