import numpy as np
import pytest

from lakewinnow.core.exact import product


@pytest.mark.parametrize(("n_classes", "n_features"), [(2, 3), (10, 129), (77, 257), (5, 1537)])
def test_a_row_has_the_same_product_whatever_batch_it_comes_in(n_classes, n_features):
    random = np.random.default_rng(n_features)
    coef = random.normal(size=(n_classes, n_features)).astype(np.float32)
    rows = random.normal(size=(300, n_features)).astype(np.float32)
    found = product(coef, rows)
    for n_rows in (1, 2, 3, 31, 100, 255):
        np.testing.assert_array_equal(product(coef, rows[:n_rows]), found[:, :n_rows])
    order = random.permutation(300)
    np.testing.assert_array_equal(product(coef, rows[order]), found[:, order])


def test_the_product_is_as_near_as_float32_is():
    random = np.random.default_rng(0)
    coef = random.normal(size=(10, 257)).astype(np.float32)
    rows = random.normal(size=(50, 257)).astype(np.float32)
    exact = coef.astype(np.float64) @ rows.T.astype(np.float64)
    np.testing.assert_allclose(product(coef, rows), exact, atol=1e-5, rtol=0)


def test_rows_of_zeros_and_of_what_is_no_number():
    coef = np.ones((2, 3), np.float32)
    rows = np.array([[0, 0, 0], [np.nan, 1, 1], [1, 2, 3]], np.float32)
    np.testing.assert_array_equal(product(coef, rows)[0], [0, np.nan, 6])


def test_one_great_number_leaves_the_other_models_alone():
    random = np.random.default_rng(0)
    coef, rows = random.normal(size=(3, 9)), random.normal(size=(5, 9)).astype(np.float32)
    coef[1, -1] = -1e30
    np.testing.assert_allclose(product(coef, rows)[0], coef[0] @ rows.T, atol=1e-5, rtol=0)
