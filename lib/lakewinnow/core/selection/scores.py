"""Label quality scores: how much a row's given label is to be believed; lower is worse.

Row by row, equal to those of cleanlab 2.9.0 (`rank.get_label_quality_scores`) in float64.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from lakewinnow.core.noise.confident_learning import EPSILON
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.errors import ConfigError, did_you_mean


def self_confidence(labels: IntArray, pred_probs: FloatArray) -> FloatArray:
    """Return the probability of the given label, shape (n,)."""
    own: FloatArray = pred_probs[np.arange(len(labels)), labels]
    return own


def normalized_margin(labels: IntArray, pred_probs: FloatArray) -> FloatArray:
    """Return how far the given label is ahead of the best other one, shape (n,).

    It is `(p[given] - max(p[others]) + 1) / 2`, so 0.5 where the two are level.

    Parameters
    ----------
    labels : int64, shape (n,)
    pred_probs : float64, shape (n, K), K >= 2
    """
    rows = np.arange(len(labels))
    others = pred_probs.copy()
    others[rows, labels] = -np.inf
    margin: FloatArray = (pred_probs[rows, labels] - others.max(axis=1) + 1) / 2
    return margin


def confidence_weighted_entropy(labels: IntArray, pred_probs: FloatArray) -> FloatArray:
    """Return a score that falls as entropy rises and self-confidence sinks, shape (n,).

    With `s = entropy / (ln K * self_confidence)` it is `ln(s + 1) / s`.

    Parameters
    ----------
    labels : int64, shape (n,)
    pred_probs : float64, shape (n, K), K >= 2

    Notes
    -----
    As in cleanlab a row without entropy scores 0, the worst, even if its label is right (the limit
    of the formula is 1). Where cleanlab refuses the table, probabilities that rounding has put
    outside 0 .. 1 are taken as 0 or 1.
    """
    within = np.clip(pred_probs, 0.0, 1.0)
    logs = np.log(within, where=within > 0, out=np.zeros_like(within))
    entropy = -np.sum(within * logs, axis=1) / np.log(pred_probs.shape[1])
    weighted = entropy / np.maximum(self_confidence(labels, pred_probs), EPSILON)
    score: FloatArray = np.log(weighted + 1) / np.maximum(weighted, EPSILON)
    return score


def adjust_pred_probs(pred_probs: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Take out how confident the model is of each class on average, shape (n, K).

    It is `p - t + max(t)`, divided by the row's sum. An empty class has a threshold of 2, which
    flattens all rows towards 1 / K but keeps the order within them.

    Parameters
    ----------
    pred_probs : float64, shape (n, K)
    thresholds : float64, shape (K,), of the whole corpus
    """
    adjusted: FloatArray = pred_probs - thresholds + thresholds.max()
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    return adjusted


Score = Callable[[IntArray, FloatArray], FloatArray]

SCORES: Final[Mapping[str, Score]] = MappingProxyType(
    {
        "self_confidence": self_confidence,
        "normalized_margin": normalized_margin,
        "confidence_weighted_entropy": confidence_weighted_entropy,
    }
)
NOT_ADJUSTABLE: Final = frozenset({"confidence_weighted_entropy"})  # expects a distribution


def label_scores(
    labels: IntArray, pred_probs: FloatArray, rank_by: str, adjust_by: FloatArray | None = None
) -> FloatArray:
    """Score each row's given label, shape (n,).

    Parameters
    ----------
    labels : int64, shape (n,)
    pred_probs : float64, shape (n, K)
    rank_by : a name in `SCORES`
    adjust_by : float64, shape (K,), the thresholds for `adjust_pred_probs`; None: do not adjust

    Raises
    ------
    ConfigError : "unknown_score", or "score_not_adjustable" for the entropy
    """
    check_score(rank_by, adjusted=adjust_by is not None)
    if adjust_by is not None:
        pred_probs = adjust_pred_probs(pred_probs, adjust_by)
    return SCORES[rank_by](labels, pred_probs)


def check_score(rank_by: str, *, adjusted: bool) -> None:
    """Raise ConfigError "unknown_score" or "score_not_adjustable"."""
    if rank_by not in SCORES:
        known = ", ".join(SCORES)
        hint = did_you_mean(rank_by, list(SCORES))
        raise ConfigError("unknown_score", "label_issues.rank_by", f"one of {known}", rank_by, hint)
    if adjusted and rank_by in NOT_ADJUSTABLE:
        raise ConfigError(
            "score_not_adjustable",
            "label_issues.adjust_pred_probs",
            f"false with rank_by {rank_by}",
            got=True,
            hint="rank by self_confidence or normalized_margin, or leave out the adjustment",
        )
