"""Several classifiers' probabilities as one: their mean, plain or weighted, by held-out log loss.

A stack's weights are the point of a grid on the simplex (they are at least 0 and sum to 1) with the
least log loss of the given labels, classes weighted equally. For rows of a fold they are chosen on
the rows of the other folds, whose probabilities are out of sample themselves, so no label has a say
in its own row's weights; and there is but one weight less than there are classifiers. Sums are of
integers: they come out the same however rows are split.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final, Self

import numpy as np

from lakewinnow.core.noise.metrics import LEAST_PROB
from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray, IntArray

TICK: Final = 2.0**-24
_STEPS: Final = 20  # from 0 to 1; fewer where that would be too many points
_MOST_POINTS: Final = 500


def grid(n_members: int) -> FloatArray:
    """Return the weights to choose from, shape (points, members); the first are equal ones."""
    steps = _STEPS
    while comb(steps + n_members - 1, n_members - 1) > _MOST_POINTS and steps > 1:
        steps -= 1
    bars = combinations(range(steps + n_members - 1), n_members - 1)
    ends = np.array([(-1, *at, steps + n_members - 1) for at in bars])
    points = (np.diff(ends, axis=1) - 1) / steps
    return np.vstack([np.full(n_members, 1 / n_members), points])


@dataclass(frozen=True, eq=False)
class PoolState(State):
    """Sums of log losses at the points of a grid."""

    ticks: IntArray  # int64, shape (F, K, points), in units of 2^-24
    counts: IntArray  # int64, shape (F, K), rows

    @classmethod
    def zero(cls, n_folds: int, n_classes: int, n_points: int) -> Self:
        """Return the state of no rows."""
        shape = (n_folds, n_classes)
        return cls(np.zeros((*shape, n_points), np.int64), np.zeros(shape, np.int64))

    def update(
        self, folds: IntArray, labels: IntArray, own_probs: FloatArray, points: FloatArray
    ) -> Self:
        """Return the state with a block of rows added.

        Parameters
        ----------
        folds, labels : int64, shape (n,)
        own_probs : float64, shape (n, members), what each gives the given label
        points : `grid`
        """
        ticks, counts = self.ticks.copy(), self.counts.copy()
        pooled = np.zeros((len(labels), len(points)))
        for own, weights in zip(own_probs.T, points.T, strict=True):  # a product would not be exact
            pooled += own[:, np.newaxis] * weights
        losses = np.rint(-np.log(np.clip(pooled, LEAST_PROB, 1.0)) / TICK).astype(np.int64)
        np.add.at(ticks, (folds, labels), losses)
        np.add.at(counts, (folds, labels), 1)
        return type(self)(ticks, counts)

    def pooled(self, points: FloatArray) -> "Pooled":
        """Choose a stack's weights, and say what losses are.

        Parameters
        ----------
        points : `grid`
        """
        all_ticks, all_counts = self.ticks.sum(axis=0), self.counts.sum(axis=0)
        chosen = np.array(
            [
                _balanced(all_ticks - ticks, all_counts - counts).argmin()
                for ticks, counts in zip(self.ticks, self.counts, strict=True)
            ]
        )
        stacked = np.take_along_axis(self.ticks, chosen[:, np.newaxis, np.newaxis], axis=2)
        losses = _balanced(all_ticks, all_counts)
        single = [int(np.flatnonzero(points[1:, m] == 1)[0]) + 1 for m in range(points.shape[1])]
        return Pooled(
            members=losses[single],
            average=float(losses[0]),
            stack=float(_balanced(stacked.sum(axis=0), all_counts)[0]),
            weights=points[chosen],
        )


@dataclass(frozen=True, eq=False)
class Pooled:
    """Held-out log losses of the given labels, classes weighted equally, and a stack's weights."""

    members: FloatArray  # shape (members,), the loss of each alone
    average: float
    stack: float
    weights: FloatArray  # shape (F, members), of a stack, for rows of each fold


def _balanced(ticks: IntArray, counts: IntArray) -> FloatArray:
    """Mean over the classes that have rows of their mean loss; of (K, points), shape (points,)."""
    present = counts > 0
    if not present.any():
        return np.zeros(ticks.shape[1])
    losses: FloatArray = (ticks[present] * TICK / counts[present, np.newaxis]).mean(axis=0)
    return losses
