"""Intervals of shares."""

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray


def wilson(
    share: FloatArray | float, n: FloatArray | IntArray | float, z: float
) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of Wilson's interval of shares of n independent rows (Wilson 1927).

    Parameters
    ----------
    n : of no row, 0, the interval is 0 to 1
    z : half its width, in standard errors
    """
    share, n = np.asarray(share, np.float64), np.asarray(n, np.float64)
    wide = z * z
    middle = (n * share + wide / 2) / (n + wide)
    half = z * np.sqrt(n * share * (1 - share) + wide / 4) / (n + wide)
    low: FloatArray = np.maximum(middle - half, 0.0)
    high: FloatArray = np.minimum(middle + half, 1.0)
    return low, high
