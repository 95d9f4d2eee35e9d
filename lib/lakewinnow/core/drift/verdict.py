"""What all tests of a comparison come to: what has drifted, with one false-alarm rate for all.

A test finds drift where two things hold. Its p, adjusted for all tests that were made (Holm 1979),
is at most the rate: so the chance that anything at all is found where nothing has changed is at
most the rate. And what it measures is as large as `LEAST_EFFECT` says: of a million rows any trifle
is significant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

LABELS: Final = "labels"
TEXT: Final = "text"
CLASSIFIER: Final = "classifier"
DISTANCE: Final = "distance"
NOISE: Final = "noise"

LEAST_EFFECT: Final[Mapping[str, float]] = {
    LABELS: 0.1,  # PSI, which is commonly called a moderate shift from there on
    TEXT: 0.1,  # largest gap between two distribution functions: a tenth of the texts
    CLASSIFIER: 0.55,  # AUC: 0.5 + half the share of rows that could be told apart for certain
    DISTANCE: 0.05,  # square root of the energy distance's coefficient
    NOISE: 0.05,  # of the labels are given otherwise
}
LEAST_RATIO: Final = 1.5  # of a class' shares


@dataclass(frozen=True)
class Test:
    """One test of a comparison."""

    kind: str  # of `LEAST_EFFECT`
    name: str  # the kind, or which number of the texts
    # what it has found
    p: float
    effect: float

    __test__ = False  # pytest would take it for a test of ours


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """Return p-values adjusted so that all together keep one rate (Holm 1979)."""
    values = np.asarray(p, np.float64)
    ascending = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty(len(values))
    adjusted[ascending] = np.minimum(np.maximum.accumulate(values[ascending] * factors), 1.0)
    return adjusted


def is_drift(test: Test, adjusted_p: float, rate: float) -> bool:
    """Whether a test has found drift: both significant and large enough to matter."""
    return adjusted_p <= rate and test.effect >= LEAST_EFFECT[test.kind]


def changed_classes(
    shares: FloatArray, reference: FloatArray, p: FloatArray, rate: float
) -> IntArray:
    """Return the classes whose share has changed, those that have most first.

    A class has changed where its p is significant among all classes (Holm) and its share is
    `LEAST_RATIO` times the other's or more, one way or the other.
    """
    low, high = np.minimum(shares, reference), np.maximum(shares, reference)
    held = np.flatnonzero((holm(p) <= rate) & (high >= LEAST_RATIO * low))
    changed: IntArray = held[np.argsort(-(high - low)[held], kind="stable")]
    return changed
