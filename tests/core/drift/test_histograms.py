"""Histograms of texts' numbers: fine enough, in order, and the two-sample test is SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from lakewinnow.core.drift import histograms
from lakewinnow.core.drift.histograms import N_BINS, bins, kolmogorov_smirnov, value_of


@given(st.lists(st.integers(0, 2**31 - 1), min_size=2))
def test_bins_keep_the_order_of_counts_and_are_fine(values):
    values = np.sort(np.array(values))
    at = bins("characters", values)
    assert (np.diff(at) >= 0).all()
    assert 0 <= at.min() <= at.max() < N_BINS["characters"]
    starts = np.array([value_of("characters", i) for i in at.tolist()])
    assert (starts <= values).all()
    assert (values <= starts * (1 + 1 / 128)).all()
    assert (starts == values)[values < 256].all()


def test_shares_are_counted_by_the_thousandth():
    assert bins("digits", np.array([0, 0.0004, 0.0006, 0.5, 1])).tolist() == [0, 0, 1, 500, 1000]
    assert bins("word_length", np.array([0, 4.52, 1e9])).tolist() == [0, 90, 1000]
    assert value_of("digits", 500) == 0.5
    assert value_of("word_length", 90) == 4.5


def counted(name, values):
    return np.bincount(bins(name, values), minlength=N_BINS[name])


@pytest.mark.parametrize("shift", [0, 10, 40])
def test_the_test_is_that_of_kolmogorov_and_smirnov(shift):
    rng = np.random.default_rng(7)
    new, reference = rng.integers(0, 200, 400) + shift, rng.integers(0, 200, 300)
    found = kolmogorov_smirnov(
        "words", counted("words", new), counted("words", reference), (400, 300)
    )
    theirs = ks_2samp(new, reference, method="asymp")
    assert found.distance == pytest.approx(theirs.statistic)
    assert found.p == pytest.approx(theirs.pvalue, rel=0.3, abs=0.02)  # Stephens' correction
    assert found.medians == (np.sort(new)[199], np.sort(reference)[149])


def test_the_corrected_p_keeps_its_rate_of_small_samples():
    rng = np.random.default_rng(3)
    p = [
        kolmogorov_smirnov(
            "words", *(counted("words", rng.integers(0, 250, 30)) for _ in "ab"), (30, 30)
        ).p
        for _ in range(400)
    ]
    assert np.mean(np.array(p) <= 0.05) <= 0.07


def test_nothing_is_like_anything():
    nothing = np.zeros(N_BINS["digits"], np.int64)
    assert kolmogorov_smirnov("digits", nothing, nothing, (0, 0)).p == 1
    assert set(histograms.SHARES) < set(N_BINS)
