import cleanlab.filter
import numpy as np
import pytest

from lakewinnow.core.selection.pruning import class_needs, noise_rate_needs, prune_counts
from lakewinnow.errors import ConfigError


@pytest.mark.parametrize("frac_noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("least", [0, 1, 5, 10, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_prune_counts_are_cleanlabs(seed, least, frac_noise):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 30))
    cj = rng.poisson(rng.choice([0.5, 5.0]), (k, k)) + np.diag(rng.poisson(10, k))
    expected = cleanlab.filter._keep_at_least_n_per_class(cj.T, least, frac_noise=frac_noise)
    ours = prune_counts(cj, min_examples_per_class=least, frac_noise=frac_noise)
    np.testing.assert_array_equal(ours, expected)
    in_fortran_order = prune_counts(
        np.asfortranarray(cj), min_examples_per_class=least, frac_noise=frac_noise
    )
    np.testing.assert_array_equal(in_fortran_order, expected)


def test_truncation_and_the_empty_diagonal_are_reproduced():
    cj = np.array([[2, 5, 5], [0, 9, 0], [0, 0, 9]])  # class 0 is to keep 5 rows
    np.testing.assert_array_equal(prune_counts(cj, min_examples_per_class=5)[:, 0], [5, 3, 3])
    cj = np.array([[0, 4, 4], [0, 9, 0], [0, 0, 9]])
    np.testing.assert_array_equal(prune_counts(cj, min_examples_per_class=3)[:, 0], [3, 1, 1])


COUNTS = np.array([10, 3, 1])
MATRIX = np.array([[6, 2, 1], [3, 1, 0], [20, 0, 0]])  # rows = true label


def test_no_more_rows_are_needed_than_a_class_has():
    expected = [[0, 3, 10], [2, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(noise_rate_needs(MATRIX, COUNTS, 1), expected)
    np.testing.assert_array_equal(class_needs(MATRIX, COUNTS, 1), [4, 2, 0])


def test_small_classes_are_left_alone():
    expected = [[0, 3, 10], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(noise_rate_needs(MATRIX, COUNTS, 3), expected)
    np.testing.assert_array_equal(class_needs(MATRIX, COUNTS, 3), [4, 0, 0])
    # of one row too, even if none has to stay
    assert noise_rate_needs(MATRIX, COUNTS, 0)[2].sum() == 0


def test_the_number_to_remove_replaces_the_estimate():
    np.testing.assert_array_equal(class_needs(MATRIX, COUNTS, 1, (0, 9, 1)), [0, 3, 0])


@pytest.mark.parametrize(
    ("numbers", "code"), [((1, 2), "wrong_length"), ((1, -2, 3), "out_of_range")]
)
def test_impossible_numbers_to_remove_are_refused(numbers, code):
    with pytest.raises(ConfigError) as error:
        class_needs(MATRIX, COUNTS, 1, numbers)
    assert error.value.code == code
    assert error.value.where == "label_issues.num_to_remove_per_class"
