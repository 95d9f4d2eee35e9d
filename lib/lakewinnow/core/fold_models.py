"""The models of a cross-validation: one per fold, and one on all rows that they start from."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.design import Design
from lakewinnow.core.lbfgs import Minimum, Preconditioner, Progress, minimise
from lakewinnow.core.preconditioner import (
    class_blocks,
    contrasts,
    second_moments,
    shared,
    with_rows,
)
from lakewinnow.core.softmax_regression import Float32Array, Objective, softmax
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[int, float] | npt.ArrayLike | None

ROUGH: Final = 3e-3  # Newton decrement per row at which class blocks are worth their price
ROUGH_STEPS: Final = 30
OWN_CURVATURE: Final = 0.2  # of a row's weight, where its own class has a probability of 0.7
NEAR: Final = 1e-4  # the same where the folds start
NEAR_STEPS: Final = 100
STALE_STEPS: Final = 6  # blocks that need more to get there were made too far away
UNKNOWN: Final = np.float32(-1e30)  # intercept of a class that a model does not know


@dataclass(frozen=True, eq=False)
class Problem:
    """What the models of all folds (F) and, last, that of all rows are fitted to.

    Attributes
    ----------
    design : rows ordered by fold, and the penalty for K > 2
    classes : those that have rows, shape (K,)
    labels : positions in `classes`, shape (n,)
    weights : float32, shape (F + 1, n), with C in them; 0 for the rows of the fold itself
    known : shape (K, F + 1), the classes of which a model has seen rows
    pool : where the work is done; the result is the same without
    """

    design: Design
    classes: IntArray
    labels: IntArray
    weights: Float32Array
    known: BoolArray
    pool: Executor | None

    @classmethod
    def of(
        cls,
        design: Design,
        labels: IntArray,
        sampled: FloatArray,
        n_classes: int,
        *,
        inverse_penalty: float,
        class_weight: ClassWeight,
        pool: Executor | None,
    ) -> Self:
        """Weigh the rows, and drop the classes that have none.

        Parameters
        ----------
        labels, sampled : shape (n,), in the order of the design
        inverse_penalty : scikit-learn's C

        Raises
        ------
        DataError : "nothing_to_train_on"
        """
        by_class = _class_weights(labels, sampled, design.folds, class_weight, n_classes)
        known = by_class > 0
        if not known.any(axis=1).all():
            raise DataError(
                "nothing_to_train_on",
                "folds",
                "rows of positive weight outside every fold",
                f"{len(labels)} rows in {len(design.folds)} folds",
            )
        weights = (inverse_penalty * sampled * by_class[:, labels]).astype(np.float32)
        for fold, rows in enumerate(design.folds):
            weights[fold, rows] = 0
        position = np.maximum(np.cumsum(known[-1]) - 1, 0)
        classes = np.flatnonzero(known[-1])
        return cls(design, classes, position[labels], weights, known[:, classes].T, pool)

    def at(self, factor: float) -> "Problem":
        """Return the same with C times a factor."""
        return replace(self, weights=self.weights * np.float32(factor))

    def objective(self, models: IntArray | list[int]) -> Objective:
        """Return what some of the models minimise."""
        # scikit-learn gives two classes one vector w where we have w/2 and -w/2
        twofold = np.where(self.known[:, models].sum(axis=0) == 2, 2, 1).astype(np.float32)
        penalty = self.design.penalty[models] * twofold[:, None]
        return Objective(
            self.design.features, self.labels, self.weights[models], penalty, self.pool
        )


def _class_weights(
    labels: IntArray,
    sampled: FloatArray,
    folds: Sequence[slice],
    class_weight: ClassWeight,
    n_classes: int,
) -> FloatArray:
    """Weight of every class in the model of each fold and, last, of all rows, shape (F + 1, K).

    It is 0 where a model's training rows have none of the class.
    """
    held = np.array([np.bincount(labels[rows], sampled[rows], n_classes) for rows in folds])
    # a sum over the others, not the total less its own: that would leave a trace of its rounding
    counts = np.vstack([1 - np.eye(len(folds)), np.ones(len(folds))]) @ held
    if isinstance(class_weight, str):
        average = counts.sum(axis=1) / np.maximum(np.count_nonzero(counts, axis=1), 1)
        return np.divide(average[:, None], counts, out=np.zeros_like(counts), where=counts > 0)
    given = np.ones(n_classes)
    if isinstance(class_weight, Mapping):
        given[list(class_weight)] = list(class_weight.values())
    elif class_weight is not None:
        given[:] = class_weight
    return np.where(counts > 0, given, 0)


def fit_all_rows(
    problem: Problem, start: Float32Array | None = None
) -> tuple[Float32Array, Preconditioner]:
    """Fit one model to all rows.

    Parameters
    ----------
    start : shape (K, 1, D), the coefficients at another C, if there are any

    Returns
    -------
    coef : float32, shape (K, 1, D), near the optimum
    precondition : an approximation of the inverse Hessian there
    """
    objective = problem.objective([-1])
    features, [weights], [penalty] = objective.features, objective.weights, objective.penalty
    [mass] = objective.mass
    everything = np.ones((len(problem.classes), 1), np.bool_)
    moments = second_moments(features)

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


def _origin(
    objective: Objective, moments: Float32Array
) -> tuple[Float32Array, Preconditioner]:
    """Coefficients that predict the share of each class, and the curvature on the way from there."""
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


def fit_folds(
    problem: Problem,
    folds: IntArray,
    start: Float32Array,
    precondition: Preconditioner,
    tol: float,
    max_steps: int,
) -> Minimum:
    """Fit the models of some folds together, from the one on all rows."""
    objective = problem.objective(folds)
    known = problem.known[:, folds]
    # the decrement bounds both the loss, which grows with C, and the penalty, which does not
    small = tol**2 * np.minimum(objective.mass, np.count_nonzero(objective.weights, axis=1))
    if not known.all():
        start = start * known[..., None]
        start[..., -1] += np.where(known, np.float32(0), UNKNOWN)

    def converged(progress: Progress) -> BoolArray:
        done = progress.decrement <= small
        for model in np.flatnonzero(done):
            coef, step = progress.coef[:, model], progress.step[:, model]
            before = held_out(problem, folds[model], coef)
            moved = np.abs(held_out(problem, folds[model], coef + step) - before).max()
            rate = progress.rate[model]
            done[model] = moved * rate / (1 - rate) <= tol
        return done

    return minimise(objective, start, contrasts(precondition, known), converged, max_steps)


def held_out(problem: Problem, fold: int, coef: Float32Array) -> Float32Array:
    """Probabilities of a fold's own rows, shape (K, rows)."""
    return softmax(coef @ problem.design.features[problem.design.folds[fold]].T)
