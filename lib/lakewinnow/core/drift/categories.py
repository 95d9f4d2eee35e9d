"""Whether two sets of rows have the same shares of labels, and the same noise in them.

Counts may be effective ones (see `effective`): a text that came a thousand times is no more
evidence than one row, or little more.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from lakewinnow.core.types import FloatArray, IntArray

LEAST_EXPECTED: Final = 5.0  # in both samples, for chi-squared to hold (Cochran 1954)
SMOOTHING: Final = 0.5  # of each count in the PSI, or a class that is gone were infinitely far

Counts: TypeAlias = npt.NDArray[np.floating] | IntArray


@dataclass(frozen=True)
class ChiSquared:
    """A chi-squared test; of 0 degrees of freedom where there was too little to test."""

    statistic: float
    df: int
    p: float


@dataclass(frozen=True, eq=False)
class ClassShares:
    """Each class in the new rows and in the reference; float64, shape (K,)."""

    # shares
    new: FloatArray
    reference: FloatArray
    psi: FloatArray  # what a class adds to the PSI
    # of its share being the same, two-sided, with Yates' correction; 1 where it is expected fewer
    # than `LEAST_EXPECTED` times
    p: FloatArray


@dataclass(frozen=True, eq=False)
class NoiseDrift:
    """How given labels depend on true ones, in two sets of rows."""

    test: ChiSquared  # that P(given | true) is the same for every true class
    # half the sum of the absolute differences of P(given | true), mean over the true classes, each
    # weighted by its rows: the share of labels that would be given otherwise
    distance: float
    # float64, shape (K,), of each true class; 0 and 1 where it has too few rows
    distances: FloatArray
    p: FloatArray


def effective(n_rows: float, n_squared: float) -> float:
    """Return how many independent rows are worth as much: Kish's effective size.

    Parameters
    ----------
    n_rows, n_squared : sums, over the distinct texts, of their rows, and of these squared
    """
    return n_rows**2 / n_squared if n_squared else 0.0


def psi(new: Counts, reference: Counts) -> FloatArray:
    """Return what each class adds to the population stability index, shape (K,).

    ``sum (p - q) ln(p / q)``, the Jeffreys divergence, of counts to which `SMOOTHING` was added.
    """
    p, q = (_smoothed(counts) for counts in (new, reference))
    parts: FloatArray = (p - q) * np.log(p / q)
    return parts


def _smoothed(counts: Counts) -> FloatArray:
    smoothed: FloatArray = (counts + SMOOTHING) / (counts.sum() + SMOOTHING * len(counts))
    return smoothed


def homogeneity(new: Counts, reference: Counts, *, yates: bool = True) -> ChiSquared:
    """Test that two rows of counts have the same shares (Pearson).

    Cells that are expected fewer than `LEAST_EXPECTED` times in either sample are one cell; where
    that is expected as rarely, the smallest of the others joins it. Of two cells, the statistic is
    that with Yates' correction.

    Parameters
    ----------
    new, reference : shape (K,), effective counts
    """
    n_new, n_reference = float(new.sum()), float(reference.sum())
    if not n_new or not n_reference:
        return ChiSquared(0.0, 0, 1.0)
    both = new + reference
    expected = both * min(n_new, n_reference) / (n_new + n_reference)
    cell = np.empty(len(both), np.int64)
    ascending = np.argsort(expected, kind="stable")
    n_small = int((expected < LEAST_EXPECTED).sum())
    while n_small and n_small < len(both):
        if expected[ascending[:n_small]].sum() >= LEAST_EXPECTED:
            break
        n_small += 1
    cell[ascending[:n_small]] = 0
    n_others = len(both) - n_small
    cell[ascending[n_small:]] = np.arange(n_others) + (1 if n_small else 0)
    observed = np.array([np.bincount(cell, counts) for counts in (new, reference)])
    df = observed.shape[1] - 1
    if df < 1:
        return ChiSquared(0.0, 0, 1.0)
    totals = observed.sum(axis=1, keepdims=True)
    wanted = totals * observed.sum(axis=0) / totals.sum()
    gaps = np.abs(observed - wanted)
    if df == 1 and yates:
        gaps = np.maximum(gaps - 0.5, 0)
    statistic = float((gaps**2 / wanted).sum())
    return ChiSquared(statistic, df, float(chdtrc(df, statistic)))


def class_shares(
    new: Counts, reference: Counts, weights: tuple[float, float] = (1.0, 1.0)
) -> ClassShares:
    """Compare the classes one by one.

    Parameters
    ----------
    new, reference : shape (K,), rows of each class
    weights : what makes these effective counts
    """
    counts = np.array([new * weights[0], reference * weights[1]], np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    tests = [
        homogeneity(*np.column_stack([of_class, (totals - of_class[:, None])[:, 0]]))
        for of_class in counts.T
    ]
    shares = counts / np.maximum(totals, np.finfo(float).tiny)
    p = np.array([test.p for test in tests])
    return ClassShares(shares[0], shares[1], psi(new, reference), p)


def noise_drift(new: Counts, reference: Counts) -> NoiseDrift:
    """Compare the noise matrices that two confident joints are evidence of.

    Each column, a true class, is a test of its own. The classes whose wrong labels are too few for
    that are one test: that they are wrong as often, class by class (Mantel & Haenszel 1959). The
    statistics are independent, so their sum is one on the sum of their degrees of freedom.

    Parameters
    ----------
    new, reference : shape (K, K), confident joints as counted, by the same models, rows = given
        label, columns = true label; or effective counts of these
    """
    n_classes = len(new)
    distances, p = np.zeros(n_classes), np.ones(n_classes)
    n_tested = np.zeros(n_classes)
    tests, sparse = [], np.zeros(n_classes, np.bool_)
    joints = (new, reference)
    for k in range(n_classes):
        columns = [joint[:, k] for joint in joints]
        test = homogeneity(*columns, yates=False)
        sparse[k] = not test.df
        if test.df:
            tests.append(test)
            p[k] = homogeneity(*columns).p
            shares = [column / column.sum() for column in columns]
            distances[k] = np.abs(shares[0] - shares[1]).sum() / 2
            n_tested[k] = min(column.sum() for column in columns)
    test, difference, n_sparse = _mantel_haenszel(
        *(
            counts[sparse]
            for joint in joints
            for counts in (joint.sum(axis=0) - joint.diagonal(), joint.diagonal())
        )
    )
    tests.append(test)
    statistic, df = sum(test.statistic for test in tests), sum(test.df for test in tests)
    overall = ChiSquared(statistic, df, float(chdtrc(df, statistic)) if df else 1.0)
    total = float(n_tested.sum()) + n_sparse
    mean = float(distances @ n_tested + difference * n_sparse) / total if total else 0.0
    return NoiseDrift(overall, mean, distances, p)


def _mantel_haenszel(
    wrong: Counts, right: Counts, other_wrong: Counts, other_right: Counts
) -> tuple[ChiSquared, float, float]:
    """Test that in each of several classes two samples are wrong as often.

    Returns
    -------
    the test, without a correction for continuity; the absolute difference of the shares that are
    wrong, over all classes; the rows that this is of
    """
    n, m = wrong + right, other_wrong + other_right
    both = n + m
    there = (n > 0) & (m > 0) & (both > 1)
    wrong, n, m, both = (of[there] for of in (wrong, n, m, both))
    n_wrong = wrong + other_wrong[there]
    variance = float((n * m * n_wrong * (both - n_wrong) / (both**2 * (both - 1))).sum())
    excess = float((wrong - n * n_wrong / both).sum())
    if variance <= 0:
        return ChiSquared(0.0, 0, 1.0), 0.0, 0.0
    statistic = excess**2 / variance
    test = ChiSquared(statistic, 1, float(chdtrc(1, statistic)))
    return test, abs(excess) / float((n * m / both).sum()), float(np.minimum(n, m).sum())
