"""Chi-squared, PSI and noise: SciPy's where nothing is rare, and care where something is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from lakewinnow.core.drift import categories

COUNTS = st.lists(st.integers(30, 400), min_size=2, max_size=6)


@given(COUNTS, st.data())
def test_homogeneity_is_pearsons_chi_squared(new, data):
    reference = data.draw(st.lists(st.integers(30, 400), min_size=len(new), max_size=len(new)))
    found = categories.homogeneity(np.array(new), np.array(reference))
    theirs = chi2_contingency([new, reference])  # with Yates' correction where both are pairs
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found.df == theirs.dof


def test_rare_cells_are_one_and_take_in_the_smallest_other_where_that_is_still_rare():
    new, reference = np.array([80, 3, 4, 1, 40]), np.array([60, 4, 2, 1, 30])
    found = categories.homogeneity(new, reference)
    theirs = chi2_contingency([[80, 8, 40], [60, 7, 30]], correction=False)
    assert (found.df, found.statistic) == (2, pytest.approx(theirs.statistic))
    found = categories.homogeneity(np.array([80, 1, 40]), np.array([60, 2, 30]))
    assert found.statistic == pytest.approx(chi2_contingency([[80, 41], [60, 32]]).statistic)


@pytest.mark.parametrize(
    ("new", "reference"), [([3, 2], [900, 800]), ([0, 0], [50, 50]), ([70, 0], [90, 0])]
)
def test_what_is_too_little_is_not_tested(new, reference):
    found = categories.homogeneity(np.array(new), np.array(reference))
    assert (found.df, found.p) == (0, 1.0)


def test_psi_is_zero_for_equal_shares_and_finite_where_a_class_is_gone():
    assert categories.psi(np.array([10, 30]), np.array([20, 60])).sum() == pytest.approx(
        0, abs=1e-3
    )
    many = categories.psi(np.array([60_000, 40_000]), np.array([40_000, 60_000]))
    np.testing.assert_allclose(many, 0.2 * np.log(1.5), rtol=1e-4)
    gone = categories.psi(np.array([100, 0]), np.array([90, 10]))
    assert np.isfinite(gone).all()
    assert gone.sum() > 0.1


def test_classes_are_tested_one_by_one():
    new, reference = np.array([50, 150, 2]), np.array([100, 100, 1])
    found = categories.class_shares(new, reference)
    theirs = chi2_contingency([[50, 152], [100, 101]])
    assert found.p[0] == pytest.approx(theirs.pvalue)
    assert found.p[2] == 1  # too rare to tell
    assert found.new.tolist() == pytest.approx((new / 202).tolist())
    assert found.psi.sum() == pytest.approx(categories.psi(new, reference).sum())


def joint(wrong, n=400, n_classes=4):
    """Return a confident joint of which a number of each true class's labels are the next class."""
    counts = np.diag(np.full(n_classes, n) - wrong)
    counts[(np.arange(n_classes) + 1) % n_classes, np.arange(n_classes)] += wrong
    return counts


def test_noise_that_differs_is_found_where_it_differs():
    found = categories.noise_drift(joint(np.array([20, 20, 80, 20])), joint(np.full(4, 20)))
    assert found.test.p < 1e-6
    assert found.test.df == 4
    assert found.distances.tolist() == pytest.approx([0, 0, 60 / 400, 0])
    assert found.distance == pytest.approx(60 / 1600)
    assert type(found.distance) is float  # what is judged by it goes into a JSON file
    assert (found.p < 0.01).tolist() == [False, False, True, False]
    assert categories.noise_drift(joint(np.full(4, 20)), joint(np.full(4, 20))).test.p == 1


def test_noise_that_is_rare_in_every_class_is_tested_over_all_of_them():
    n_classes = 40
    new, reference = (joint(np.full(n_classes, k), 60, n_classes) for k in (4, 1))
    found = categories.noise_drift(new, reference)
    assert found.test.df == 1
    assert found.test.p < 1e-6
    assert found.distance == pytest.approx(3 / 60)
    assert set(found.p) == {1.0}  # no class by itself


def test_of_one_class_mantel_haenszel_is_chi_squared_less_one_row():
    new, reference = np.array([[47], [3]]), np.array([[49], [1]])
    square = [np.column_stack([of, np.zeros(2, np.int64)]) for of in (new, reference)]
    found = categories.noise_drift(*square).test
    theirs = chi2_contingency([[47, 3], [49, 1]], correction=False)
    assert found.statistic == pytest.approx(theirs.statistic * 99 / 100)


def test_rows_without_a_joint_are_not_tested():
    nothing = np.zeros((3, 3), np.int64)
    found = categories.noise_drift(nothing, nothing)
    assert (found.test.df, found.distance) == (0, 0.0)


def test_rows_of_one_text_are_worth_one_row():
    assert categories.effective(300, 100 * 9) == 100
    assert categories.effective(100, 100) == 100
    assert categories.effective(0, 0) == 0
