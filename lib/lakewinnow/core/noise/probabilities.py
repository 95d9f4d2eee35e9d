"""Which rows of pred_probs can be worked with; each row is judged by itself."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.confident_learning import EPSILON
from lakewinnow.core.types import BoolArray, FloatArray

BAD_SUM: Final = 1e-2  # float16 probabilities are off by 1e-3, published ones by 2e-5
IMPRECISE_SUM: Final = 1e-3


class Fault(IntEnum):
    """Why a row of pred_probs is refused; the first that applies."""

    NONE = 0
    NAN = 1
    NEGATIVE = 2  # below -1e-6
    ABOVE_ONE = 3  # above 1 + 1e-6
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
    # rows without fault whose sum is off by more than 1e-3, which deserve a warning
    n_imprecise: int


def judge(pred_probs: FloatArray) -> Judgement:
    """Find the rows that are not probability distributions.

    Parameters
    ----------
    pred_probs : float64, shape (n, K), finite or not
    """
    faults = np.zeros(len(pred_probs), np.int8)
    off_by = np.abs(pred_probs.sum(axis=1) - 1)
    faults[off_by > BAD_SUM] = Fault.SUM
    # Two reductions over the block tell that nearly all blocks need no look at the single values
    if not _is_within(pred_probs):
        faults[(pred_probs > 1 + EPSILON).any(axis=1)] = Fault.ABOVE_ONE
        faults[(pred_probs < -EPSILON).any(axis=1)] = Fault.NEGATIVE
        faults[np.isnan(pred_probs).any(axis=1)] = Fault.NAN
    is_imprecise: BoolArray = (off_by > IMPRECISE_SUM) & (faults == Fault.NONE)
    return Judgement(faults, int(np.count_nonzero(is_imprecise)))


def _is_within(pred_probs: FloatArray) -> bool:
    if not pred_probs.size:
        return True
    return bool(pred_probs.min() >= -EPSILON and pred_probs.max() <= 1 + EPSILON)
