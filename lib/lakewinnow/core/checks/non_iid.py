"""Whether rows that are alike come in one order or another: the test of cleanlab 2.9.0.

If rows are drawn independently, a row's nearest neighbours are anywhere in the order. The statistic
is that of Kolmogorov and Smirnov, between the distances in the order of rows and their neighbours
and those of any two rows; what it would be by chance is told by permutations of the order.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

PERMUTATIONS: Final = 25
SIGNIFICANT: Final = 0.05


class Order(NamedTuple):
    """What the test says."""

    statistic: float  # 0 .. 1
    p_value: float  # how likely so much or more is by chance
    # shape (n,), 0 .. 1: of each row, how near its neighbours' places are to chance
    scores: FloatArray


def order(positions: IntArray) -> Order:
    """Test rows in their order.

    Parameters
    ----------
    positions : int64, shape (n, k), n >= 3, places in the order of each row's nearest rows
    """
    n_rows = len(positions)
    places = np.arange(n_rows)
    statistic = _statistic(places, positions)
    # The generator and the seed that cleanlab uses, but not the one that the whole process shares.
    random = np.random.RandomState(0)
    by_chance = np.array(
        [_statistic(random.permutation(n_rows), positions) for _ in range(PERMUTATIONS)]
    )
    return Order(statistic, _p_value(statistic, by_chance), _scores(positions))


def _statistic(places: IntArray, positions: IntArray) -> float:
    """Return the largest gap between the two distributions of distances in the order.

    Parameters
    ----------
    places : int64, shape (n,), of the rows that `positions` speaks of
    """
    n = len(places)
    apart = np.abs(places[:, np.newaxis] - places[positions])
    counts = np.bincount(apart.reshape(-1), minlength=n)[1:]
    (there,) = np.nonzero(counts)
    of_any_two = np.cumsum((n - np.arange(1, n)) / (n * (n - 1) / 2))[there]
    upto = np.cumsum(counts)[there]
    n_all = positions.size
    gaps = np.abs([(upto - counts[there]) / n_all - of_any_two, (upto - 1) / n_all - of_any_two])
    return float(gaps.max())


def _p_value(statistic: float, by_chance: FloatArray) -> float:
    """Return the mass above the statistic, of a Gaussian kernel density (Scott's bandwidth)."""
    bandwidth = by_chance.std(ddof=1) * len(by_chance) ** (-1 / 5)
    if bandwidth == 0:
        return float((by_chance >= statistic).mean())
    above = [math.erfc((statistic - one) / bandwidth / math.sqrt(2)) / 2 for one in by_chance]
    return float(np.mean(above))


def _scores(positions: IntArray) -> FloatArray:
    """Return each row's score: 1 - tanh of the area between its distances' distribution and chance.

    The area is a sum over the gaps between one neighbour's distance and the next one's, of the
    difference of both integrals there, divided by the farthest that a row can be from this one.
    """
    n_rows, k = positions.shape
    places = np.arange(n_rows)[:, np.newaxis]
    apart = np.sort(np.abs(places - positions), axis=1)
    ends = np.hstack([apart, np.full((n_rows, 1), n_rows - 1)]).astype(np.float64)
    nearer_end = np.minimum(places, n_rows - 1 - places)
    chance = np.diff(_area_of_chance(ends, nearer_end, n_rows), axis=1, prepend=0)
    own = np.arange(k + 1) / k * np.diff(ends, axis=1, prepend=0)
    area = np.abs(own - chance).sum(axis=1)
    scores: FloatArray = 1 - np.tanh(area / np.maximum(places, n_rows - places)[:, 0])
    return scores


def _area_of_chance(upto: FloatArray, nearer_end: IntArray, n_rows: int) -> FloatArray:
    """Integrate, from 0, the distribution of a row's distance to any other one.

    Up to the nearer end of the order two rows are at each distance, up to the other end one.
    """
    near, last = nearer_end.astype(np.float64), n_rows - 1.0
    both = np.minimum(upto, near)
    one = np.clip(upto, near, last - near)
    beyond = np.maximum(upto - (last - near), 0)
    area: FloatArray = both**2 / last + (one + 3 * near) * (one - near) / (2 * last) + beyond
    return area
