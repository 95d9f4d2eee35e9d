"""How strong the regularisation of a logistic regression should be."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.design import make_design
from lakewinnow.core.logistic.fold_models import Start, fit_all_rows, fit_together, held_out
from lakewinnow.core.logistic.preconditioner import same_for_every_model, without_mean_over_classes
from lakewinnow.core.logistic.problem import ClassWeight, Problem, opened
from lakewinnow.core.logistic.softmax_regression import Float32Array
from lakewinnow.core.logistic.subspace import Inverse, Subspace
from lakewinnow.core.types import FloatArray, IntArray

GRID: Final = (0.1, 1.0, 10.0, 100.0)  # of C
FIRST: Final = 1  # of the grid
N_FOLDS: Final = 3  # that C is chosen on
TOLERANCE: Final = 0.02  # of a probability: enough for a mean log loss
MAX_STEPS: Final = 50
AHEAD: Final = 0.1  # of log C, to see on which side of 1 the loss is less
SIGNIFICANT: Final = 2.0  # standard errors
LEAST_PROBABILITY: Final = 1e-7  # that counts in a log loss; about float32's resolution


@dataclass(frozen=True)
class Strength:
    """The C that was chosen, and by what."""

    C: float  # of the least loss, as far as it can be told from that of 1
    losses: dict[float, float]  # class-balanced log loss of held-out rows, by C, in the order tried


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

    From 1 to the side on which it gets smaller, as long as it does by more than chance, so that few
    rows keep 1. Each fit starts from the last one. The parameters are those of `cross_val_predict`,
    and it takes about as long.
    """
    design = make_design(features, folds, standardize=standardize)
    weights = class_weight, sample_weight
    with opened(design, labels, n_classes, 1.0, *weights, n_threads) as problem:
        return climb(problem)[0]


def climb(problem: Problem) -> tuple[Strength, Start | None]:
    """Choose C for a problem whose C is 1.

    Returns
    -------
    the choice, and where the fit at that C may start
    """
    if not len(problem.uncertain):
        return Strength(GRID[FIRST], {}), None
    subspace = problem.subspace()  # good enough to compare by at any C
    best, (coef, start) = FIRST, _fit(problem, None, subspace)
    held_out_rows = _losses(problem, coef)
    losses = {GRID[FIRST]: held_out_rows.mean()}
    ahead = _losses(problem, coef + AHEAD * _change(problem, coef, start[1]))
    side = 1 if ahead.mean() < held_out_rows.mean() else -1
    while 0 <= (there := best + side) < len(GRID):
        at_there = problem.at(GRID[there])
        coef, start_there = _fit(at_there, start[0], subspace)
        rows_there = _losses(at_there, coef)
        losses[GRID[there]] = rows_there.mean()
        if not rows_there.is_less_than(held_out_rows):
            break
        best, held_out_rows, start = there, rows_there, start_there
    chosen = problem.at(GRID[best])
    if not chosen.fits(subspace):
        start = fit_all_rows(chosen, start[0])
    return Strength(GRID[best], losses), start


@dataclass(frozen=True, eq=False)
class _HeldOut:
    """Log losses of rows that were held out."""

    loss: FloatArray  # float64, shape (n,)
    label: IntArray  # int64, shape (n,)
    weight: FloatArray  # float64, shape (n,), 0 for a row that says nothing about C

    def mean(self) -> float:
        """Mean over the classes of a class's mean."""
        return float(self._class_means(self.loss).mean())

    def is_less_than(self, other: "_HeldOut") -> bool:
        """Whether the mean is less by more than chance: twice its standard error, row by row."""
        difference = self.loss - other.loss
        means = self._class_means(difference)
        present, place = np.unique(self.label[self.weight > 0], return_inverse=True)
        of_rows, weight = difference[self.weight > 0], self.weight[self.weight > 0]
        total = np.bincount(place, weight)
        spread = np.bincount(place, (weight * (of_rows - means[place])) ** 2) / total**2
        return bool(means.mean() < -SIGNIFICANT * np.sqrt(spread.sum()) / len(present))

    def _class_means(self, values: FloatArray) -> FloatArray:
        lost, weight = np.bincount(self.label, self.weight * values), self._mass
        return lost[weight > 0] / weight[weight > 0]

    @property
    def _mass(self) -> FloatArray:
        return np.bincount(self.label, self.weight).astype(np.float64)


def _fit(
    problem: Problem, start: Float32Array | None, subspace: Subspace
) -> tuple[Float32Array, Start]:
    """Models of the folds that C is chosen on, and the model on all rows with its curvature."""
    found = fit_all_rows(problem, start, subspace)
    return fit_together(problem, _folds(problem), *found, TOLERANCE, MAX_STEPS).coef, found


def _change(problem: Problem, coef: Float32Array, inverse: Inverse) -> Float32Array:
    """Return the derivative of the models' coefficients by log C, about.

    At the optimum ``C * grad loss + penalty * coef`` is 0 for every C.
    """
    folds = _folds(problem)
    precondition = without_mean_over_classes(same_for_every_model(inverse), problem.known[:, folds])
    return precondition(problem.objective(folds).penalty * coef, np.arange(len(folds)))


def _losses(problem: Problem, coef: Float32Array) -> _HeldOut:
    """Log losses of the rows that the models have not seen."""
    losses, labels, weights = [], [], []
    for model, fold in enumerate(_folds(problem)):
        rows = problem.design.folds[fold]
        of_fold = problem.labels[rows]
        own = held_out(problem, fold, coef[:, model])[of_fold, np.arange(len(of_fold))]
        losses.append(-np.log(np.maximum(own, LEAST_PROBABILITY), dtype=np.float64))
        labels.append(of_fold)
        # a class that the model has not seen says nothing about C
        weights.append(problem.weights[-1, rows] * problem.known[of_fold, fold])
    return _HeldOut(*(np.concatenate(parts) for parts in (losses, labels, weights)))


def _folds(problem: Problem) -> npt.NDArray[np.intp]:
    return problem.uncertain[:N_FOLDS]
