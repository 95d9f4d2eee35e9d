"""Which rows of pred_probs can be worked with; each row is judged by itself.

Probabilities come as people publish them: of float16, of float32 that a softmax left at 1.00001, or
rounded to a few digits. A value that is off by 1e-3 at most is taken, clipped to 0 .. 1. A sum that
is off by 1e-2 at most is taken as it is: every rule compares probabilities, as cleanlab's do, and
none needs their sum.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.confident_learning import EPSILON
from lakewinnow.core.types import BoolArray, FloatArray

BAD_SUM: Final = 1e-2  # float16 probabilities are off by 1e-3, published ones by 2e-5
IMPRECISE_SUM: Final = 1e-5
BAD_VALUE: Final = 1e-3  # how far below 0, or above 1, is more than a lack of digits
_ROUNDING: Final = 1e-9  # so that 1.001 is not more than 1e-3 above 1


class Fault(IntEnum):
    """Why a row of pred_probs is refused; the first that applies."""

    NONE = 0
    NAN = 1
    NEGATIVE = 2  # below -1e-3
    ABOVE_ONE = 3  # above 1 + 1e-3
    SUM = 4  # off by more than 1e-2

    @property
    def code(self) -> str:
        """Error code, as in `quarantine/`."""
        return _CODES[self]

    @property
    def reason(self) -> str:
        """What is wrong, for a user."""
        return _REASONS[self]


_CODES: Final = {
    Fault.NONE: "",
    Fault.NAN: "pred_probs_nan",
    Fault.NEGATIVE: "pred_probs_negative",
    Fault.ABOVE_ONE: "pred_probs_above_one",
    Fault.SUM: "pred_probs_sum",
}
_REASONS: Final = {
    Fault.NONE: "",
    Fault.NAN: "a probability is NaN",
    Fault.NEGATIVE: "a probability is negative",
    Fault.ABOVE_ONE: "a probability is above 1",
    Fault.SUM: f"the probabilities do not sum to 1 (off by more than {BAD_SUM})",
}


class Judgement(NamedTuple):
    """What is wrong with a block of pred_probs."""

    faults: npt.NDArray[np.int8]  # int8, shape (n,), values of `Fault`
    # rows without fault that deserve a warning: to be clipped, or of a sum off by more than 1e-5
    n_imprecise: int
    n_clipped: int  # rows without fault that `clipped` changes


def judge(pred_probs: FloatArray) -> Judgement:
    """Find the rows that are not probability distributions.

    Parameters
    ----------
    pred_probs : float64, shape (n, K), finite or not
    """
    faults = np.zeros(len(pred_probs), np.int8)
    off_by = np.abs(pred_probs.sum(axis=1) - 1)
    faults[off_by > BAD_SUM] = Fault.SUM
    is_outside = _outside(pred_probs)
    if is_outside.any():
        slack = BAD_VALUE + _ROUNDING
        faults[(pred_probs > 1 + slack).any(axis=1)] = Fault.ABOVE_ONE
        faults[(pred_probs < -slack).any(axis=1)] = Fault.NEGATIVE
        faults[np.isnan(pred_probs).any(axis=1)] = Fault.NAN
    is_good = faults == Fault.NONE
    is_imprecise: BoolArray = is_good & (is_outside | (off_by > IMPRECISE_SUM))
    n_imprecise, n_clipped = map(np.count_nonzero, (is_imprecise, is_good & is_outside))
    return Judgement(faults, int(n_imprecise), int(n_clipped))


def clipped(pred_probs: FloatArray) -> FloatArray:
    """Return pred_probs whose rows with a value outside 0 .. 1 by more than 1e-6 are clipped.

    Of other rows nothing is changed, so that results equal cleanlab's, whose slack is 1e-6.

    Parameters
    ----------
    pred_probs : float64, shape (n, K)
    """
    is_outside = _outside(pred_probs)
    if not is_outside.any():
        return pred_probs
    return np.where(is_outside[:, np.newaxis], np.clip(pred_probs, 0, 1), pred_probs)


def _outside(pred_probs: FloatArray) -> BoolArray:
    """Return whether each row has a value outside 0 .. 1, or none at all, shape (n,)."""
    # Two reductions over the block tell that nearly all blocks need no look at the single values
    if not pred_probs.size or (pred_probs.min() >= -EPSILON and pred_probs.max() <= 1 + EPSILON):
        return np.zeros(len(pred_probs), bool)
    is_within = (pred_probs >= -EPSILON) & (pred_probs <= 1 + EPSILON)
    is_outside: BoolArray = np.any(~is_within, axis=1)
    return is_outside
