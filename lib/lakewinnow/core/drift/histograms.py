"""Numbers that say what a text is like in any language, as histograms that add up.

A number goes to a bin of its own as far as 1/256 of it matters; two sets of texts are compared bin
by bin, which is the Kolmogorov-Smirnov test of the numbers so rounded. Its p is too large, if
anything, where numbers are tied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov

from lakewinnow.core.types import IntArray

_EXACT: Final = 256  # smaller counts have a bin each
_PER_OCTAVE: Final = 128
_N_OCTAVES: Final = 23  # up to 2^31
_PER_MILLE: Final = 1000
_PER_CHARACTER: Final = 20
_LONGEST_WORD: Final = 50

COUNTS: Final = ("characters", "words")
SHARES: Final = ("digits", "punctuation", "upper_case", "non_ascii")  # of the characters
WORD_LENGTH: Final = "word_length"  # mean, in characters
N_BINS: Final[Mapping[str, int]] = {
    **dict.fromkeys(COUNTS, _EXACT + _PER_OCTAVE * _N_OCTAVES),
    **dict.fromkeys(SHARES, _PER_MILLE + 1),
    WORD_LENGTH: _PER_CHARACTER * _LONGEST_WORD + 1,
}


@dataclass(frozen=True)
class KolmogorovSmirnov:
    """The largest gap between two distribution functions, and how probable such a one is."""

    distance: float
    p: float
    medians: tuple[float, float]  # of the new texts, and of the reference's


def bins(name: str, values: npt.NDArray[np.number]) -> IntArray:
    """Return each value's bin, 0 .. `N_BINS` - 1, in the order of the values."""
    if name in COUNTS:
        return _count_bins(values.astype(np.int64))
    scale = _PER_MILLE if name in SHARES else _PER_CHARACTER
    at = np.rint(values.astype(np.float64) * scale).astype(np.int64)
    return np.clip(at, 0, N_BINS[name] - 1)


def value_of(name: str, at: int) -> float:
    """Return the number that a bin begins with, or stands for."""
    if name not in COUNTS:
        return at / (_PER_MILLE if name in SHARES else _PER_CHARACTER)
    if at < _EXACT:
        return float(at)
    octave, place = divmod(at - _EXACT, _PER_OCTAVE)
    return float((_PER_OCTAVE + place) << (octave + 1))


def _count_bins(values: IntArray) -> IntArray:
    values = np.clip(values, 0, 2**31 - 1)
    exponent = np.frexp(np.maximum(values, _EXACT).astype(np.float64))[1].astype(np.int64) - 1
    octave = exponent - 8
    place = (values >> np.maximum(exponent - 7, 0)) - _PER_OCTAVE
    return np.where(values < _EXACT, values, _EXACT + octave * _PER_OCTAVE + place)


def kolmogorov_smirnov(
    name: str, new: IntArray, reference: IntArray, sizes: tuple[float, float]
) -> KolmogorovSmirnov:
    """Compare two histograms.

    Parameters
    ----------
    new, reference : int64, shape (bins,)
    sizes : effective numbers of texts

    Notes
    -----
    The asymptotic distribution with Stephens' correction for small samples (Stephens 1970).
    """
    cumulative = [np.cumsum(counts) / max(1, counts.sum()) for counts in (new, reference)]
    distance = float(np.abs(cumulative[0] - cumulative[1]).max())
    total = sum(sizes)
    root = float(np.sqrt(sizes[0] * sizes[1] / total)) if total else 0.0
    p = float(kolmogorov((root + 0.12 + 0.11 / root) * distance)) if root else 1.0
    first, second = (value_of(name, int(np.searchsorted(of, 0.5))) for of in cumulative)
    return KolmogorovSmirnov(distance, p, (first, second))
