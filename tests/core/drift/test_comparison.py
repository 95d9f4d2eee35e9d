"""The verdict: all tests together keep one rate, and trifles of many rows are no drift."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.drift import verdict
from lakewinnow.core.drift.comparison import ComparedRows, DriftComparison
from lakewinnow.core.drift.histograms import N_BINS, bins
from lakewinnow.core.drift.verdict import Test, changed_classes, holm, is_drift


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_steps_down(p):
    adjusted = holm(p)
    below = sorted(zip(p, adjusted.tolist(), strict=True))
    worst = 0.0
    for i, (value, found) in enumerate(below):
        worst = max(worst, min(1.0, value * (len(p) - i)))
        assert found == pytest.approx(worst)


def test_drift_is_significant_and_large():
    large, small = (Test(verdict.LABELS, "labels", 1e-9, psi) for psi in (0.2, 0.05))
    assert is_drift(large, 0.01, 0.05)
    assert not is_drift(large, 0.06, 0.05)
    assert not is_drift(small, 1e-9, 0.05)


def test_classes_that_have_changed_are_named_the_most_changed_first():
    shares, reference = np.array([0.1, 0.48, 0.42]), np.array([0.3, 0.3, 0.4])
    assert changed_classes(shares, reference, np.array([1e-4, 1e-3, 1]), 0.05).tolist() == [0, 1]
    assert changed_classes(shares, reference, np.array([1e-4, 0.04, 1]), 0.05).tolist() == [0]
    assert changed_classes(np.array([0.5]), np.array([0.4]), np.array([0.0]), 0.05).tolist() == []


def side(rng, n, copies=1, shares=(0.2, 0.3, 0.5), length=60):
    """Return a side of so many texts, each in so many rows."""
    labels = rng.choice(len(shares), n, p=shares)
    lengths = rng.poisson(length, n)
    texts = {"characters": np.bincount(bins("characters", lengths), minlength=N_BINS["characters"])}
    counts = np.bincount(labels, minlength=len(shares))
    return ComparedRows(
        counts * copies, n, n * copies**2, {name: of * copies for name, of in texts.items()}
    )


def test_copies_of_rows_are_no_more_evidence_than_the_rows():
    once, thrice = (
        DriftComparison.of(
            side(np.random.default_rng(1), 300, n), side(np.random.default_rng(2), 200, n)
        )
        for n in (1, 3)
    )
    for one, other in zip(once.tests(), thrice.tests(), strict=True):
        assert one.p == pytest.approx(other.p)
        assert one.effect == pytest.approx(other.effect, rel=0.05)


def detected(new, reference):
    tests = DriftComparison.of(new, reference).tests()
    adjusted = holm([test.p for test in tests])
    return {t.name for t, p in zip(tests, adjusted.tolist(), strict=True) if is_drift(t, p, 0.05)}


def test_nothing_is_found_where_nothing_differs_and_what_differs_is():
    rng = np.random.default_rng(3)
    n_found = sum(bool(detected(side(rng, 150), side(rng, 150))) for _ in range(200))
    assert n_found <= 16  # 5% and two standard deviations
    found = [
        (
            detected(side(rng, 300, shares=(0.4, 0.3, 0.3)), side(rng, 300)),
            detected(side(rng, 300, length=70), side(rng, 300)),
        )
        for _ in range(40)
    ]
    assert sum("labels" in one and "characters" in other for one, other in found) >= 38


def test_a_trifle_is_no_drift_however_many_rows_show_it():
    rng = np.random.default_rng(4)
    new, reference = side(rng, 200_000, shares=(0.21, 0.3, 0.49)), side(rng, 200_000)
    assert DriftComparison.of(new, reference).labels.p < 1e-6
    assert detected(new, reference) == set()
