"""Domain classifier and energy distance: SciPy's areas and ranks, and p that is uniform."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from lakewinnow.core.drift.domain import area, classify, mann_whitney_p
from lakewinnow.core.drift.energy import energy_distance

SCORES = st.lists(st.integers(0, 12), min_size=3, max_size=30)


@given(SCORES, SCORES)
def test_area_and_its_interval_are_delongs(positive, negative):
    auc, low, high = area(*(np.array(of, np.float64) for of in (positive, negative)))
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    assert auc == pytest.approx(roc_auc_score(truth, [*positive, *negative]))
    wins = np.array([[(p > n) + (p == n) / 2 for n in negative] for p in positive])
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(
        negative
    )
    reach = stats.norm.ppf(0.975) * np.sqrt(variance)
    assert (low, high) == pytest.approx((max(0, auc - reach), min(1, auc + reach)))


@given(SCORES, SCORES)
def test_ranks_are_tested_as_by_mann_and_whitney(positive, negative):
    found = mann_whitney_p(*(np.array(of, np.float64) for of in (positive, negative)))
    if len({*positive, *negative}) > 1:
        theirs = stats.mannwhitneyu(positive, negative, alternative="greater", method="asymptotic")
        assert found == pytest.approx(theirs.pvalue)
    else:
        assert found == 1


def sides(rng, n, shift, n_columns=12):
    """Return vectors of two sides, one of them shifted, and which are of it."""
    is_new = np.arange(2 * n) < n
    return rng.normal(size=(2 * n, n_columns)) + shift * is_new[:, None], is_new


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(50):
        vectors, is_new = sides(rng, 40, 0, n_columns=6)
        chances = rng.integers(2**30, size=len(vectors))
        found.append(
            (classify(vectors, is_new, chances)[0].p, energy_distance(vectors, is_new, 99).p)
        )
    by_classifier, by_distance = np.array(found).T
    for p in (by_classifier, by_distance):
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert np.mean(p <= 0.1) <= 0.22  # 0.1 and three standard deviations


def test_a_shift_is_found_and_the_rows_that_show_it():
    rng = np.random.default_rng(2)
    vectors, is_new = sides(rng, 200, 0.4)
    found, scores = classify(vectors, is_new, rng.integers(2**30, size=400))
    assert found.p < 1e-4
    assert 0.55 < found.low < found.auc < found.high < 1
    assert found.auc == pytest.approx(roc_auc_score(is_new, scores))
    distance = energy_distance(vectors, is_new, 199)
    assert distance.p == 1 / 200
    assert distance.distance > 0.05


def test_texts_on_both_sides_share_a_fold_and_tell_nothing():
    vectors = np.random.default_rng(4).normal(size=(60, 8))
    both, is_new = np.concatenate([vectors, vectors]), np.arange(120) < 60
    chances = np.tile(np.random.default_rng(5).integers(2**30, size=60), 2)
    found, scores = classify(both, is_new, chances)
    np.testing.assert_allclose(scores[:60], scores[60:], atol=1e-4)
    assert found.auc == pytest.approx(0.5, abs=0.02)
    assert found.p > 0.4
    assert energy_distance(both, is_new, 99).p > 0.5


def test_energy_distance_is_scipys_in_one_dimension():
    rng = np.random.default_rng(6)
    new, reference = rng.normal(size=50), rng.normal(1, 2, size=70)
    vectors, is_new = np.concatenate([new, reference])[:, None], np.arange(120) < 50
    found = energy_distance(vectors, is_new, 9)
    between = np.abs(new[:, None] - reference).mean()
    theirs = stats.energy_distance(new, reference)
    assert found.distance == pytest.approx(theirs / np.sqrt(2 * between))


def test_vectors_that_are_all_equal_have_not_drifted():
    vectors, is_new = np.ones((40, 3)), np.arange(40) < 20
    assert energy_distance(vectors, is_new, 19).p == 1
    assert classify(vectors, is_new, np.arange(40))[0].p > 0.1
