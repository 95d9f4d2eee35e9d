"""Promises: over many draws the share of wrong rows is above the limit as rarely as is said."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.core.evaluation.promise import fewest_checked, probability, promised_cut
from lakewinnow.core.evaluation.strata import SCORE_EDGES, score_bins

N_DRAWS = 1000
N_ROWS = 1200
PLACES = np.arange(N_ROWS) / N_ROWS
# How probable it is that a row is wrong, the surest row first.
RATES = {
    "right as a rule": np.full(N_ROWS, 0.02),
    "at the limit everywhere": np.full(N_ROWS, 0.1),
    "a little above the limit": np.full(N_ROWS, 0.11),
    "at first right, then wrong": np.clip(PLACES - 0.4, 0.02, 0.9),
    "slowly worse": 0.3 * PLACES**1.5,
    "scores that say nothing": np.where(np.arange(N_ROWS) % 7 == 0, 0.9, 0.0),
    "wrong where it is surest": np.where(PLACES < 0.1, 0.3, 0.05),
}


def draws(rates, share_checked, most, confidence, n_draws=N_DRAWS):
    """Of each draw: how many rows were taken, and which share of them is wrong."""
    random = np.random.default_rng(17)
    for _ in range(n_draws):
        is_wrong = random.random(N_ROWS) < rates
        is_checked = np.zeros(N_ROWS, bool)
        is_checked[random.permutation(N_ROWS)[: int(share_checked * N_ROWS)]] = True
        counts = [np.asarray(of, np.int64) for of in (~is_checked, is_checked)]
        found = promised_cut(*counts, (is_wrong & is_checked).astype(np.int64), most, confidence)
        taken = ~is_checked[: found.bin + 1] if found else np.zeros(0, bool)
        assert taken.sum() == (found.others if found else 0)
        n_wrong = int((taken & is_wrong[: len(taken)]).sum())
        yield int(taken.sum()), n_wrong / max(int(taken.sum()), 1)


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize(("share", "most", "confidence"), [(0.1, 0.1, 0.9), (0.3, 0.2, 0.95)])
def test_over_1000_draws_the_promise_is_broken_no_more_often_than_said(
    name, share, most, confidence
):
    rates = RATES[name] * most / 0.1
    broken = sum(wrong > most for _, wrong in draws(rates, share, most, confidence))
    deviation = np.sqrt(N_DRAWS * confidence * (1 - confidence))
    assert broken <= N_DRAWS * (1 - confidence) + 2 * deviation


def draws_of_two(how_many, hardness, most=0.1, confidence=0.9):
    """Of each draw: the share that is wrong of rows without a label up to a cut by other rows.

    Rows with a label, which people checked, and those without are drawn apart. The probability of
    the predicted label says how often it is right, but for `hardness`: of rows without a label.
    """
    random = np.random.default_rng(17)
    for _ in range(how_many):
        doubts = [random.beta(0.5, 2.5, size=n) for n in (150, 400)]
        is_wrong = [
            random.random(len(of)) < of * times
            for of, times in zip(doubts, (1.0, hardness), strict=True)
        ]
        bins = [score_bins(of) for of in doubts]
        checked, others = (np.bincount(of, minlength=len(SCORE_EDGES)) for of in bins)
        wrong = np.bincount(bins[0][is_wrong[0]], minlength=len(SCORE_EDGES))
        found = promised_cut(others, checked, wrong, most, confidence)
        taken = bins[1] <= found.bin if found else np.zeros(400, bool)
        yield int(taken.sum()), is_wrong[1][taken].sum() / max(int(taken.sum()), 1)


def test_of_rows_without_a_label_it_holds_as_well_if_they_lack_it_by_chance():
    found = list(draws_of_two(N_DRAWS, 1.0))
    broken = sum(wrong > 0.1 for _, wrong in found)
    assert broken <= 0.1 * N_DRAWS + 2 * np.sqrt(N_DRAWS * 0.1 * 0.9)
    assert np.mean([n > 0 for n, _ in found]) > 0.6
    if_hard = [wrong > 0.1 for _, wrong in draws_of_two(200, 3.0)]
    assert np.mean(if_hard) > 0.4  # what is assumed matters


def test_where_it_could_act_it_does():
    sure = [n for n, _ in draws(RATES["right as a rule"], 0.1, 0.1, 0.9, 200)]
    assert np.mean(np.array(sure) > 0.9 * 1080) > 0.7  # all rows, most often
    half = [n for n, _ in draws(RATES["at first right, then wrong"], 0.2, 0.1, 0.9, 200)]
    assert np.mean(half) > 0.4 * 960  # 10% of the first 0.63 are wrong


def test_a_cut_through_the_middle_is_found_where_the_rest_is_bad():
    checked = np.full(10, 30)
    wrong = np.array([0, 0, 1, 0, 1, 20, 20, 20, 20, 20])
    found = promised_cut(np.full(10, 300), checked, wrong, 0.1, 0.9)
    assert found.bin in (3, 4)
    assert (found.others, found.checked) == (300 * (found.bin + 1), 30 * (found.bin + 1))
    assert found.wrong == wrong[: found.bin + 1].sum()


def test_without_checked_rows_or_with_too_few_nothing_is_promised():
    bins, none = np.full(10, 100), np.zeros(10, np.int64)
    assert promised_cut(bins, none, none, 0.1, 0.9) is None
    assert promised_cut(none, none, none, 0.1, 0.9) is None
    assert promised_cut(bins * 1000, np.full(10, 2), none, 0.1, 0.9) is None
    assert fewest_checked(0.1, 0.9) == 22  # 0.9 ** 22 < 0.1
    assert promised_cut(bins * 1000, np.full(10, 3), none, 0.1, 0.9) is not None


def test_the_probability_is_that_of_all_ways_to_check():
    """Of 9 rows 4 are checked; 1 of them is wrong, and at most 40% of the other 5 may be."""
    is_wrong = np.arange(9) < 1 + 3
    ways = list(combinations(range(9), 4))
    few = sum(is_wrong[list(way)].sum() <= 1 for way in ways)
    assert probability(1, 4, 5, 0.4) == pytest.approx(few / len(ways))


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 500), st.floats(0.01, 0.9))
def test_more_wrong_rows_never_speak_for_a_cut(wrong, right, others, most):
    checked = wrong + right
    found = probability(wrong, checked, others, most)
    assert 0 <= found <= 1
    assert found <= probability(wrong + 1, checked + 1, others, most) + 1e-9
    assert probability(wrong, checked + 1, others, most) <= found + 1e-9
