"""A cut that keeps a promise: of the rows up to it that nobody checked, so many at most are wrong.

The promise is of the share itself in the rows at hand, with a probability, and not of its mean over
data sets: whoever cleans one data set has one share, and where 10% are promised on average (the
false discovery rate of Benjamini-Hochberg on conformal p-values) it is above that in about half of
all data sets.

It rests on checked rows that are a random part of all. Of n checked and m other rows up to a cut,
k checked ones are wrong. If more than a of the others were wrong, at least k + a + 1 of n + m would
be, and the checked ones a random part of them: the probability of k or fewer is hypergeometric, and
where it is small the rows are not like that. These are exact prediction limits (Thatcher 1964,
"Relationships between Bayesian and confidence limits for predictions", J. R. Stat. Soc. B 26(2)),
which need no model of the rows and no large numbers.

Several cuts are tried in a fixed sequence, the surest rows first, until one fails, so that the
confidence holds although the answers choose (Angelopoulos, Bates, Candès, Jordan and Lei 2021,
"Learn then Test: calibrating predictive algorithms to achieve risk control", on fixed sequence
testing). Which cuts are tried depends on how the rows lie, and not on which of them are checked.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakewinnow.core.types import IntArray

_STEPS: Final = 8  # cuts that are tried
# Checked rows that may be wrong at the first of them, which has a third of all checked rows if
# that is more. Fewer start nearer to the surest rows, and end more often there by bad luck
_WRONG_AT_START: Final = 2
_SHARE_AT_START: Final = 1 / 3
_TIES: Final = 1e-9  # what the last bits of a probability may differ by


@dataclass(frozen=True)
class PromisedCut:
    """The furthest cut that keeps a promise."""

    bin: int  # the last that is taken
    others: int  # rows up to it that nobody checked, which the promise is about
    checked: int
    wrong: int  # of the checked


def promised_cut(
    others: IntArray, checked: IntArray, wrong: IntArray, most: float, confidence: float
) -> PromisedCut | None:
    """Return how far the rows may be taken, the surest first; None: not at all.

    Parameters
    ----------
    others, checked, wrong : int64, shape (bins,), rows that nobody checked, checked ones, and wrong
        ones of these; of the surest rows first
    most : the largest share of the others that may be wrong, above 0 and below 1
    confidence : probability that the promise holds, whatever the rows are
    """
    found = None
    totals = (np.cumsum(counts) for counts in (others, checked, wrong))
    n_others, n_checked, n_wrong = (counts.tolist() for counts in totals)
    for at in _tried(others + checked, int(checked.sum()), most, confidence):
        m, n, k = n_others[at], n_checked[at], n_wrong[at]
        if probability(k, n, m, most) > 1 - confidence + _TIES:
            break
        found = PromisedCut(at, m, n, k)
    return found


def probability(wrong: int, checked: int, others: int, most: float) -> float:
    """Return how probable so few wrong checked rows are, if too many of the others were wrong.

    Parameters
    ----------
    most : share of the others; more than that is too many
    """
    too_many = math.floor(most * others + _TIES) + 1
    if too_many > others:
        return 0.0
    return _hypergeometric(wrong, checked, wrong + too_many, checked + others)


def fewest_checked(most: float, confidence: float, wrong: int = 0) -> int:
    """Return how many checked rows show it, if so many are wrong and there are very many others."""
    n = wrong + 1
    while _binomial(wrong, n, most) > 1 - confidence:
        n += 1
    return n


def _tried(rows: IntArray, n_checked: int, most: float, confidence: float) -> list[int]:
    """Return the bins to try: from where enough rows are to be expected to be checked, to all."""
    up_to = np.cumsum(rows)
    if not n_checked:
        return []
    total = int(up_to[-1])
    fewest = fewest_checked(most, confidence, _WRONG_AT_START) / n_checked
    wanted = np.linspace(min(max(fewest, _SHARE_AT_START), 1.0) * total, total, _STEPS)
    bins: list[int] = np.unique(np.searchsorted(up_to, wanted - 0.5)).tolist()
    return bins


def _hypergeometric(most: int, drawn: int, wrong: int, rows: int) -> float:
    """Probability of `most` wrong rows or fewer among some drawn from all without replacement."""
    least = max(0, drawn - (rows - wrong))
    terms = range(least, min(most, wrong, drawn) + 1)
    all_ = _log_ways(rows, drawn)
    logs = (_log_ways(wrong, k) + _log_ways(rows - wrong, drawn - k) - all_ for k in terms)
    return min(1.0, math.fsum(map(math.exp, logs)))


def _binomial(most: int, drawn: int, rate: float) -> float:
    terms = (math.comb(drawn, k) * rate**k * (1 - rate) ** (drawn - k) for k in range(most + 1))
    return math.fsum(terms)


def _log_ways(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
