"""How strong the regularisation of a logistic regression should be."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.design import make_design
from lakewinnow.core.fold_models import fit_all_rows, fit_together, held_out
from lakewinnow.core.parallel import workers
from lakewinnow.core.problem import ClassWeight, Problem
from lakewinnow.core.softmax_regression import Float32Array

GRID: Final = (0.1, 1.0, 10.0, 100.0)  # of C
FIRST: Final = 1  # of the grid
N_FOLDS: Final = 3  # that C is chosen on
TOLERANCE: Final = 0.02  # of a probability: enough for a mean log loss
MAX_STEPS: Final = 50
LEAST_PROBABILITY: Final = 1e-7  # that counts in a log loss; about float32's resolution


@dataclass(frozen=True)
class Strength:
    """The C that was chosen, and by what.

    Attributes
    ----------
    C : of the least loss
    losses : class-balanced log loss of held-out rows, by C, in the order tried
    """

    C: float
    losses: dict[float, float]


def choose_strength(
    features: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    n_classes: int,
    *,
    class_weight: ClassWeight = "balanced",
    sample_weight: npt.ArrayLike | None = None,
    standardize: bool = False,
    n_threads: int = 1,
) -> Strength:
    """Choose C by the log loss of the rows of three folds, averaged class by class.

    Up from 1 while that makes it smaller, or else down; each fit starts from the last one. The
    parameters are those of `cross_val_predict`, and it takes about as long.

    Raises
    ------
    DataError : "label_out_of_range", "not_finite", "bad_weight", "nothing_to_train_on"
    """
    design = make_design(features, folds, standardize=standardize)
    with workers(n_threads, design.work(n_classes)) as pool:
        problem = Problem.of(
            design,
            labels,
            n_classes,
            inverse_penalty=1.0,
            class_weight=class_weight,
            sample_weight=sample_weight,
            pool=pool,
        )
        return climb(problem)[0]


def climb(problem: Problem) -> tuple[Strength, Float32Array | None]:
    """Choose C for a problem whose C is 1.

    Returns
    -------
    the choice, and the coefficients of the model on all rows there, shape (K, 1, D)
    """
    if not len(problem.uncertain):
        return Strength(GRID[FIRST], {}), None
    coefs: dict[int, Float32Array] = {}
    losses: dict[int, float] = {}
    best = FIRST
    losses[best], coefs[best] = _held_out_loss(problem.at(GRID[best]), None)
    for direction in (1, -1):
        while 0 <= (there := best + direction) < len(GRID):
            if there not in losses:
                start = coefs[best]
                losses[there], coefs[there] = _held_out_loss(problem.at(GRID[there]), start)
            if losses[there] >= losses[best]:
                break
            best = there
    chosen = Strength(GRID[best], {GRID[place]: loss for place, loss in losses.items()})
    return chosen, coefs[best]


def _held_out_loss(problem: Problem, start: Float32Array | None) -> tuple[float, Float32Array]:
    """Class-balanced log loss, and the coefficients of the model on all rows."""
    coef, precondition = fit_all_rows(problem, start)
    folds = problem.uncertain[:N_FOLDS]
    found = fit_together(problem, folds, coef, precondition, TOLERANCE, MAX_STEPS)
    lost, weight = np.zeros((2, len(problem.classes)))
    for model, fold in enumerate(folds):
        rows = problem.design.folds[fold]
        labels = problem.labels[rows]
        own = held_out(problem, fold, found.coef[:, model])[labels, np.arange(len(labels))]
        # a class that the model has not seen says nothing about C
        counted = problem.weights[-1, rows] * problem.known[labels, fold]
        np.add.at(weight, labels, counted)
        np.add.at(lost, labels, -np.log(np.maximum(own, LEAST_PROBABILITY)) * counted)
    seen = weight > 0
    return float(np.mean(lost[seen] / weight[seen])), coef
