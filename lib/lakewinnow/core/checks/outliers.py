"""Outliers: scores and thresholds, equal to those of cleanlab 2.9.0 (`outlier`, `datalab`).

By distances a row is an outlier when it is farther from its neighbours than a box plot's whisker
would reach; by probabilities, when they are far less certain than most rows' are.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from lakewinnow.core.checks.neighbors import Metric
from lakewinnow.core.selection.scores import adjust_pred_probs
from lakewinnow.core.types import FloatArray

Certainty = Literal["entropy", "least_confidence"]

DISTANCE_THRESHOLD: Final = 0.37037  # a whisker of 1.7 interquartile ranges
CERTAINTY_THRESHOLD: Final = 0.13  # of the median
QUARTILES: Final = (0.25, 0.5, 0.75)
_LEAST_SCALE: Final = 1e-6
_NO_DISTANCE: Final = {
    "cosine": 100 * np.finfo(np.float64).epsneg,
    "euclidean": np.sqrt(100 * np.finfo(np.float64).eps),
}


@dataclass(frozen=True)
class DistanceRule:
    """What is far, by the quartiles of all rows' mean distances to their nearest rows.

    A sample of the rows to be near to makes all distances greater, and these quartiles with them:
    both are of the same statistic, so that no other correction is needed.
    """

    # quartiles
    q1: float
    median: float
    q3: float
    metric: Metric
    # 0 to 1, lower flags fewer rows; (1 / threshold - 1) interquartile ranges above the third
    # quartile is the largest distance that is not flagged
    threshold: float = DISTANCE_THRESHOLD

    @property
    def cutoff(self) -> float:
        """The largest distance that is not flagged; infinite where the threshold is 0."""
        if self.threshold == 0:
            return float("inf")
        return self.q3 + (1 / self.threshold - 1) * (self.q3 - self.q1)

    def scores(self, distances: FloatArray) -> FloatArray:
        """Return how typical rows are, 0 .. 1: exp(-distance / median), 1 for no distance at all.

        Notes
        -----
        cleanlab's threshold of 0 flags nothing where the interquartile range is 0, and what is
        infinitely far elsewhere: the same.
        """
        scores = np.exp(-distances / max(self.median, _LEAST_SCALE))
        scores[distances < _NO_DISTANCE[self.metric]] = 1.0
        typical: FloatArray = scores
        return typical


def certainties(pred_probs: FloatArray, thresholds: FloatArray, method: Certainty) -> FloatArray:
    """Return how certain rows' probabilities are, 0 .. 1, shape (n,).

    By entropy: 1 less the entropy, divided by ln K. By least confidence: the largest probability.
    Either of the probabilities adjusted by how confident the model is of each class on average.

    Parameters
    ----------
    pred_probs : float64, shape (n, K), K >= 2
    thresholds : float64, shape (K,), of the whole corpus
    """
    adjusted = adjust_pred_probs(pred_probs, thresholds)
    if method == "least_confidence":
        largest: FloatArray = adjusted.max(axis=1)
        return largest
    within = np.clip(adjusted, 0.0, 1.0)
    logs = np.log(within, where=within > 0, out=np.zeros_like(within))
    certain: FloatArray = 1 + np.sum(within * logs, axis=1) / np.log(pred_probs.shape[1])
    return certain


def certainty_cutoff(median: float, threshold: float = CERTAINTY_THRESHOLD) -> float:
    """Return the least certainty that is not flagged."""
    return threshold * median
