from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lakewinnow.core.logistic.preconditioner import (
    class_blocks,
    inverse_of_scaled_moments,
    invert,
    with_curvature_of_rows,
    without_mean_over_classes,
)
from lakewinnow.core.logistic.softmax_regression import softmax
from lakewinnow.core.logistic.subspace import Subspace


def spd(n_matrices, size, condition, seed=0):
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((n_matrices, size, size)))[0]
    return (q * np.geomspace(1, condition, size)) @ q.transpose(0, 2, 1)


@pytest.mark.parametrize("size", [1, 2, 24, 25, 67, 130])
def test_inverses(size):
    matrices = spd(3, size, 1000.0)
    inverses = invert(matrices.astype(np.float32))
    np.testing.assert_allclose(inverses @ matrices, np.tile(np.eye(size), (3, 1, 1)), atol=2e-3)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_matrix_that_float32_cannot_factor_still_gets_a_positive_definite_inverse(scale):
    rng = np.random.default_rng(0)
    half = rng.standard_normal((1, 70, 20))
    singular = (scale * half @ half.transpose(0, 2, 1)).astype(np.float32)
    inverse = invert(singular)[0]
    assert np.linalg.eigvalsh(inverse.astype(np.float64)).min() > 0


def rows_and_weights(n_rows=300, n_features=9, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_rows, n_features)).astype(np.float32)
    features[:, -1] = 1
    coef = rng.standard_normal((n_classes, n_features)).astype(np.float32)
    weights = rng.uniform(0, 2, n_rows).astype(np.float32)
    penalty = rng.uniform(0.5, 2, n_features).astype(np.float32)
    penalty[-1] = 0
    return features, weights, coef, penalty


def true_blocks(features, weights, coef, penalty):
    p = softmax(coef @ features.T).astype(np.float64)
    curvature = weights * p * (1 - p) * len(coef) / (len(coef) - 1)
    return np.einsum("nd,kn,ne->kde", features, curvature, features) + np.diag(penalty)


def eigenvalues(precondition, hessians):
    """Of the preconditioned Hessian of each class: all 1 if it is exact."""
    n_classes, size = hessians.shape[:2]
    identity = np.tile(np.eye(size, dtype=np.float32), (n_classes, 1, 1))
    return np.linalg.eigvals(precondition(identity) @ hessians).real


@pytest.mark.parametrize("n_exact", [18, 1000])
def test_class_blocks_are_exact_where_all_rows_are_taken(n_exact):
    features, weights, coef, penalty = rows_and_weights(n_rows=18)
    subspace = Subspace.of(features, penalty, 4, 1.0)
    blocks = class_blocks(features, weights, coef, subspace, penalty, n_exact)
    exact = eigenvalues(blocks, true_blocks(features, weights, coef, penalty))
    np.testing.assert_allclose(exact, 1, rtol=1e-3)


def test_class_blocks_are_close_where_a_few_rows_are_taken():
    features, weights, coef, penalty = rows_and_weights(n_rows=300)
    subspace = Subspace.of(features, penalty, 4, 1.0)
    blocks = class_blocks(features, weights, coef, subspace, penalty, 18)
    close = eigenvalues(blocks, true_blocks(features, weights, coef, penalty))
    assert close.max() < 10 * close.min()


def test_an_outlier_is_no_part_of_the_mean():
    features, weights, coef, penalty = rows_and_weights(n_rows=300)
    features = features.clip(-2, 2)
    features[5, 2] = 100
    weights[5] = 0  # held out
    features[:, 2] /= features[:, 2].std()
    subspace = Subspace.of(features, penalty, 4, 1.0, far=np.array([5]))
    blocks = class_blocks(features, weights, coef, subspace, penalty, 18)
    close = eigenvalues(blocks, true_blocks(features, weights, coef, penalty))
    assert close.max() < 10 * close.min()


@pytest.mark.parametrize("max_bytes", [1, 2000, 20_000])
def test_beyond_their_memory_blocks_are_those_of_a_subspace(monkeypatch, max_bytes):
    monkeypatch.setattr("lakewinnow.core.logistic.subspace.MAX_BYTES", max_bytes)
    features, weights, coef, penalty = rows_and_weights(n_features=40)
    subspace = Subspace.of(features, penalty, 4, 1.0)
    assert 16 * len(subspace.moments) ** 2 <= max(max_bytes, 64)
    blocks = class_blocks(features, weights, coef, subspace, penalty, 80)
    found = eigenvalues(blocks, true_blocks(features, weights, coef, penalty))
    assert found.min() > 0
    assert found.max() < 100 * found.min()


def test_threads_change_no_block(monkeypatch):
    monkeypatch.setattr("lakewinnow.core.logistic.preconditioner.INVERTED_AT_ONCE", 1)
    features, weights, coef, penalty = rows_and_weights()
    subspace = Subspace.of(features, penalty, 4, 1.0)
    gradient = np.random.default_rng(1).standard_normal((4, 2, 9)).astype(np.float32)
    with ThreadPoolExecutor(3) as pool:
        threads = class_blocks(features, weights, coef, subspace, penalty, 18, pool)
    one = class_blocks(features, weights, coef, subspace, penalty, 18)
    np.testing.assert_array_equal(threads(gradient), one(gradient))


def test_rows_add_their_curvature():
    moments = spd(1, 9, 10.0)[0].astype(np.float32)
    penalty = np.ones(9, np.float32)
    rows = np.random.default_rng(2).standard_normal((2, 3, 9)).astype(np.float32)
    curvature = np.array([4.0, 64.0])
    added = with_curvature_of_rows(inverse_of_scaled_moments(moments, curvature, penalty), rows)
    hessians = curvature[:, None, None] * moments + np.eye(9) + rows.transpose(0, 2, 1) @ rows
    np.testing.assert_allclose(eigenvalues(added, hessians), 1, rtol=1e-3)


def test_directions_are_contrasts_between_known_classes():
    known = np.array([[True, True], [True, False], [True, True]])
    gradient = np.random.default_rng(3).standard_normal((3, 2, 5)).astype(np.float32)
    keep = without_mean_over_classes(lambda gradient, _: gradient.copy(), known)
    direction = keep(gradient, np.arange(2))
    np.testing.assert_array_equal(keep(gradient[:, 1:], np.array([1])), direction[:, 1:])
    np.testing.assert_allclose(direction.sum(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(direction[1, 1], 0)
    assert np.abs(direction[[0, 2], 1]).min() > 0
