"""The models of a cross-validation: one per fold, and one on all rows that they start from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.lbfgs import Minimum, Preconditioner, StepProgress, minimise
from lakewinnow.core.logistic.preconditioner import (
    class_blocks,
    inverse_of_scaled_moments,
    same_for_every_model,
    with_curvature_of_rows,
    without_mean_over_classes,
)
from lakewinnow.core.logistic.problem import Problem
from lakewinnow.core.logistic.softmax_regression import Float32Array, Objective, softmax
from lakewinnow.core.logistic.subspace import MAX_BYTES, Inverse, Subspace
from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import BoolArray, FloatArray

ROUGH: Final = 3e-3  # Newton decrement per row at which class blocks are worth their price
ROUGH_STEPS: Final = 30
ROUGH_ROWS: Final = 5  # a coefficient, that lead there
OWN_CURVATURE: Final = 0.2  # of a row's weight, where its own class has a probability of 0.7
NEAR: Final = 1e-4  # the same where the folds start
NEAR_STEPS: Final = 100
STALE_STEPS: Final = 6  # blocks that need more to get there were made too far away
OWN_STEPS: Final = 25  # after which each fold gets its own blocks
SMALL: Final = 50_000_000  # F K D^3 at which own blocks cost next to nothing
EXACT_ROWS: Final = 2  # of a class block: gathering them costs about as much as so many gradients
OWN_ROWS: Final = 2  # the same, a feature, of a fold's own block
MAX_COEFFICIENTS: Final = 3_000_000  # of models that take their steps together
Start: TypeAlias = tuple[Float32Array, Inverse]  # what `fit_all_rows` returns
UNKNOWN: Final = np.float32(-1e30)  # intercept of a class that a model does not know


def fit_all_rows(
    problem: Problem, start: Float32Array | None = None, subspace: Subspace | None = None
) -> Start:
    """Fit one model to all rows.

    Parameters
    ----------
    start : shape (K, 1, D), the coefficients at another C, if there are any
    subspace : that of another C, to make do with

    Returns
    -------
    coef : float32, shape (K, 1, D), near the optimum
    inverse : about that of the Hessian there
    """
    objective = problem.objective([-1])
    subspace = subspace or problem.subspace()
    [weights], [penalty], [mass] = objective.weights, objective.penalty, objective.mass
    n_features = len(penalty)
    n_exact = max(n_features, EXACT_ROWS * len(weights) * len(problem.design.folds) // n_features)
    coef = _leave_origin(objective, subspace) if start is None else start
    for _ in range(2):
        blocks = class_blocks(
            problem.design.features, weights, coef[:, 0], subspace, penalty, n_exact, problem.pool
        )
        found = _fit_one(objective, coef, blocks, NEAR * mass, NEAR_STEPS)
        coef = found.coef
        if found.n_steps <= STALE_STEPS:
            break
    return coef, blocks


def _fit_one(
    objective: Objective, start: Float32Array, inverse: Inverse, least: float, max_steps: int
) -> Minimum:
    """Fit the only model of an objective, until its decrement is small."""
    precondition = without_mean_over_classes(
        same_for_every_model(inverse), np.ones((len(start), 1), np.bool_)
    )
    return minimise(
        objective, start, 1, precondition, lambda progress, _: progress.decrement < least, max_steps
    )


def _fewer(objective: Objective, rows_per_class: int) -> Objective:
    """Return the only model of an objective on evenly spaced rows, if there are many more.

    The others' weight goes to them, class by class; every class keeps a row.
    """
    [weights], labels = objective.weights, objective.labels
    stride = np.count_nonzero(weights) // (rows_per_class * (labels.max() + 1))
    if stride < 2:
        return objective
    rows = np.flatnonzero(weights)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    counts = np.bincount(labels[rows])
    rows = rows[
        (np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)) % stride == 0
    ]
    factor = np.bincount(labels, weights) / np.bincount(labels[rows], weights[rows])
    return replace(
        objective,
        features=objective.features[rows],
        labels=labels[rows],
        weights=(weights[rows] * factor[labels[rows]]).astype(np.float32)[None],
    )


def _leave_origin(objective: Objective, subspace: Subspace) -> Float32Array:
    """Coefficients where class blocks are worth their price, shape (K, 1, D), from few rows."""
    few = _fewer(objective, ROUGH_ROWS * len(subspace.root))
    [weights], [penalty], [mass] = few.weights, few.penalty, few.mass
    one_hot = few.labels == np.arange(few.labels.max() + 1)[:, None]
    sums = (one_hot * weights) @ few.features
    of_classes = sums[:, -1]
    coef = np.zeros((len(sums), 1, sums.shape[1]), np.float32)
    coef[:, 0, -1] = np.log(of_classes) - np.log(of_classes).mean()  # each class by its share
    # at first all rows count alike for a class; later on, its own count most
    own = sums * np.sqrt(OWN_CURVATURE / of_classes)[:, None]
    curvature = of_classes * (1 - of_classes / mass)
    even = inverse_of_scaled_moments(subspace.moments, curvature, subspace.penalty(penalty))
    inverse = with_curvature_of_rows(even, subspace.coordinates(own)[:, None])
    inverse = subspace.lift(inverse, curvature, penalty)
    return _fit_one(few, coef, inverse, ROUGH * mass, ROUGH_STEPS).coef


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
    near, inverse = start or fit_all_rows(problem)
    at_once = max(1, MAX_COEFFICIENTS // near.size)
    for group in np.split(folds, range(at_once, len(folds), at_once)):
        yield group, fit_together(problem, group, near, inverse, tol, max_steps)


def fit_together(
    problem: Problem,
    folds: npt.NDArray[np.intp],
    start: Float32Array,
    inverse: Inverse,
    tol: float,
    max_steps: int,
) -> Minimum:
    """Fit the models of some folds together, from the one on all rows.

    They share its curvature. Where that leads to no end soon, because classes all but lie apart,
    each model gets its own, anew every so many steps. Where that costs next to nothing, or a column
    hardly varies for some model, it has its own from the start, and one that is made where the
    models have converged has to agree. The decrement found is per row.
    """
    objective, known = problem.objective(folds), problem.known[:, folds]
    if not known.all():
        start = np.repeat(start, len(folds), axis=1)
        start = without_mean_over_classes(same_for_every_model(np.positive), known)(
            start, np.arange(len(folds))
        )
        start[..., -1] += np.where(known, np.float32(0), UNKNOWN)
    varies = problem.design.varies[folds]
    if not varies.all():  # where a column does not, its coefficient is 0, to the last bit
        start = start * varies
    n_features = start.shape[-1]
    own_fits = 4 * known.size * n_features**2 <= MAX_BYTES
    own_first = own_fits and (known.size * n_features**3 <= SMALL or problem.design.is_uneven)
    precondition = same_for_every_model(inverse)
    if own_first:
        whole = np.broadcast_to(start, (*known.shape, n_features))
        precondition = _own_blocks(problem, folds, objective, whole)
    # a decrement bounds both the loss, which grows with C, and the penalty, which does not
    rows = np.minimum(objective.mass, np.count_nonzero(objective.weights, axis=1))
    own, solved, n_steps = own_first, False, 0
    while True:
        limit = min(max_steps - n_steps, OWN_STEPS if own_fits else max_steps)
        found = minimise(
            objective,
            start,
            len(folds),
            without_mean_over_classes(precondition, known),
            lambda progress, models: _converged(
                problem, folds[models], progress, tol, tol**2 * rows[models]
            ),
            limit,
        )
        n_steps += found.n_steps
        made_near, solved = solved, bool(found.converged.all())
        agreed = solved and (made_near or found.n_steps == 0 or not own_first)
        gave_up = own and found.n_steps < limit and not solved
        if agreed or gave_up or n_steps == max_steps or not own_fits:
            return replace(found, decrement=found.decrement / rows, n_steps=n_steps)
        start, own = found.coef, True
        precondition = _own_blocks(problem, folds, objective, start)


def _own_blocks(
    problem: Problem, folds: npt.NDArray[np.intp], objective: Objective, coef: Float32Array
) -> Preconditioner:
    """Curvature of each model for itself."""
    features, pool = objective.features, problem.pool
    n_exact = OWN_ROWS * features.shape[1]
    same = None if problem.design.is_uneven else problem.subspace()

    def block(i: int) -> Inverse:
        weights, penalty = objective.weights[i], objective.penalty[i]
        subspace = same or problem.subspace(folds[i])
        return class_blocks(features, weights, coef[:, i], subspace, penalty, n_exact, pool)

    blocks = [block(i) for i in range(len(folds))]
    return lambda gradient, models: np.concatenate(
        [blocks[model](gradient[:, i : i + 1]) for i, model in enumerate(models)], axis=1
    )


def _converged(
    problem: Problem,
    folds: npt.NDArray[np.intp],
    progress: StepProgress,
    tol: float,
    least: FloatArray,
) -> BoolArray:
    done: BoolArray = progress.decrement <= least

    def move(model: int) -> float:
        coef, step = progress.coef[:, model], progress.step[:, model]
        before, after = (held_out(problem, folds[model], at) for at in (coef, coef + step))
        return float(np.abs(after - before).max())

    near = np.flatnonzero(done)
    moves = np.array(run_all(move, near.tolist(), problem.pool))
    done[near] = moves * progress.rate[near] / (1 - progress.rate[near]) <= tol
    return done


def held_out(problem: Problem, fold: int, coef: Float32Array) -> Float32Array:
    """Probabilities of a fold's own rows, or of all rows if it has none, shape (K, rows)."""
    rows = problem.design.folds[fold]
    features = problem.design.features
    return softmax(coef @ (features[rows] if rows.start < rows.stop else features).T)
