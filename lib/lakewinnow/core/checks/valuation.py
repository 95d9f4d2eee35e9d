"""What each row adds to a classifier by nearest neighbours: cleanlab's `data_valuation`."""

from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

THRESHOLD: Final = 0.5  # what a row that neither helps nor harms is worth


def values(labels: IntArray, positions: IntArray) -> FloatArray:
    """Return what rows are worth, 0 .. 1, shape (n,); below 0.5 a row does harm.

    A row gains by each row that it is near to and whose label it has, and loses by those whose
    label it has not: 1 or 0, less 1 or 0 for the farthest of that row's neighbours, which itself
    gains nothing. The sum over all rows is divided by k·n, which makes it -1 .. 1.

    Parameters
    ----------
    labels : int64, shape (n,)
    positions : int64, shape (n, k), of each row's nearest rows, the nearest first

    Notes
    -----
    A simplification of KNN-Shapley (Jia et al., "Efficient task-specific data valuation for
    nearest neighbor algorithms", VLDB 2019), without the weights 1/j of its recursion. Equal to
    cleanlab 2.9.0, which holds n × n numbers for it where these are n × k.
    """
    n_rows, k = positions.shape
    agrees = (labels[positions] == labels[:, np.newaxis]).astype(np.int64)
    gains = (agrees - agrees[:, -1:])[:, :-1]
    sums = np.bincount(positions[:, :-1].reshape(-1), gains.reshape(-1), minlength=n_rows)
    worth: FloatArray = 0.5 * (1 + sums / (k * n_rows))
    return worth
