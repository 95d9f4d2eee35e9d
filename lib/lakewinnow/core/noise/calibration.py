"""Calibration: what makes pred_probs into P(class | text) with every class equally frequent.

Two things stand between a classifier's probabilities and those. The classifier knows how frequent
the classes were when it learnt, so its probabilities are divided by that training prior; one that
weighs classes equally has none to divide by. And it may be too sure, or not sure enough, so all
logarithms are multiplied by one number, 1 / temperature (Guo et al. 2017).

The number is that of the least class-balanced log loss on the given labels, out of sample. The loss
is summed on a grid fixed beforehand, as a search would take a pass a step; it is convex in 1 /
temperature, so a parabola through the best three points is close to its minimum. Sums are of
integers: they come out the same however rows are split and in whatever order they are added.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lakewinnow.core.noise.metrics import LEAST_PROB
from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray, IntArray

# 1 / temperature: 1/8 to 16. Two chains, as each square is one multiplication and the next octave.
_OCTAVES: Final = 8
_STARTS: Final = (2.0**-3, 2.0**-2.5)
_STEP: Final = 0.5  # octaves between points
GRID: Final = tuple(2.0 ** (-3 + _STEP * i) for i in range(len(_STARTS) * _OCTAVES))
TICK: Final = 2.0**-24  # 2^29 rows a class of the largest loss, 16 x 36 + ln K, fit an int64
_CELLS: Final = 2**15  # probabilities at once, so that they stay in a core's cache


@dataclass(frozen=True, eq=False)
class Calibration:
    """How pred_probs become class-balanced probabilities."""

    temperature: float  # above 1 takes confidence away
    # float64, shape (K,), class shares that the probabilities have in them
    training_prior: FloatArray

    @classmethod
    def none(cls, n_classes: int) -> Self:
        """Return the one that changes nothing: balanced already, and right about how sure to be."""
        return cls(1.0, np.full(n_classes, 1 / n_classes))

    def apply(self, pred_probs: FloatArray) -> FloatArray:
        """Return P(class | text) if every class were as frequent, shape (n, K).

        Parameters
        ----------
        pred_probs : float64, shape (n, K); a row has a probability above 0
        """
        scaled: FloatArray = _ratios(pred_probs, self.training_prior) ** (1 / self.temperature)
        scaled /= scaled.sum(axis=1, keepdims=True)
        return scaled


@dataclass(frozen=True, eq=False)
class LossState(State):
    """Sums of log losses at the points of the grid, for each prior that may be the training one."""

    ticks: IntArray  # int64, shape (priors, K, points), per given label, in units of 2^-24
    counts: IntArray  # int64, shape (K,), rows per given label

    @classmethod
    def zero(cls, n_priors: int, n_classes: int) -> Self:
        """Return the state of no rows."""
        shape = (n_priors, n_classes, len(GRID))
        return cls(np.zeros(shape, np.int64), np.zeros(n_classes, np.int64))

    def update(self, labels: IntArray, pred_probs: FloatArray, priors: FloatArray) -> Self:
        """Return the state with a block of rows added.

        Parameters
        ----------
        labels : int64, shape (n,)
        pred_probs : float64, shape (n, K)
        priors : float64, shape (priors, K), above 0; sums by other priors do not add up
        """
        ticks, counts = self.ticks.copy(), self.counts.copy()
        n_rows = max(1, _CELLS // pred_probs.shape[1])
        for start in range(0, len(labels), n_rows):
            rows = slice(start, start + n_rows)
            for prior, mine in zip(priors, ticks, strict=True):
                losses = _losses(labels[rows], _ratios(pred_probs[rows], prior))
                np.add.at(mine, labels[rows], np.rint(losses / TICK).astype(np.int64))
        np.add.at(counts, labels, 1)
        return type(self)(ticks, counts)

    def balanced_losses(self) -> FloatArray:
        """Mean over the classes that have rows of their mean loss, shape (priors, points)."""
        present = self.counts > 0
        means = self.ticks[:, present] * TICK / self.counts[present, np.newaxis]
        losses: FloatArray = means.mean(axis=1)
        return losses

    def best(self, priors: FloatArray) -> Calibration:
        """Return the calibration of least balanced loss.

        Among equal ones, the first prior's, and the one that changes confidence the least.

        Parameters
        ----------
        priors : float64, shape (priors, K), those of the sums
        """
        losses = self.balanced_losses()
        prior = int(losses.min(axis=1).argmin())
        at = int(np.lexsort((np.abs(np.log(GRID)), losses[prior]))[0])
        shift = 0.0
        if 0 < at < len(GRID) - 1:
            before, here, after = losses[prior, at - 1 : at + 2]
            bend = before - 2 * here + after
            shift = (before - after) / (2 * bend) if bend > 0 else 0.0
        temperature = 1 / (GRID[at] * 2.0 ** (shift * _STEP))
        return Calibration(float(temperature), priors[prior])


def prior_of(counts: IntArray) -> FloatArray:
    """Class shares, shape (K,); a class without rows counts as one of one row, to divide by."""
    floored = np.maximum(counts, 1).astype(np.float64)
    shares: FloatArray = floored / floored.sum()
    return shares


def _ratios(pred_probs: FloatArray, prior: FloatArray) -> FloatArray:
    """Probabilities without the prior, the largest of each row being 1."""
    ratios: FloatArray = np.maximum(pred_probs, 0.0) / prior
    ratios /= ratios.max(axis=1, keepdims=True)
    return ratios


def _losses(labels: IntArray, ratios: FloatArray) -> FloatArray:
    """-ln P(given label) at every point of the grid, shape (n, points)."""
    own = -np.log(np.clip(ratios[np.arange(len(labels)), labels], LEAST_PROB, 1.0))
    losses = np.empty((len(labels), len(GRID)))
    for chain, start in enumerate(_STARTS):
        powers = ratios**start
        for octave in range(_OCTAVES):
            point = octave * len(_STARTS) + chain
            losses[:, point] = GRID[point] * own + np.log(powers.sum(axis=1))
            np.multiply(powers, powers, out=powers)
    return losses
