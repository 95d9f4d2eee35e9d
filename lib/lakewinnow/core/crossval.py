"""Out-of-sample probabilities from logistic regression, for little more than the price of one fit.

Every row is scored by a model that was trained on the other folds: scikit-learn's
``cross_val_predict(LogisticRegression(...), method="predict_proba")``, at its tight optimum. One
model is fitted to all rows first; the models of all folds then start from it, share its curvature
and take their steps together, in one matrix product for all of them. They run to convergence on
their own rows, so nothing of a row's own label is left beyond the tolerance.

Memory is ``4 n (D + 1)`` bytes for the features, at most 512 MiB for the preconditioner
(``4 K (D + 1)^2`` bytes below that) and ``120 F K (D + 1)`` bytes for the steps, where folds take
turns if that is above 500 MB. Scores are made and used in chunks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core import preconditioner
from lakewinnow.core.confident_learning import check_labels
from lakewinnow.core.lbfgs import Minimum, Preconditioner, minimise
from lakewinnow.core.softmax_regression import Float32Array, Objective, softmax
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[int, float] | npt.ArrayLike | None

TOLERANCE: Final = 1e-3  # of a probability
MAX_STEPS: Final = 200
ROUGH: Final = 1e-3  # Newton decrement per row at which class blocks are worth their price
NEAR: Final = 1e-5  # the same where the folds start
ROUGH_STEPS: Final = 30
STALE_STEPS: Final = 6  # blocks that take longer to `NEAR` were made too far away from it
MAX_COEFFICIENTS: Final = 4_000_000  # of models that take their steps together
NO_CLASS: Final = np.float32(-1e30)  # intercept of a class that a model does not know
CONSTANT: Final = 1e-6  # of a column's size: a standard deviation that is rounding


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
    DataError : "label_out_of_range", "not_finite", "one_fold"
    """
    check_labels(labels, n_classes)
    fold_ids, fold = np.unique(folds, return_inverse=True)
    if len(fold_ids) == 1:
        raise DataError("one_fold", "folds", "at least two folds", len(fold_ids))
    order = np.argsort(fold, kind="stable")  # held-out rows of a fold become a slice
    labels, fold = labels[order].astype(np.int64), fold[order]
    sampled = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)[order]
    per_class = _class_weights(labels, fold, sampled, class_weight, n_classes)
    ...
