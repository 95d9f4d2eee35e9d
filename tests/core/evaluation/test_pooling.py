"""Several classifiers as one: weights from other folds, and the same sums in any order."""

import numpy as np
import pytest

from lakewinnow.core.evaluation.pooling import PoolState, grid

N_FOLDS, N_CLASSES = 4, 3


@pytest.fixture
def said():
    """Folds, labels, and what a good, a useless and a wrong classifier give the given label."""
    rng = np.random.default_rng(3)
    labels = rng.choice(N_CLASSES, 900, p=[0.8, 0.15, 0.05])
    good, useless = rng.beta(6, 2, 900), rng.beta(2, 2, 900)
    return rng.integers(N_FOLDS, size=900), labels, np.stack([good, useless, 1 - good], axis=1)


def state_of(said, n_members=3, rows=slice(None)):
    folds, labels, own = (of[rows] for of in said)
    points = grid(n_members)
    zero = PoolState.zero(N_FOLDS, N_CLASSES, len(points))
    return zero.update(folds, labels, own[:, :n_members], points), points


def balanced_loss(labels, probs):
    losses = -np.log(probs)
    return np.mean([losses[labels == k].mean() for k in range(N_CLASSES)])


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_a_grid_has_equal_weights_first_and_each_alone(n):
    points = grid(n)
    np.testing.assert_allclose(points.sum(axis=1), 1)
    np.testing.assert_array_equal(points[0], np.full(n, 1 / n))
    assert all((points == alone).all(axis=1).any() for alone in np.eye(n))
    assert len(points) <= 501


def test_losses_are_those_of_the_mean_with_classes_weighted_equally(said):
    state, points = state_of(said)
    pooled, (_, labels, own) = state.pooled(points), said
    assert pooled.average == pytest.approx(balanced_loss(labels, own.mean(axis=1)), abs=1e-6)
    for m in range(3):
        assert pooled.members[m] == pytest.approx(balanced_loss(labels, own[:, m]), abs=1e-6)
    assert pooled.stack < min(pooled.average, *pooled.members) + 1e-3
    assert (pooled.weights[:, 0] > 0.6).all()  # the good one


def test_labels_of_a_fold_have_no_say_in_its_weights(said):
    folds, labels, own = said
    before, points = state_of(said)
    turned = np.where((folds == 1)[:, np.newaxis], own[:, [2, 1, 0]], own)
    after, _ = state_of((folds, labels, turned))
    one, other = before.pooled(points).weights, after.pooled(points).weights
    np.testing.assert_array_equal(one[1], other[1])
    assert (one[[0, 2, 3]] != other[[0, 2, 3]]).any()


def test_any_split_in_any_order_gives_the_same_state(said):
    whole, _ = state_of(said)
    parts = [state_of(said, rows=slice(i, None, 7))[0] for i in (3, 0, 6, 1, 5, 2, 4)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    np.testing.assert_array_equal(merged.ticks, whole.ticks)
    np.testing.assert_array_equal(merged.counts, whole.counts)
