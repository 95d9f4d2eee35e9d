"""Whether a classifier can tell which of two sets a vector is from.

A logistic regression, cross-validated. How well it tells them apart is the area under its ROC curve
(AUC) over all rows; whether that is more than chance is asked of one half of the rows alone, by the
model of the other half. The scores of all folds would not do for that: each fold's model has learnt
from the rows that the others are asked about, so where nothing differs their AUCs err together, and
their standard error is some 1.4 times what it seems.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from lakewinnow.core.logistic.crossval import cross_val_predict
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

FOLDS: Final = 5
STRENGTH: Final = 10.0  # C; not chosen by the rows, or the half that is asked had a say in it
CONFIDENCE: Final = 0.95
_UNIT: Final = 1e-3  # squared norms that far from 1 are of vectors that are to be scaled


@dataclass(frozen=True)
class DomainClassifier:
    """How well the two sets can be told apart."""

    # of the cross-validated scores, with DeLong's interval of 95%
    auc: float
    low: float
    high: float
    p: float  # one-sided, that the AUC of one half by the model of the other is no more than 0.5


def classify(
    vectors: npt.NDArray[np.floating], is_new: BoolArray, chances: IntArray, n_threads: int = 1
) -> tuple[DomainClassifier, FloatArray]:
    """Train the classifier.

    Parameters
    ----------
    vectors : shape (n, D)
    is_new : shape (n,)
    chances : int64, shape (n,), at least 0, by chance, but equal for equal texts, one of which may
        be in both sets: these share a fold, and a half

    Returns
    -------
    how well it does; and float64, shape (n,), P(new) of each row by a model that has not seen it
    """
    standardize = is_to_be_scaled(vectors)

    def scores_by(folds: IntArray) -> FloatArray:
        found = cross_val_predict(
            vectors,
            is_new.astype(np.int64),
            folds,
            2,
            C=STRENGTH,
            standardize=standardize,
            n_threads=n_threads,
        )
        return found.pred_probs[:, 1].astype(np.float64)

    halves = chances % 2
    asked = halves == 0
    by_half = scores_by(halves)[asked]
    scores = scores_by(chances // 2 % FOLDS)
    auc, low, high = area(scores[is_new], scores[~is_new])
    p = mann_whitney_p(by_half[is_new[asked]], by_half[~is_new[asked]])
    return DomainClassifier(auc, low, high, p), scores


def is_to_be_scaled(vectors: npt.NDArray[np.floating]) -> bool:
    """Whether the columns are to have unit variance: unless the vectors have unit length."""
    norms = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    return bool(np.abs(norms - 1).max() > _UNIT)


def area(positive: FloatArray, negative: FloatArray) -> tuple[float, float, float]:
    """Return the area under the ROC curve, and DeLong's interval of it (DeLong et al. 1988).

    By midranks, as Sun & Xu 2014 have it.
    """
    n, m = len(positive), len(negative)
    ranks = _midranks(np.concatenate([positive, negative]))
    of_positive = (ranks[:n] - _midranks(positive)) / m
    of_negative = 1 - (ranks[n:] - _midranks(negative)) / n
    auc = float(of_positive.mean())
    if min(n, m) < 2:
        return auc, 0.0, 1.0
    error = np.sqrt(of_positive.var(ddof=1) / n + of_negative.var(ddof=1) / m)
    reach = float(ndtri((1 + CONFIDENCE) / 2) * error)
    return auc, max(0.0, auc - reach), min(1.0, auc + reach)


def mann_whitney_p(positive: FloatArray, negative: FloatArray) -> float:
    """Return the one-sided p that positives score no higher, by ranks, corrected for ties."""
    n, m = len(positive), len(negative)
    if not n or not m:
        return 1.0
    both = np.concatenate([positive, negative])
    u = float(_midranks(both)[:n].sum()) - n * (n + 1) / 2
    ties = np.unique(both, return_counts=True)[1].astype(np.float64)
    total = n + m
    spread = (total + 1) - (ties**3 - ties).sum() / (total * max(1, total - 1))
    variance = n * m / 12 * spread
    if variance <= 0:
        return 1.0
    return float(ndtr(-(u - n * m / 2 - 0.5) / np.sqrt(variance)))


def _midranks(values: FloatArray) -> FloatArray:
    """Return ranks from 1, of equal values their mean."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2)[at]
    return ranks
