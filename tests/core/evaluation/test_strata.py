"""The sample's design: strata that cover all rows, allocations that add up, whatever the counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.evaluation.strata import (
    FLAGGED_BANDS,
    PROB_EDGES,
    SCORE_EDGES,
    allocate,
    band_cuts,
    prob_bins,
    score_bins,
    side,
    split,
)

counts = st.lists(st.integers(0, 2000), min_size=1, max_size=40).map(np.array)


@given(st.floats(0, 1))
def test_a_score_is_in_the_bin_that_ends_at_the_next_edge(score):
    [bin_] = score_bins(np.array([score]))
    assert score <= SCORE_EDGES[bin_]
    assert bin_ == 0 or score > SCORE_EDGES[bin_ - 1]


def test_edges_have_two_digits_and_ascend():
    assert all(float(f"{edge:.1e}") == edge for edge in SCORE_EDGES.tolist())
    assert (np.diff(SCORE_EDGES) > 0).all()
    assert SCORE_EDGES[[0, -1]].tolist() == [1e-9, 1.0]


@given(st.floats(0, 1))
def test_a_probability_is_not_below_the_edge_of_its_bin(prob):
    [bin_] = prob_bins(np.array([prob]))
    assert PROB_EDGES[bin_] <= prob
    assert bin_ == 100 or prob < PROB_EDGES[bin_ + 1]


@given(counts, st.integers(0, 500), st.booleans())
def test_an_allocation_adds_up_and_takes_no_more_than_there_is(rows, n, by_rows):
    drawn = allocate(rows, (rows if by_rows else rows > 0).astype(float), n)
    assert drawn.sum() == min(n, rows.sum())
    assert ((drawn >= 0) & (drawn <= rows)).all()
    if n >= 2 * len(rows):
        assert (drawn >= np.minimum(rows, 2)).all()


def test_an_allocation_is_in_proportion():
    rows = np.array([1000, 500, 100, 10])
    assert allocate(rows, rows.astype(float), 161).tolist() == [99, 50, 10, 2]
    assert allocate(rows, np.ones(4), 100).tolist() == [30, 30, 30, 10]


@given(counts, st.integers(1, 100))
def test_bands_are_not_empty(histogram, n):
    cuts = band_cuts(histogram, FLAGGED_BANDS, n)
    assert len(cuts) <= min(3, max(0, n // 5 - 1))
    if histogram.sum():
        assert all(band.sum() > 0 for band in np.split(histogram, cuts))


def test_bands_end_at_their_shares():
    assert band_cuts(np.full(100, 7), FLAGGED_BANDS, 100).tolist() == [25, 50, 75]
    assert band_cuts(np.array([0, 5, 0, 90, 5]), FLAGGED_BANDS, 100).tolist() == [4]
    assert band_cuts(np.zeros(4, int), FLAGGED_BANDS, 100).tolist() == []


@pytest.mark.parametrize("in_proportion", [True, False])
@given(
    st.lists(st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=1, max_size=60),
    st.integers(0, 300),
)
def test_strata_cover_all_rows_and_are_not_too_many(in_proportion, counts, n):
    counts = np.array(counts)
    cuts = np.array([3, 9])
    found = side(counts, cuts, n, in_proportion=in_proportion)
    assert found.rows.sum() == counts.sum()
    assert found.drawn.sum() == min(n, counts.sum())
    assert (found.rows[: len(found.own)] == counts[list(found.own)]).all()
    assert found.rows.size <= max(3, n // 5)


def test_a_class_of_many_rows_has_strata_of_its_own():
    counts = np.array([[5], [100], [1], [90], [7]])
    found = side(counts, np.array([], int), 15, in_proportion=True)
    assert (found.own, found.rows.tolist()) == ((1, 3), [[100], [90], [13]])


@pytest.mark.parametrize(
    ("n", "share", "n_flagged", "n_others", "numbers"),
    [
        (200, 0.25, 1000, 1000, (150, 50)),
        (200, 0.25, 30, 1000, (30, 170)),
        (200, 0.25, 1000, 10, (190, 10)),
        (200, 0.25, 30, 10, (30, 10)),
        (200, 0.0, 30, 1000, (30, 0)),
        (200, 1.0, 30, 1000, (0, 200)),
    ],
)
def test_what_one_side_lacks_the_other_gives(n, share, n_flagged, n_others, numbers):
    assert split(n, share, n_flagged, n_others) == numbers
