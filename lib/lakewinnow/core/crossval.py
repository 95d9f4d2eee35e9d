"""Out-of-sample probabilities from logistic regression, for little more than the price of one fit.

Every row is scored by a model that was trained on the other folds: scikit-learn's
``cross_val_predict(LogisticRegression(...), method="predict_proba")``, at its tight optimum. One
model is fitted to all rows first; the models of all folds then start from it, share its curvature
and take their steps together, in one matrix product for all of them. They run to convergence on
their own rows, so nothing of a row's own label is left beyond the tolerance.

Memory is ``4 n (D + 1)`` bytes for the features, at most 512 MiB for the preconditioner
(``4 K (D + 1)^2`` bytes below that) and ``120 F K (D + 1)`` bytes for the steps, where folds take
turns if that is above 480 MB. Scores are made and used in chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.confident_learning import check_labels
from lakewinnow.core.design import Design, make_design
from lakewinnow.core.lbfgs import Minimum, Preconditioner, minimise
from lakewinnow.core.preconditioner import class_blocks, contrasts, second_moments, shared
from lakewinnow.core.softmax_regression import Float32Array, Objective, softmax
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[int, float] | npt.ArrayLike | None

TOLERANCE: Final = 1e-3  # of a probability
MAX_STEPS: Final = 200
ROUGH: Final = 1e-3  # Newton decrement per row at which class blocks are worth their price
ROUGH_STEPS: Final = 30
NEAR: Final = 1e-5  # the same where the folds start
STALE_STEPS: Final = 6  # blocks that need more to get there were made too far away
MAX_COEFFICIENTS: Final = 4_000_000  # of models that take their steps together
UNKNOWN: Final = np.float32(-1e30)  # intercept of a class that a model does not know


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Out-of-sample probabilities, and how they came about.

    Attributes
    ----------
    pred_probs : float32, shape (n, K); exactly 0 for a class that a row's model has not seen
    converged : shape (n,), whether the row's model did; where not, the probabilities are rough
    n_steps : steps that the fold models took
    """

    pred_probs: Float32Array
    converged: BoolArray
    n_steps: int


def cross_val_predict(
    features: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    n_classes: int,
    *,
    C: float = 1.0,  # noqa: N803 (scikit-learn's name)
    class_weight: ClassWeight = "balanced",
    sample_weight: npt.ArrayLike | None = None,
    standardize: bool = False,
    tol: float = TOLERANCE,
    max_iter: int = MAX_STEPS,
) -> CrossValidation:
    """Score every row by a model of the other folds.

    Parameters
    ----------
    features : shape (n, D)
    labels : shape (n,), in 0 .. K-1
    folds : shape (n,), rows of one number are held out together
    n_classes : K; a class without rows has probability 0
    C : inverse regularisation strength, as in scikit-learn
    class_weight : "balanced" gives all classes of a fold's training rows the same total weight; or
        weights by class, 1 where a mapping has none
    sample_weight : shape (n,), at least 0; rows of weight 0 are scored, not learnt from
    standardize : scale columns to unit variance over a fold's training rows, as a pipeline of
        scikit-learn's StandardScaler and LogisticRegression does
    tol : a model has converged when its next step moves no held-out probability by more, and the
        Newton decrement per row is below its square; that step is then taken, too
    max_iter : most steps of the fold models

    Raises
    ------
    DataError : "label_out_of_range", "not_finite", "nothing_to_train_on"
    """
    check_labels(labels, n_classes)
    design = make_design(features, folds, standardize=standardize)
    sampled = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, float)
    problem = _Problem.of(
        design, labels[design.order], sampled[design.order], n_classes, C, class_weight
    )
    pred_probs = np.zeros((len(labels), n_classes), np.float32)
    converged = np.ones(len(labels), np.bool_)
    n_steps = 0
    certain = problem.known.sum(axis=0) == 1
    for fold in np.flatnonzero(certain[:-1]):
        [only] = problem.classes[problem.known[:, fold]]
        pred_probs[design.order[design.folds[fold]], only] = 1
    if not certain[-1]:
        start, precondition = _fit_all_rows(problem)
        uncertain = np.flatnonzero(~certain[:-1])
        at_once = max(1, MAX_COEFFICIENTS // start.size)
        for group in np.split(uncertain, range(at_once, len(uncertain), at_once)):
            found = _fit_folds(problem, group, start, precondition, tol, max_iter)
            n_steps = max(n_steps, found.n_steps)
            for model, fold in enumerate(group):
                rows = design.order[design.folds[fold]]
                probabilities = _held_out(problem, fold, found.coef[:, model])
                pred_probs[np.ix_(rows, problem.classes)] = probabilities.T
                converged[rows] = found.converged[model]
    return CrossValidation(pred_probs, converged, n_steps)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What the models of all folds (F) and, last, that of all rows are fitted to.

    Attributes
    ----------
    design : rows ordered by fold, and the penalty for K > 2
    classes : those that have rows, shape (K,)
    labels : positions in `classes`, shape (n,)
    weights : float32, shape (F + 1, n), with C in them; 0 for the rows of the fold itself
    known : shape (K, F + 1), the classes of which a model has seen rows
    """

    design: Design
    classes: IntArray
    labels: IntArray
    weights: Float32Array
    known: BoolArray

    @classmethod
    def of(
        cls,
        design: Design,
        labels: IntArray,
        sampled: FloatArray,
        n_classes: int,
        strength: float,
        class_weight: ClassWeight,
    ) -> "_Problem":
        by_class = _class_weights(labels, sampled, design.folds, class_weight, n_classes)
        known = by_class > 0
        if not known.any(axis=1).all():
            raise DataError(
                "nothing_to_train_on",
                "folds",
                "rows of positive weight outside every fold",
                f"{len(labels)} rows in {len(design.folds)} folds",
            )
        weights = (strength * sampled * by_class[:, labels]).astype(np.float32)
        for fold, rows in enumerate(design.folds):
            weights[fold, rows] = 0
        position = np.maximum(np.cumsum(known[-1]) - 1, 0)
        classes = np.flatnonzero(known[-1])
        return cls(design, classes, position[labels], weights, known[:, classes].T)

    def objective(self, models: IntArray | list[int]) -> Objective:
        # scikit-learn gives two classes one vector w where we have w/2 and -w/2
        twofold = np.where(self.known[:, models].sum(axis=0) == 2, 2, 1).astype(np.float32)
        penalty = self.design.penalty[models] * twofold[:, None]
        return Objective(self.design.features, self.labels, self.weights[models], penalty)


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


def _fit_all_rows(problem: _Problem) -> tuple[Float32Array, Preconditioner]:
    """Coefficients of one model on all rows, shape (K, 1, D), and its curvature there."""
    objective = problem.objective([-1])
    features, [weights], [penalty] = objective.features, objective.weights, objective.penalty
    [mass] = objective.mass
    n_classes = len(problem.classes)
    everything = np.ones((n_classes, 1), np.bool_)
    moments = second_moments(features)
    share = np.bincount(objective.labels, weights, n_classes) / mass
    coef = np.zeros((n_classes, 1, features.shape[1]), np.float32)
    coef[:, 0, -1] = np.log(share) - np.log(share).mean()
    rough = contrasts(shared(moments, mass * share * (1 - share), penalty), everything)
    coef = minimise(
        objective,
        coef,
        rough,
        lambda _coef, _step, decrement: decrement < ROUGH * mass,
        ROUGH_STEPS,
    ).coef
    for _ in range(2):
        blocks = class_blocks(features, weights, coef[:, 0], moments, penalty)
        near = minimise(
            objective,
            coef,
            contrasts(blocks, everything),
            lambda _coef, _step, decrement: decrement < NEAR * mass,
            MAX_STEPS,
        )
        coef = near.coef
        if near.n_steps <= STALE_STEPS:
            break
    return coef, blocks


def _fit_folds(
    problem: _Problem,
    folds: IntArray,
    start: Float32Array,
    precondition: Preconditioner,
    tol: float,
    max_steps: int,
) -> Minimum:
    """Fit the models of some folds together, from the one on all rows."""
    objective = problem.objective(folds)
    known = problem.known[:, folds]
    if not known.all():
        start = start * known[..., None]
        start[..., -1] += np.where(known, np.float32(0), UNKNOWN)

    def converged(coef: Float32Array, step: Float32Array, decrement: FloatArray) -> BoolArray:
        done = decrement <= tol**2 * objective.mass
        for model in np.flatnonzero(done):
            before = _held_out(problem, folds[model], coef[:, model])
            after = _held_out(problem, folds[model], coef[:, model] + step[:, model])
            done[model] = np.abs(after - before).max() <= tol
        return done

    return minimise(objective, start, contrasts(precondition, known), converged, max_steps)


def _held_out(problem: _Problem, fold: int, coef: Float32Array) -> Float32Array:
    """Probabilities of a fold's own rows, shape (K, rows)."""
    return softmax(coef @ problem.design.features[problem.design.folds[fold]].T)
