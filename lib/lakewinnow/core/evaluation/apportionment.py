"""How often each label is written, where a row is written several times and each copy has one.

The method of the largest remainder (Hamilton's): each label gets the whole part of its share of the
copies, and those that are left go to the largest remainders.
"""

from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

_TICKS: Final = 2.0**32  # remainders are compared to this, so that equal ones are equal anywhere


def apportion(shares: FloatArray, n_copies: int) -> IntArray:
    """Return how many copies each label gets, shape (n, K); rows sum to `n_copies`.

    Among equal remainders the larger share goes first, then the label of the smaller number.

    Parameters
    ----------
    shares : float64, shape (n, K), at least 0, rows sum to 1
    """
    ticks = np.rint(shares * _TICKS).astype(np.int64) * n_copies
    whole, left = np.divmod(ticks, int(_TICKS))
    order = np.lexsort((-shares, -left), axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(shares.shape[1])[np.newaxis], axis=1)
    missing = n_copies - whole.sum(axis=1, keepdims=True)
    counts: IntArray = whole + (place < missing)
    return counts
