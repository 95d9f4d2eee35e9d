import numpy as np
import pytest

from lakewinnow.core.logistic import subspace as module
from lakewinnow.core.logistic.subspace import Subspace

N_CLASSES, N_FEATURES = 3, 60


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(module, "NARROW", 50)
    monkeypatch.setattr(module, "RANK", 20)


def rows_in(n_directions, n_rows=500, tail=0.0, seed=0):
    """Rows that vary in few directions, and hardly in the others; the last column is 1."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((N_FEATURES - 1, N_FEATURES - 1)))[0]
    spread = np.where(np.arange(N_FEATURES - 1) < n_directions, 1.0, tail)
    rows = np.ones((n_rows, N_FEATURES), np.float32)
    rows[:, :-1] = (rng.standard_normal((n_rows, N_FEATURES - 1)) * spread) @ basis.T
    return rows


def penalty(size=N_FEATURES, seed=1):
    penalty = np.random.default_rng(seed).uniform(20, 40, size).astype(np.float32)
    penalty[-1] = 0
    return penalty


def lifted_inverse(subspace, of, curvature):
    """The inverse Hessian of one class, as a matrix."""
    matrix = curvature * subspace.moments + np.diag(subspace.penalty(of))
    inverse = np.linalg.inv(matrix).astype(np.float32)
    apply = subspace.lift(lambda gradient: gradient @ inverse, np.array([curvature]), of)
    return apply(np.eye(len(of), dtype=np.float32)[None])[0].astype(np.float64)


@pytest.mark.parametrize("times", [1.0, 2.0])
def test_it_is_exact_for_rows_that_lie_in_it(times):
    rows = rows_in(10)
    subspace = Subspace.of(rows, penalty(), N_CLASSES, 0.1)
    assert subspace.vectors.shape == (N_FEATURES, 20)
    moments = rows.T.astype(np.float64) @ rows / len(rows)
    hessian = 100 * moments + np.diag(times * penalty())
    # but for the penalty, which is even in its own metric alone
    found = np.linalg.eigvals(lifted_inverse(subspace, times * penalty(), 100.0) @ hessian).real
    np.testing.assert_allclose(found, 1, rtol=1e-2)


def test_what_lies_outside_counts_by_its_mean():
    rows = rows_in(10, tail=0.2)
    subspace = Subspace.of(rows, penalty(), N_CLASSES, 0.1)
    assert subspace.rest == pytest.approx(0.2**2 / 29, rel=0.3)
    hessian = 1e4 * rows.T.astype(np.float64) @ rows / len(rows) + np.diag(penalty())
    found = np.linalg.eigvals(lifted_inverse(subspace, penalty(), 1e4) @ hessian).real
    assert found.min() > 0
    assert found.max() < 10 * found.min()


@pytest.mark.parametrize("n_features", [40, 60])
def test_outliers_change_no_direction(n_features):
    rows = rows_in(59)[:, -n_features:]
    others = np.delete(rows, [3, 8], axis=0)
    expected = Subspace.of(others, penalty(n_features), N_CLASSES, 0.1)
    rows[3, 1], rows[8, 2] = 500, -1e6
    found = Subspace.of(rows, penalty(n_features), N_CLASSES, 0.1, far=np.array([3, 8]))
    np.testing.assert_allclose(found.moments, expected.moments, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("n_features", "weight", "max_bytes", "is_whole"),
    [
        (50, 0.1, 2**29, True),
        (51, 0.1, 2**29, False),
        (51, 100.0, 2**29, True),  # a single row's curvature is more than the penalty
        (51, 100.0, 4 * N_CLASSES * 50**2, False),
        (40, 0.1, 4 * N_CLASSES * 30**2, False),
    ],
)
def test_all_features_are_taken_where_they_matter_and_fit(
    monkeypatch, n_features, weight, max_bytes, is_whole
):
    monkeypatch.setattr(module, "MAX_BYTES", max_bytes)
    rows = rows_in(59)[:, -n_features:]
    subspace = Subspace.of(rows, penalty(n_features), N_CLASSES, weight)
    assert (subspace.vectors is None) == is_whole
    size = len(subspace.moments)
    assert 4 * N_CLASSES * size**2 <= max_bytes
    assert subspace.coordinates(rows).shape == (len(rows), size)


def test_fewer_rows_than_directions_are_all_in_it():
    rows = rows_in(59, n_rows=8)
    subspace = Subspace.of(rows, penalty(), N_CLASSES, 0.1)
    inside = subspace.coordinates(rows) @ subspace.vectors.T * subspace.root
    np.testing.assert_allclose(inside, rows, atol=1e-4)
    assert subspace.rest == pytest.approx(0, abs=1e-5)
