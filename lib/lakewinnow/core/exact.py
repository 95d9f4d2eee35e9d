"""Products of matrices to the last bit, whatever the other rows and however BLAS goes about it.

How BLAS adds up depends on how many rows there are and where among them a row stands; so a row's
product would depend on the batch it came in. Here the factors are cut to so few binary places that
nothing is ever rounded (Ozaki et al. 2012).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.types import FloatArray

_DOUBLE_BITS: Final = 53
_ROW_BITS: Final = 24  # as many as float32 has


def product(coef: npt.NDArray[np.floating], rows: npt.NDArray[np.floating]) -> FloatArray:
    """Multiply models and rows.

    Parameters
    ----------
    coef : shape (K, D), each row cut by itself: one may hold -1e30, that of a class that a model
        does not know
    rows : shape (n, D), each taken to 2^-24 of its greatest number

    Returns
    -------
    float64, shape (K, n)
    """
    bits = _DOUBLE_BITS - _ROW_BITS - int(np.ceil(np.log2(max(2, rows.shape[1]))))
    coarse = _cut(rows.astype(np.float64), _ROW_BITS).T
    whole = coef.astype(np.float64)
    head = _cut(whole, bits)
    found: FloatArray = head @ coarse + _cut(whole - head, bits) @ coarse
    return found


def _cut(values: FloatArray, bits: int) -> FloatArray:
    """Round to so many binary places of the greatest of a row."""
    greatest = np.abs(values).max(axis=1, keepdims=True, initial=0)
    unit = np.ldexp(1.0, np.frexp(greatest)[1] - bits)
    cut: FloatArray = np.rint(values / unit) * unit
    return cut
