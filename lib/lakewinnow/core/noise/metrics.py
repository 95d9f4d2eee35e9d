"""How good the out-of-sample probabilities are: accuracy, log loss, calibration error.

All sums are in fixed point, so that the figures do not depend on the order of the rows. A sum is
held as two integers, high and low, so that no corpus is too large for it.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray, IntArray

N_BINS: Final = 15  # of equal width, as in Guo et al. 2017
TICK: Final = 2.0**-32
LOW_BITS: Final = 20  # of ticks: the rest of the largest log loss, 36, leaves room for 2^45 rows
LEAST_PROB: Final = float(np.finfo(np.float64).eps)  # scikit-learn's clip in log_loss


@dataclass(frozen=True, eq=False)
class CalibrationState(State):
    """Counts of right predictions by confidence, and the sum of log losses."""

    # int64, shape (15, 4): rows, rows predicted right, sum of top probabilities (high, low)
    bins: IntArray
    # int64, shape (K, 3), per given label: rows, sum of -ln P(given label) (high, low)
    losses: IntArray

    @classmethod
    def zero(cls, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls(np.zeros((N_BINS, 4), np.int64), np.zeros((n_classes, 3), np.int64))

    def update(self, labels: IntArray, pred_probs: FloatArray) -> Self:
        """Return the state with a block of rows added."""
        rows = np.arange(len(labels))
        predicted = pred_probs.argmax(axis=1)
        confidence = pred_probs[rows, predicted]
        which = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
        bins = self.bins.copy()
        np.add.at(bins[:, 0], which, 1)
        np.add.at(bins[:, 1], which, (predicted == labels).astype(np.int64))
        np.add.at(bins[:, 2:], which, _high_and_low(confidence))
        losses = self.losses.copy()
        loss = -np.log(np.clip(pred_probs[rows, labels], LEAST_PROB, 1.0))
        np.add.at(losses[:, 0], labels, 1)
        np.add.at(losses[:, 1:], labels, _high_and_low(loss))
        return type(self)(bins, losses)

    def figures(self) -> dict[str, float]:
        """Return what the probabilities are worth.

        Returns
        -------
        dict
            accuracy; log_loss; balanced_log_loss, the mean over classes of theirs; ece, the
            expected calibration error (Guo et al. 2017); and what a classifier has to beat:
            prior_log_loss, of the class shares, and balanced_prior_log_loss, ln(number of classes).
        """
        present = self.losses[self.losses[:, 0] > 0]
        counts, sums = present[:, 0], _sums(present[:, 1:])
        n_rows = int(counts.sum())
        shares = counts / n_rows
        gaps = np.abs(self.bins[:, 1] - _sums(self.bins[:, 2:]))
        return {
            "accuracy": int(self.bins[:, 1].sum()) / n_rows,
            "log_loss": float(_sums(present[:, 1:].sum(axis=0, keepdims=True))[0]) / n_rows,
            "balanced_log_loss": float((sums / counts).mean()),
            "ece": float(gaps.sum()) / n_rows,
            "prior_log_loss": float(-(shares * np.log(shares)).sum()),
            "balanced_prior_log_loss": float(np.log(len(counts))),
        }


def _high_and_low(values: FloatArray) -> IntArray:
    """Return values in ticks as two integers each, shape (n, 2)."""
    ticks = np.rint(values / TICK).astype(np.int64)
    return np.column_stack([ticks >> LOW_BITS, ticks & ((1 << LOW_BITS) - 1)])


def _sums(ticks: IntArray) -> FloatArray:
    """Return sums of ticks, shape (n, 2), as numbers, each rounded once."""
    whole = [(high << LOW_BITS) + low for high, low in ticks.tolist()]  # of any size
    return np.array(whole, dtype=np.float64) * TICK
