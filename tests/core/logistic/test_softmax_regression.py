from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from lakewinnow.core.logistic import softmax_regression
from lakewinnow.core.logistic.softmax_regression import Objective, softmax

MODELS = np.arange(3)


def problem(n_rows=40, n_features=6, n_classes=4, n_models=3, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_rows, n_features)).astype(np.float32)
    features[:, -1] = 1
    labels = rng.integers(0, n_classes, n_rows)
    weights = rng.uniform(0, 2, (n_models, n_rows)).astype(np.float32)
    weights[np.arange(n_rows) % n_models, np.arange(n_rows)] = 0
    penalty = rng.uniform(0.5, 2, (n_models, n_features)).astype(np.float32)
    penalty[:, -1] = 0
    coef = rng.standard_normal((n_classes, n_models, n_features)).astype(np.float32)
    return Objective(features, labels, weights, penalty), coef


def plain_loss(objective, coef):
    """One row, one model at a time."""
    loss = np.zeros(coef.shape[1])
    for model in range(coef.shape[1]):
        for row, label, weight in zip(
            objective.features, objective.labels, objective.weights[model], strict=True
        ):
            scores = coef[:, model].astype(np.float64) @ row
            loss[model] += weight * (np.log(np.exp(scores).sum()) - scores[label])
        loss[model] += 0.5 * (objective.penalty[model] * coef[:, model] ** 2.0).sum()
    return loss


def test_the_loss_is_that_of_a_plain_loop_and_the_gradient_its_slope():
    objective, coef = problem()
    loss, gradient = objective(coef, MODELS)
    np.testing.assert_allclose(loss, plain_loss(objective, coef), rtol=1e-6)
    step = 1e-4 * np.random.default_rng(1).standard_normal(coef.shape)
    up, down = plain_loss(objective, coef + step), plain_loss(objective, coef - step)
    slope = np.einsum("kfd,kfd->f", gradient, 2 * step)
    np.testing.assert_allclose(up - down, slope, rtol=1e-4, atol=1e-6)


def test_models_with_the_same_coefficients_can_share_them():
    objective, coef = problem()
    shared = coef[:, :1]
    loss, gradient = objective(shared, MODELS)
    loss_each, gradient_each = objective(np.repeat(shared, coef.shape[1], axis=1), MODELS)
    np.testing.assert_allclose(loss, loss_each, rtol=1e-6)
    np.testing.assert_allclose(gradient, gradient_each, rtol=1e-4, atol=1e-4)


def test_some_of_the_models_are_as_among_all():
    objective, coef = problem()
    loss, gradient = objective(coef, MODELS)
    some = np.array([2, 0])
    loss_some, gradient_some = objective(coef[:, some], some)
    np.testing.assert_allclose(loss_some, loss[some], rtol=1e-6)
    np.testing.assert_allclose(gradient_some, gradient[:, some], rtol=1e-4, atol=1e-4)


def test_chunks_and_threads_change_nothing(monkeypatch):
    objective, coef = problem(n_rows=500)
    loss, gradient = objective(coef, MODELS)
    monkeypatch.setattr(softmax_regression, "CHUNK_SCORES", 1)
    monkeypatch.setattr(softmax_regression, "MIN_CHUNK_ROWS", 30)
    loss_chunks, gradient_chunks = objective(coef, MODELS)
    np.testing.assert_allclose(loss_chunks, loss, rtol=1e-6)
    np.testing.assert_allclose(gradient_chunks, gradient, rtol=1e-4, atol=1e-3)
    with ThreadPoolExecutor(3) as pool:
        loss_threads, gradient_threads = replace(objective, pool=pool)(coef, MODELS)
    np.testing.assert_array_equal(loss_threads, loss_chunks)
    np.testing.assert_array_equal(gradient_threads, gradient_chunks)


def test_large_scores_have_a_loss():
    objective, coef = problem()
    margins = [
        objective.features @ (coef[label] - coef[other]).T
        for label in range(4)
        for other in range(4)
    ]
    loss, gradient = objective(300 * coef, MODELS)
    assert 300 * np.max(margins) > 100  # whose exponential float32 does not hold
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    # far out the loss is the margin by which the best other class wins
    scores = 300 * np.einsum("kfd,nd->nfk", coef.astype(np.float64), objective.features)
    lost = scores.max(axis=2) - scores[np.arange(40), :, objective.labels]
    squares = 0.5 * (objective.penalty * (300 * coef.astype(np.float64)) ** 2).sum(axis=(0, 2))
    expected = (objective.weights.T * lost).sum(axis=0) + squares
    np.testing.assert_allclose(loss, expected, rtol=1e-3)


def test_rows_of_weight_zero_have_no_say():
    objective, coef = problem()
    held = objective.weights[0] == 0
    labels = np.where(held, (objective.labels + 1) % len(coef), objective.labels)
    loss, gradient = objective(coef, MODELS)
    loss_other, gradient_other = replace(objective, labels=labels)(coef, MODELS)
    assert loss_other[0] == pytest.approx(loss[0], rel=1e-12)
    np.testing.assert_array_equal(gradient_other[:, 0], gradient[:, 0])
    assert abs(loss_other[1] - loss[1]) > 0.1  # the other models do train on them


def test_scores_of_any_size_have_a_softmax():
    scores = np.array([[1000.0, -1e30, 0.0], [999.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(
        softmax(scores), [[0.7310586, 0, 0.5], [0.2689414, 1, 0.5]], rtol=1e-6
    )


@pytest.mark.parametrize("n_classes", [1, 2, 7, 8, 9, 50, 1000])
def test_a_row_has_the_same_probabilities_whatever_batch_it_comes_in(n_classes):
    scores = np.random.default_rng(n_classes).normal(0, 3, (n_classes, 100)).astype(np.float32)
    found = softmax(scores.copy())
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    for n_rows in (1, 2, 3, 8, 17, 64):
        for start in range(0, 100 - n_rows, n_rows):
            rows = slice(start, start + n_rows)
            np.testing.assert_array_equal(softmax(scores[:, rows].copy()), found[:, rows])
