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

from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.confident_learning import check_labels
from lakewinnow.core.design import make_design
from lakewinnow.core.fold_models import ClassWeight, Problem, fit_all_rows, fit_folds, held_out
from lakewinnow.core.softmax_regression import Float32Array
from lakewinnow.core.types import BoolArray
from lakewinnow.errors import DataError

TOLERANCE: Final = 1e-3  # of a probability
MAX_STEPS: Final = 1000
MAX_COEFFICIENTS: Final = 3_000_000  # of models that take their steps together

GRID: Final = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C
GRID_START: Final = 2
GRID_FOLDS: Final = 3  # that C is chosen on
GRID_TOLERANCE: Final = 0.02  # of a probability: what a mean log loss needs
LEAST_PROBABILITY: Final = 1e-7  # in a log loss: about that of float32


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
    threads: int = 1,
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
    tol : greatest error of a probability. A model has converged when the Newton decrement per row
        is below its square, and no held-out probability will move further, to judge by the next
        step (which is taken) and the rate at which the last ones have shrunk
    max_iter : most steps of the fold models
    threads : the result does not depend on it; limit BLAS to one thread (by threadpoolctl, say) if
        this is more, and on a machine with other work in any case

    Raises
    ------
    DataError : "label_out_of_range", "not_finite", "bad_weight", "nothing_to_train_on"
    """
    with _workers(threads) as pool:
        problem = _problem(
            features, labels, folds, n_classes, C, class_weight, sample_weight, standardize, pool
        )
        return _predict(problem, n_classes, tol, max_iter)


@dataclass(frozen=True, eq=False)
class Strength:
    """The C that was chosen, and what it was chosen by.

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
    threads: int = 1,
) -> Strength:
    """Choose C from powers of 10 by the log loss of three folds, averaged class by class.

    From 1 up while the loss falls, or else down; each fit starts from the last one. Takes about as
    long as one `cross_val_predict`, whose parameters it shares.
    """
    with _workers(threads) as pool:
        problem = _problem(
            features, labels, folds, n_classes, 1.0, class_weight, sample_weight, standardize, pool
        )
        ...


def _workers(threads: int) -> AbstractContextManager[Executor | None]:
    return ThreadPoolExecutor(threads) if threads > 1 else nullcontext()
