"""The models of a cross-validation: one per fold, and one on all rows that they start from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.lbfgs import Minimum, Preconditioner, Progress, minimise
from lakewinnow.core.parallel import run_all
from lakewinnow.core.preconditioner import (
    BLOCK_BYTES,
    class_blocks,
    contrasts,
    second_moments,
    shared,
    with_rows,
)
from lakewinnow.core.problem import Problem
from lakewinnow.core.softmax_regression import Float32Array, Objective, softmax
from lakewinnow.core.types import BoolArray, FloatArray

ROUGH: Final = 3e-3  # Newton decrement per row at which class blocks are worth their price
ROUGH_STEPS: Final = 30
OWN_CURVATURE: Final = 0.2  # of a row's weight, where its own class has a probability of 0.7
NEAR: Final = 1e-4  # the same where the folds start
NEAR_STEPS: Final = 100
STALE_STEPS: Final = 6  # blocks that need more to get there were made too far away
OWN_STEPS: Final = 25  # after which each fold gets its own blocks
SMALL: Final = 50_000_000  # F K D^3 at which own blocks cost next to nothing
MAX_COEFFICIENTS: Final = 3_000_000  # of models that take their steps together
Start: TypeAlias = tuple[Float32Array, Preconditioner]  # what `fit_all_rows` returns
UNKNOWN: Final = np.float32(-1e30)  # intercept of a class that a model does not know


def fit_all_rows(
    problem: Problem, start: Float32Array | None = None, moments: Float32Array | None = None
) -> Start:
    """Fit one model to all rows.

    Parameters
    ----------
    start : shape (K, 1, D), the coefficients at another C, if there are any
    moments : `second_moments` of the features, which no C changes, if they are known

    Returns
    -------
    coef : float32, shape (K, 1, D), near the optimum
    precondition : an approximation of the inverse Hessian there
    """
    objective = problem.objective([-1])
    features, [weights], [penalty] = objective.features, objective.weights, objective.penalty
    [mass] = objective.mass
    everything = np.ones((len(problem.classes), 1), np.bool_)
    if moments is None:
        moments = second_moments(features, problem.pool)

    def fit(start: Float32Array, curvature: Preconditioner, near: float, steps: int) -> Minimum:
        return minimise(
            objective,
            start,
            contrasts(curvature, everything),
            lambda progress: progress.decrement < near * mass,
            steps,
        )

    coef = start
    if coef is None:
        coef, rough = _origin(objective, moments)
        coef = fit(coef, rough, ROUGH, ROUGH_STEPS).coef
    for _ in range(2):
        blocks = class_blocks(features, weights, coef[:, 0], moments, penalty, pool=problem.pool)
        found = fit(coef, blocks, NEAR, NEAR_STEPS)
        coef = found.coef
        if found.n_steps <= STALE_STEPS:
            break
    return coef, blocks


def _origin(objective: Objective, moments: Float32Array) -> tuple[Float32Array, Preconditioner]:
    """Coefficients that predict each class by its share, and the curvature on the way on."""
    [weights], [penalty] = objective.weights, objective.penalty
    n_classes = objective.labels.max() + 1
    one_hot = objective.labels == np.arange(n_classes)[:, None]
    sums = (one_hot * weights) @ objective.features
    mass = sums[:, -1]
    coef = np.zeros((n_classes, 1, sums.shape[1]), np.float32)
    coef[:, 0, -1] = np.log(mass) - np.log(mass).mean()
    # at first all rows count alike for a class; later on, its own count most
    centroids = sums / mass[:, None]
    own = centroids * np.sqrt(OWN_CURVATURE * mass)[:, None]
    return coef, with_rows(shared(moments, mass * (1 - mass / mass.sum()), penalty), own[:, None])


def fit_in_turns(
    problem: Problem,
    folds: npt.NDArray[np.intp],
    tol: float,
    max_steps: int,
    start: Start | None = None,
) -> Iterator[tuple[npt.NDArray[np.intp], Minimum]]:
    """Fit the models of some folds, as many at once as memory allows.

    Parameters
    ----------
    folds : positions of folds whose models have classes to tell apart
    start : the model on all rows, if there is one

    Yields
    ------
    some of the folds, and their models, shape (K, F, D)
    """
    if not len(folds):
        return
    near, precondition = start or fit_all_rows(problem)
    at_once = max(1, MAX_COEFFICIENTS // near.size)
    for group in np.split(folds, range(at_once, len(folds), at_once)):
        yield group, fit_together(problem, group, near, precondition, tol, max_steps)


def fit_together(
    problem: Problem,
    folds: npt.NDArray[np.intp],
    start: Float32Array,
    precondition: Preconditioner,
    tol: float,
    max_steps: int,
) -> Minimum:
    """Fit the models of some folds together, from the one on all rows.

    They share its curvature. Where that leads to no end soon, because classes all but lie apart,
    each model gets its own, anew every so many steps. Where that costs next to nothing, it has its
    own from the start, and one that is made where the models have converged has to agree. The
    decrement found is per row.
    """
    objective, known = problem.objective(folds), problem.known[:, folds]
    if not known.all():
        start = contrasts(np.positive, known)(np.repeat(start, len(folds), axis=1))
        start[..., -1] += np.where(known, np.float32(0), UNKNOWN)
    n_features = start.shape[-1]
    own_fits = 4 * known.size * n_features**2 <= BLOCK_BYTES
    small = own_fits and known.size * n_features**3 <= SMALL
    if small:
        precondition = _own_blocks(objective, np.broadcast_to(start, (*known.shape, n_features)))
    own, n_steps = small, 0
    while True:
        limit = min(max_steps - n_steps, OWN_STEPS if own_fits else max_steps)
        found = minimise(
            objective,
            start,
            contrasts(precondition, known),
            lambda progress: _converged(problem, folds, objective, progress, tol),
            limit,
        )
        n_steps += found.n_steps
        solved = found.converged.all()
        agreed = solved and (found.n_steps == 0 or not small)
        gave_up = own and found.n_steps < limit and not solved
        if agreed or gave_up or n_steps == max_steps or not own_fits:
            return replace(found, decrement=found.decrement / _rows_of(objective), n_steps=n_steps)
        start, own = found.coef, True
        precondition = _own_blocks(objective, start)


def _own_blocks(objective: Objective, coef: Float32Array) -> Preconditioner:
    """Curvature of each model for itself."""
    moments = second_moments(objective.features, objective.pool)
    models = enumerate(zip(objective.weights, objective.penalty, strict=True))
    blocks = [
        class_blocks(objective.features, weights, coef[:, i], moments, penalty, pool=objective.pool)
        for i, (weights, penalty) in models
    ]
    return lambda gradient: np.concatenate(
        [apply(gradient[:, i : i + 1]) for i, apply in enumerate(blocks)], axis=1
    )


def _converged(
    problem: Problem,
    folds: npt.NDArray[np.intp],
    objective: Objective,
    progress: Progress,
    tol: float,
) -> BoolArray:
    done: BoolArray = progress.decrement <= tol**2 * _rows_of(objective)

    def move(model: int) -> float:
        coef, step = progress.coef[:, model], progress.step[:, model]
        before, after = (held_out(problem, folds[model], at) for at in (coef, coef + step))
        return float(np.abs(after - before).max())

    near = np.flatnonzero(done)
    moves = np.array(run_all(move, near.tolist(), problem.pool))
    done[near] = moves * progress.rate[near] / (1 - progress.rate[near]) <= tol
    return done


def _rows_of(objective: Objective) -> FloatArray:
    """Return what makes a decrement one per row, shape (F,)."""
    # a decrement bounds both the loss, which grows with C, and the penalty, which does not
    rows: FloatArray = np.minimum(objective.mass, np.count_nonzero(objective.weights, axis=1))
    return rows


def held_out(problem: Problem, fold: int, coef: Float32Array) -> Float32Array:
    """Probabilities of a fold's own rows, or of all rows if it has none, shape (K, rows)."""
    rows = problem.design.folds[fold]
    features = problem.design.features
    return softmax(coef @ (features[rows] if rows.start < rows.stop else features).T)
