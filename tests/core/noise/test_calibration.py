"""Calibration: the temperature and the training prior of least class-balanced log loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from core.generate import corpus
from lakewinnow.core.noise.calibration import GRID, Calibration, LossState, prior_of


def state_of(labels, pred_probs, priors):
    state = LossState.zero(*np.shape(priors))
    return state.update(np.asarray(labels), pred_probs, np.asarray(priors))


def uniform(n_classes):
    return np.full((1, n_classes), 1 / n_classes)


def balanced_loss(labels, probs):
    """Mean over classes of the mean -ln of the given label's probability."""
    own = -np.log(probs[np.arange(len(labels)), labels])
    return np.mean([own[labels == k].mean() for k in np.unique(labels)])


def skewed(seed, shares=(0.7, 0.2, 0.1), n_rows=4000, sharpness=2.0):
    """Return labels of skewed classes, and Bayes' probabilities with every class as frequent."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(shares), n_rows, p=shares)
    seen = rng.normal(size=(n_rows, len(shares)))
    seen[np.arange(n_rows), labels] += sharpness
    likelihood = np.exp(seen * sharpness)  # of unit normals, up to what all classes share
    return labels, likelihood / likelihood.sum(axis=1, keepdims=True)


def with_prior(balanced, prior):
    """Return what a classifier says that learnt from classes of these shares."""
    weighted = balanced * prior
    return weighted / weighted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(6))
def test_sums_are_the_losses_of_tempered_probabilities(seed):
    labels, pred_probs, _ = corpus(seed, kind="continuous")
    k = pred_probs.shape[1]
    priors = np.vstack([uniform(k), prior_of(np.bincount(labels, minlength=k))])
    losses = state_of(labels, pred_probs, priors).balanced_losses()
    for prior, row in zip(priors, losses, strict=True):
        expected = [
            balanced_loss(labels, Calibration(1 / beta, prior).apply(pred_probs)) for beta in GRID
        ]
        in_reach = np.array(expected) < 30  # of more, the clip at 2^-52 takes a part
        np.testing.assert_allclose(row[in_reach], np.array(expected)[in_reach], rtol=1e-6)


@pytest.mark.parametrize("sharpening", [0.2, 0.5, 1.0, 1.3, 3.0, 6.0])
def test_the_temperature_is_that_of_the_least_balanced_loss(sharpening):
    labels, balanced = skewed(1)
    sharpened = Calibration(1 / sharpening, uniform(3)[0]).apply(balanced)
    found = state_of(labels, sharpened, uniform(3)).best(uniform(3)).temperature

    def loss_at(log_beta):
        tempered = Calibration(float(np.exp(-log_beta)), uniform(3)[0]).apply(sharpened)
        return balanced_loss(labels, tempered)

    best = minimize_scalar(loss_at, bounds=(-2.0, 2.0))
    assert found == pytest.approx(np.exp(-best.x), rel=0.01)
    assert loss_at(-np.log(found)) == pytest.approx(best.fun, rel=1e-4)


def test_probabilities_that_are_right_are_left_alone():
    labels, balanced = skewed(2, n_rows=20_000)
    found = state_of(labels, balanced, uniform(3)).best(uniform(3))
    assert found.temperature == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("is_balanced", [True, False])
def test_the_training_prior_is_the_one_that_is_in_the_probabilities(is_balanced):
    labels, balanced = skewed(3)
    shares = prior_of(np.bincount(labels))
    priors = np.vstack([uniform(3), shares])
    pred_probs = balanced if is_balanced else with_prior(balanced, shares)
    found = state_of(labels, pred_probs, priors).best(priors)
    np.testing.assert_array_equal(found.training_prior, uniform(3)[0] if is_balanced else shares)


def test_a_training_prior_is_taken_out():
    _, balanced = skewed(4)
    prior = np.array([0.7, 0.2, 0.1])
    found = Calibration(1.0, prior).apply(with_prior(balanced, prior))
    np.testing.assert_allclose(found, balanced, rtol=1e-12)


def test_no_calibration_changes_nothing():
    _, pred_probs, _ = corpus(0, kind="continuous")
    found = Calibration.none(pred_probs.shape[1]).apply(pred_probs)
    np.testing.assert_allclose(found, pred_probs, rtol=1e-12)


def test_a_loss_that_falls_to_the_end_of_the_grid_ends_there():
    rows = np.array([[0.1, 0.9], [0.9, 0.1]])  # always wrong: the less sure the better
    assert state_of([0, 1], rows, uniform(2)).best(uniform(2)).temperature == 1 / GRID[0]


def test_confidence_that_costs_nothing_is_left_alone():
    rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert state_of([0, 1], rows, uniform(2)).best(uniform(2)).temperature == 1.0


def test_an_empty_class_is_one_row_in_the_prior_and_none_in_the_loss():
    np.testing.assert_allclose(prior_of(np.array([3, 0])), [0.75, 0.25])
    half = np.array([[0.5, 0.5, 0.0]] * 2)
    losses = state_of([0, 1], half, uniform(3)).balanced_losses()
    np.testing.assert_allclose(losses, np.log(2), rtol=1e-6)


@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_state(n_blocks, random):
    labels, pred_probs, _ = corpus(3)
    k = pred_probs.shape[1]
    priors = np.vstack([uniform(k), prior_of(np.bincount(labels, minlength=k))])
    order = list(range(len(labels)))
    random.shuffle(order)
    whole = state_of(labels, pred_probs, priors)
    merged = LossState.zero(2, k)
    for rows in np.array_split(np.array(order), n_blocks):
        merged = merged.merge(state_of(labels[rows], pred_probs[rows], priors))
    np.testing.assert_array_equal(merged.ticks, whole.ticks)
    np.testing.assert_array_equal(merged.counts, whole.counts)


def test_many_classes_are_added_up_in_pieces_as_at_once():
    labels, pred_probs, _ = corpus(1, n_classes=50, n_rows=1500, kind="continuous")
    one_by_one = LossState.zero(1, 50)
    for row in range(0, 1500, 7):
        rows = slice(row, row + 7)
        one_by_one = one_by_one.update(labels[rows], pred_probs[rows], uniform(50))
    np.testing.assert_array_equal(one_by_one.ticks, state_of(labels, pred_probs, uniform(50)).ticks)
