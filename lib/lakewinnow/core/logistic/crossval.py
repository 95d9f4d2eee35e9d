"""Out-of-sample probabilities from logistic regression, for little more than the price of one fit.

Every row is scored by a model that was trained on the other folds: scikit-learn's
``cross_val_predict(LogisticRegression(...), method="predict_proba")``, at its tight optimum. One
model is fitted to all rows first; the models of all folds then start from it, share its curvature
and take their steps together, in one matrix product for all of them. They run to convergence on
their own rows, so nothing of a row's own label is left beyond the tolerance.

Memory, in bytes: the features ``4 n (D + 1)``; weights ``4 n (F + 1)``; one probability per row and
class ``12 n K``, a third of which is the result; the preconditioner ``4 K (D + 1)^2``, but no more
than 512 MiB; the steps ``150 F K (D + 1)``, but no more than 450 MB, for folds then take turns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from lakewinnow.core.exact import product
from lakewinnow.core.logistic.design import make_design, scaled
from lakewinnow.core.logistic.fold_models import UNKNOWN, fit_in_turns, held_out
from lakewinnow.core.logistic.problem import ClassWeight, Problem, opened
from lakewinnow.core.logistic.softmax_regression import Float32Array, softmax
from lakewinnow.core.logistic.strength import climb
from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError

TOLERANCE: Final = 1e-3  # of a probability
MAX_STEPS: Final = 1000
PREDICTED_AT_ONCE: Final = 2_000_000  # features, in float64


@dataclass(frozen=True, eq=False)
class Fit:
    """How the models of the folds came about."""

    C: float  # inverse regularisation strength, given or chosen
    losses: dict[float, float]  # class-balanced log loss by C, where it was chosen
    folds: IntArray  # int64, shape (F,), numbers of the folds that have a model, ascending
    # shape (F,), whether a fold's model did; where not, its probabilities are rough
    converged: BoolArray
    # float64, shape (F,), Newton decrement per row before the last step: twice what the mean loss
    # had left to fall
    decrement: FloatArray
    n_steps: int  # steps that the models took


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Out-of-sample probabilities, and the models they are from."""

    # float32, shape (n, K); exactly 0 for a class that a row's model has not seen
    pred_probs: Float32Array
    fit: Fit  # of the models


@dataclass(frozen=True, eq=False)
class FoldModels:
    """One model a fold, trained on the rows of the others; to be pickled and sent about."""

    n_classes: int  # K, also of those that no model has seen
    classes: IntArray  # int64, shape (K',), those that some model has seen
    # float64, shape (D,), what is taken off a column and what it is divided by
    centre: FloatArray
    scale: FloatArray
    coef: Float32Array  # float32, shape (F, K', D + 1), of columns so scaled, the intercept last
    fit: Fit  # of the models

    def predict(self, features: npt.NDArray[np.floating], fold: int) -> Float32Array:
        """Score rows by the model that has not seen a fold.

        Parameters
        ----------
        features : shape (n, D)
        fold : number of the fold that the rows are in

        Returns
        -------
        float32, shape (n, K); exactly 0 for a class that the model has not seen

        Raises
        ------
        DataError : "no_such_fold", "wrong_length" of a row, "not_finite"
        """
        model = int(np.searchsorted(self.fit.folds, fold))
        if model == len(self.fit.folds) or self.fit.folds[model] != fold:
            raise DataError("no_such_fold", "fold", f"one of {self.fit.folds.tolist()}", fold)
        pred_probs = np.zeros((len(features), self.n_classes), np.float32)
        if features.shape[1:] != self.centre.shape:
            expected = f"{len(self.centre)} columns, as in training"
            raise DataError("wrong_length", "features", expected, features.shape)
        at_once = max(1, PREDICTED_AT_ONCE // max(1, len(self.centre)))
        for start in range(0, len(features), at_once):
            rows = slice(start, start + at_once)
            with np.errstate(over="ignore", invalid="ignore"):
                columns = scaled(features[rows], self.centre, self.scale)
                found = softmax(product(self.coef[model], columns).astype(np.float32))
            if not np.isfinite(found).all():
                raise DataError("not_finite", "features", "finite numbers", "others")
            pred_probs[rows, self.classes] = found.T
        return pred_probs


def cross_val_predict(
    features: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    n_classes: int,
    *,
    C: float | Literal["auto"] = 1.0,  # noqa: N803 (scikit-learn's name)
    class_weight: ClassWeight = "balanced",
    sample_weight: npt.ArrayLike | None = None,
    standardize: bool = False,
    tol: float = TOLERANCE,
    max_iter: int = MAX_STEPS,
    n_threads: int = 1,
) -> CrossValidation:
    """Score every row by a model of the other folds.

    Parameters
    ----------
    features : shape (n, D)
    labels : shape (n,), in 0 .. K-1
    folds : shape (n,), rows of one number are held out together
    n_classes : K; a class without rows has probability 0
    C : inverse regularisation strength, as in scikit-learn; "auto" is that of `choose_strength`,
        which looks at all labels: one row's changes no probability of its own but through C
    class_weight : "balanced" gives all classes of a fold's training rows the same total weight; or
        weights by class, 1 where a mapping has none
    sample_weight : shape (n,), at least 0; rows of weight 0 are scored, not learnt from
    standardize : scale columns to unit variance over a fold's training rows, as a pipeline of
        scikit-learn's StandardScaler and LogisticRegression does
    tol : greatest error of a probability. A model has converged when the Newton decrement per row
        is below its square, and no held-out probability will move further, to judge by the next
        step (which is taken) and the rate at which the last ones have shrunk
    max_iter : most steps of the fold models
    n_threads : the result does not depend on it; BLAS is held to one thread meanwhile

    Raises
    ------
    ConfigError : "bad_strength", "bad_weight" of a class
    DataError : "wrong_length", "label_out_of_range", "not_finite", "bad_weight" of a row,
        "nothing_to_train_on"
    """
    pred_probs = np.zeros((len(labels), n_classes), np.float32)
    if not len(labels):
        none = np.zeros(0, np.int64)
        fit = Fit(1.0 if C == "auto" else C, {}, none, none.astype(bool), none.astype(float), 0)
        return CrossValidation(pred_probs, fit)
    design = make_design(features, folds, standardize=standardize)
    strength = 1.0 if C == "auto" else C
    weights = class_weight, sample_weight
    with opened(design, labels, n_classes, strength, *weights, n_threads) as problem:

        def fill(fold: int, coef: Float32Array) -> None:
            rows = design.order[design.folds[fold]]
            pred_probs[np.ix_(rows, problem.classes)] = held_out(problem, fold, coef).T

        def use(group: npt.NDArray[np.intp], coef: Float32Array) -> None:
            run_all(lambda i: fill(group[i], coef[:, i]), range(len(group)), problem.pool)

        models = np.arange(len(design.folds))
        fit = _fit(problem, models, C, tol, max_iter, use)
    for fold in np.setdiff1d(models, problem.uncertain):
        known = problem.classes[problem.known[:, fold]]
        pred_probs[np.ix_(design.order[design.folds[fold]], known)] = 1
    return CrossValidation(pred_probs, fit)


def fit_folds(
    features: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    folds: npt.NDArray[np.integer],
    n_classes: int,
    *,
    fold_ids: npt.ArrayLike | None = None,
    C: float | Literal["auto"] = 1.0,  # noqa: N803 (scikit-learn's name)
    class_weight: ClassWeight = "balanced",
    sample_weight: npt.ArrayLike | None = None,
    standardize: bool = False,
    tol: float = TOLERANCE,
    max_iter: int = MAX_STEPS,
    n_threads: int = 1,
) -> FoldModels:
    """Train one model a fold, to score other rows of the folds by.

    The models that `cross_val_predict` uses, whose parameters these are; on the rows themselves
    they give its probabilities.

    Parameters
    ----------
    fold_ids : numbers of the folds to train for, by default those that have rows. One without rows
        gets the model of all rows. Folds can so be trained in several places.

    Raises
    ------
    ConfigError : "bad_strength", "bad_weight" of a class
    DataError : "no_rows", "wrong_length", "label_out_of_range", "not_finite", "bad_weight" of a
        row, "nothing_to_train_on"
    """
    if not len(labels):
        raise DataError("no_rows", "features", "rows to train on", 0)
    wanted = np.unique(folds if fold_ids is None else np.asarray(fold_ids, np.int64))
    design = make_design(features, folds, standardize=standardize, fold_ids=wanted)
    models = np.searchsorted(design.fold_ids, wanted)
    strength = 1.0 if C == "auto" else C
    weights = class_weight, sample_weight
    with opened(design, labels, n_classes, strength, *weights, n_threads) as problem:
        known = problem.known[:, models].T
        coefs = np.zeros((*known.shape, design.features.shape[1]), np.float32)
        coefs[..., -1] = np.where(known, np.float32(0), UNKNOWN)

        def use(group: npt.NDArray[np.intp], coef: Float32Array) -> None:
            coefs[np.searchsorted(models, group)] = coef.swapaxes(0, 1)

        fit = _fit(problem, models, C, tol, max_iter, use)
    return FoldModels(n_classes, problem.classes, design.centre, design.scale, coefs, fit)


def _fit(
    problem: Problem,
    models: npt.NDArray[np.intp],
    C: float | Literal["auto"],  # noqa: N803
    tol: float,
    max_steps: int,
    use: Callable[[npt.NDArray[np.intp], Float32Array], object],
) -> Fit:
    """Fit the models of some folds, and use them as they are found."""
    losses: dict[float, float] = {}
    start = None
    if C == "auto":
        chosen, start = climb(problem)
        C, losses = chosen.C, chosen.losses  # noqa: N806
        problem = problem.at(C)
    converged = np.ones(len(models), np.bool_)
    decrement = np.zeros(len(models))
    n_steps = 0
    uncertain = np.intersect1d(models, problem.uncertain)
    for group, found in fit_in_turns(problem, uncertain, tol, max_steps, start):
        place = np.searchsorted(models, group)
        converged[place], decrement[place] = found.converged, found.decrement
        n_steps = max(n_steps, found.n_steps)
        use(group, found.coef)
    return Fit(C, losses, problem.design.fold_ids[models], converged, decrement, n_steps)
