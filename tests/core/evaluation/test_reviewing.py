"""Figures of a review: intervals that cover as often as they say, cuts that keep their promise."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.evaluation.reviewing import Answers, agreement, ratio_of_totals
from lakewinnow.core.evaluation.strata import (
    FLAGGED_BANDS,
    OTHER_BANDS,
    band_cuts,
    score_bins,
    side,
)

Z = NormalDist().inv_cdf(0.975)


def wilson(hits, n):
    """Wilson's interval as its inventor has it: the roots of (p - rate)² = z² p (1 - p) / n."""
    a, b, c_ = 1 + Z * Z / n, -(2 * hits / n + Z * Z / n), (hits / n) ** 2
    return sorted(np.roots([a, b, c_]).real)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (81, 263)])
def test_of_one_large_stratum_it_is_wilsons_interval(hits, n):
    found = Answers.of(np.zeros(n, int), np.array([10**12])).share(np.arange(n) < hits)
    assert found.value == hits / n
    assert [found.low, found.high] == pytest.approx(np.clip(wilson(hits, n), 0, 1), abs=1e-6)


def test_strata_are_weighted_by_their_rows():
    answers = Answers.of(np.repeat([0, 1], [10, 10]), np.array([900, 100]))
    found = answers.share(np.arange(20) >= 10)
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.1 < found.high


def test_where_all_rows_are_answered_nothing_is_uncertain():
    stratum = np.repeat([0, 1], [4, 6])
    found = Answers.of(stratum, np.array([4, 6])).share(np.arange(10) % 2 == 0)
    assert found.value == found.low == found.high == pytest.approx(0.5)


def test_a_stratum_without_answers_counts_as_its_neighbour():
    found = Answers.of(np.array([1, 1, 3]), np.array([10, 20, 30, 40, 50]))
    assert found.rows.tolist() == [30, 120]
    assert Answers.of(np.array([], int), np.array([10, 20])).share(np.array([], bool)) is None


def test_a_part_of_the_rows_may_be_asked_about():
    answers = Answers.of(np.repeat([0, 1], [10, 10]), np.array([900, 100]))
    hits = np.arange(20) % 2 == 0
    among = np.arange(20) < 10
    assert answers.share(hits, among).value == pytest.approx(0.5)
    assert answers.share(hits, np.zeros(20, bool)) is None
    assert answers.share(hits, among, 0.99).high > answers.share(hits, among).high


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=60), st.data())
def test_an_interval_holds_its_value_and_stays_a_share(answered, data):
    stratum, hits = (np.array(part) for part in zip(*answered, strict=True))
    rows = np.bincount(stratum, minlength=5) + data.draw(st.integers(0, 50))
    found = Answers.of(stratum, rows).share(hits)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1
    opposite = Answers.of(stratum, rows).share(~hits)
    assert [1 - opposite.high, 1 - opposite.low] == pytest.approx([found.low, found.high], abs=1e-9)


# --- simulations --------------------------------------------------------------------------------


class Population:
    """Rows of known truth, and the strata that a review would have."""

    def __init__(self, rng, n_rows, n_classes, n, error_rate, bands, *, in_proportion):
        self.rng = rng
        self.labels = rng.choice(n_classes, n_rows, p=rng.dirichlet(np.full(n_classes, 3)))
        scores = rng.beta(0.7, 3, n_rows)
        self.bins = score_bins(scores)
        self.is_error = rng.random(n_rows) < error_rate(scores)
        cuts = band_cuts(np.bincount(self.bins), bands, n)
        band = np.searchsorted(cuts, self.bins, side="right")
        counts = np.zeros((n_classes, len(cuts) + 1), int)
        np.add.at(counts, (self.labels, band), 1)
        self.side = side(counts, cuts, n, in_proportion=in_proportion)
        group = np.full(n_classes, len(self.side.own))
        group[list(self.side.own)] = np.arange(len(self.side.own))
        self.stratum = group[self.labels] * counts.shape[1] + band
        self.of_stratum = [np.flatnonzero(self.stratum == h) for h in range(self.side.rows.size)]

    def reviewed(self, share=1.0):
        """Draw a sample, of which a part is answered."""
        drawn = zip(self.of_stratum, self.side.drawn.reshape(-1), strict=True)
        rows = np.concatenate([self.rng.choice(of, n, replace=False) for of, n in drawn])
        return self.rng.permutation(rows)[: round(share * len(rows))]

    def answers(self, rows):
        return Answers.of(self.stratum[rows], self.side.rows.reshape(-1))


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize(
    "population",
    [
        (800, 3, 150, lambda score: np.clip(0.97 - 1.5 * score, 0.02, 1), FLAGGED_BANDS),
        (1900, 77, 150, lambda score: 0.98 + 0 * score, FLAGGED_BANDS),
        (400, 6, 40, lambda score: 0.5 + 0 * score, FLAGGED_BANDS),
        (1100, 3, 50, lambda score: 0.3 * (1 - score) ** 20 + 0.003, OTHER_BANDS),
        (8000, 77, 200, lambda score: 0.02 + 0 * score, OTHER_BANDS),
    ],
    ids=["precise where sure", "nearly all right", "a coin", "few, where sure", "few anywhere"],
)
def test_intervals_cover_as_often_as_they_say_and_estimates_are_not_biased(population, share):
    *args, bands = population
    rng = np.random.default_rng(7)
    rows = Population(rng, *args, bands, in_proportion=bands is FLAGGED_BANDS)
    true = rows.is_error.mean()
    found = []
    for _ in range(400):
        sample = rows.reviewed(share)
        found.append(rows.answers(sample).share(rows.is_error[sample]))
    covered = np.mean([of.low <= true <= of.high for of in found])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)
    values = np.array([of.value for of in found])
    assert abs(values.mean() - true) < 4 * values.std() / 20 + 1e-9


def test_a_cut_that_is_shown_is_seldom_wrong():
    rng = np.random.default_rng(5)
    n_shown = n_wrong = 0
    for _ in range(300):
        # Precision falls to what is wanted at a score of 0.3, where a cut is wrong from
        rate = lambda score: np.clip(0.99 - 0.3 * score, 0, 1)  # noqa: E731
        rows = Population(rng, 600, 3, 200, rate, FLAGGED_BANDS, in_proportion=True)
        sample = rows.reviewed()
        everywhere = np.ones(len(sample), bool)
        found = rows.answers(sample).cuts(
            rows.bins[sample], rows.is_error[sample], everywhere, 0.93
        )
        if found.shown:
            n_shown += 1
            n_wrong += rows.is_error[rows.bins <= found.shown.bin].mean() < 0.93
    assert n_shown > 30
    assert n_wrong <= 0.05 * 300 + 3 * np.sqrt(0.05 * 0.95 * 300)


# --- cuts ---------------------------------------------------------------------------------------


def cuts_of(hits, wanted, bins=None, n_rows=10**6):
    n = len(hits)
    answers = Answers.of(np.zeros(n, int), np.array([n_rows]))
    bins = np.arange(n) if bins is None else bins
    return answers.cuts(bins, np.array(hits, bool), np.ones(n, bool), wanted)


def test_all_rows_right_is_a_cut_at_the_last_of_them():
    found = cuts_of([True] * 100, 0.9)
    assert (found.shown.bin, found.shown.answered) == (99, 100)
    assert found.likely == found.shown


def test_a_cut_ends_before_the_rows_get_worse():
    found = cuts_of([True] * 100 + [False] * 100, 0.9)
    assert 60 <= found.shown.bin <= 110
    assert found.likely.bin == 110
    assert found.shown.share.value >= found.likely.share.value >= 0.9


def test_few_answers_show_nothing():
    found = cuts_of([True] * 20, 0.9)
    assert (found.shown, found.likely.bin) == (None, 19)
    assert cuts_of([True] * 9, 0.9).likely is None
    assert cuts_of([False] * 100, 0.5).likely is None
    assert cuts_of([], 0.5).shown is None
    assert cuts_of([True] * 20, 0.9, n_rows=20).shown.bin == 19  # they are all


def test_rows_of_one_bin_stay_together():
    found = cuts_of([True, False] * 30, 0.4, bins=np.zeros(60, int))
    assert (found.shown, found.likely.answered) == (None, 60)


def test_the_order_of_rows_has_no_part_in_it():
    rng = np.random.default_rng(3)
    bins, hits = rng.integers(0, 30, 200), rng.random(200) < 0.95
    order = rng.permutation(200)
    assert cuts_of(hits, 0.9, bins) == cuts_of(hits[order], 0.9, bins[order])


# --- more than one figure, more than one person -------------------------------------------------


def test_a_share_of_totals_has_the_ends_that_are_furthest_apart():
    answers = Answers.of(np.zeros(40, int), np.array([10**6]))
    part, other = (answers.share(np.arange(40) < n) for n in (30, 2))
    found = ratio_of_totals(part, other, 100, 900)
    assert found.value == pytest.approx(75 / (75 + 45))
    assert found.low == pytest.approx(part.low / (part.low + 9 * other.high))
    assert found.high == pytest.approx(part.high / (part.high + 9 * other.low))


def test_agreement_is_krippendorffs():
    # Krippendorff 2011, section C: nominal data of four observers with missing ones, alpha = 0.743
    observed = """
        1 2 3 3 2 1 4 1 2 . . .
        1 2 3 3 2 2 4 1 2 5 . 3
        . 3 3 3 2 3 4 2 2 5 1 .
        1 2 3 3 2 4 4 1 2 5 1 .
    """
    table = np.array([line.split() for line in observed.strip().splitlines()])
    votes = np.array([[(unit == str(k)).sum() for k in range(1, 6)] for unit in table.T])
    found = agreement(votes)
    assert (found.rows, round(found.alpha, 3)) == (11, 0.743)


def test_agreement_at_its_ends():
    assert agreement(np.array([[1, 0], [0, 1]])) is None
    assert agreement(np.array([[2, 0], [0, 2]])).alpha == 1
    assert agreement(np.array([[2, 0], [2, 0]])).alpha is None
    assert agreement(np.array([[2, 1]])).share == pytest.approx(1 / 3)
