"""What people's labels of a stratified sample say about all rows: shares with intervals, cuts.

A share is estimated stratum by stratum and weighted by the rows of each. Its interval is Wilson's
(1927) of a sample of effective size n / design effect, as compared with others by Franco, Little,
Louis and Slud 2019, "Comparative study of confidence intervals for proportions in complex sample
surveys", J. Surv. Stat. Methodol. 7(3): of one stratum it is Wilson's interval. The variances that
the design effect is made of are those of rates drawn towards the overall one, since a stratum all
of whose few rows agree does not have none. Rows of a stratum that is small are not drawn with
replacement, so that one of which all rows were answered adds nothing to the width.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from lakewinnow.core.comparison import CONFIDENCE, Interval
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

FEWEST: Final = 10  # answers that a figure of a part of the rows is given for
_PRIOR_ROWS: Final = 4.0  # of the overall rate, that a stratum's is drawn towards it by
_ERRORS_AT_START: Final = 1  # that the first cut tried must be able to have, and be shown
_STEPS: Final = 8  # cuts that are tried beyond it


def share(
    rows: FloatArray, answered: IntArray, hits: IntArray, confidence: float = CONFIDENCE
) -> Interval | None:
    """Share of all rows that would be hits, with an interval; None where no row was answered.

    Parameters
    ----------
    rows : float64, shape (H,), rows of each stratum
    answered : int64, shape (H,), of these, a random part
    hits : int64, shape (H,), of the answered. A stratum of which none was answered counts as the
        next one that was does
    """
    at = np.flatnonzero(answered)
    if not len(at):
        return None
    of = np.minimum(np.searchsorted(at, np.arange(len(rows))), len(at) - 1)
    met = np.bincount(of, rows, len(at)).astype(np.float64)
    return _share(met, answered[at], hits[at], _z(confidence))


def _share(rows: FloatArray, answered: IntArray, hits: IntArray, z: float) -> Interval:
    """Return the share of hits; each stratum has answers."""
    weights = rows / rows.sum()
    value = float(weights @ (hits / answered))
    n = int(answered.sum())
    centre = (n * value + z * z / 2) / (n + z * z)
    rates = (hits + _PRIOR_ROWS * centre) / (answered + _PRIOR_ROWS)
    left = np.maximum(rows - answered, 0.0) / np.maximum(rows - 1, 1.0)
    variance = float((weights**2 * rates * (1 - rates) / answered * left).sum())
    if variance == 0.0:
        return Interval(value, value, value)
    overall = float(weights @ rates)
    return _wilson(value, overall * (1 - overall) / variance, z)


def _wilson(value: float, n: float, z: float) -> Interval:
    """Wilson's interval of a share of n independent rows (Wilson 1927)."""
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(value * (1 - value) / n + z * z / (4 * n * n)))
    return Interval(value, max(0.0, min(value, middle - half)), min(1.0, max(value, middle + half)))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def ratio_of_totals(part: Interval, other: Interval, n_part: int, n_other: int) -> Interval:
    """Share of one total in the sum of two, part · n_part / (part · n_part + other · n_other).

    Its ends are those of both intervals that are furthest apart, so that it holds whenever both do.
    """

    def of(some: float, rest: float) -> float:
        whole = some * n_part + rest * n_other
        return some * n_part / whole if whole else 1.0

    return Interval(of(part.value, other.value), of(part.low, other.high), of(part.high, other.low))


@dataclass(frozen=True)
class Cut:
    """The rows up to some bin: of them, the share of hits among the answered.

    Attributes
    ----------
    bin : the last that is taken
    answered : rows of the sample
    share : of hits
    """

    bin: int
    answered: int
    share: Interval


@dataclass(frozen=True)
class Cuts:
    """Two answers to how far down the rows, the best first, a share is still as wanted.

    Attributes
    ----------
    shown : the furthest cut whose share is at least that, with a confidence of 95%; None: not one
    likely : the furthest cut at which the estimate is; None: not one
    """

    shown: Cut | None
    likely: Cut | None


def cuts(
    bins: IntArray, hits: BoolArray, stratum: IntArray, rows: FloatArray, wanted: float
) -> Cuts:
    """Find the cuts for a wanted share of hits.

    What is shown is found by tests in a fixed sequence: cuts are tried one after the other,
    smallest first, until one fails, so that the confidence holds although many are tried
    (Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then Test", section on fixed sequence
    testing). Which are tried depends on how many rows were answered up to each, not on the answers.

    Parameters
    ----------
    bins : int64, shape (n,), of the answered rows; a cut takes all rows up to some bin
    hits : bool, shape (n,)
    stratum : int64, shape (n,)
    rows : float64, shape (H,), rows of each stratum
    wanted : above 0 and below 1
    """
    order = np.argsort(bins, kind="stable")
    bins, hits, stratum = bins[order], hits[order], stratum[order]
    ends = np.flatnonzero(np.diff(bins, append=bins[-1:] + 1)) + 1  # answered up to each cut
    all_answered = np.bincount(stratum, minlength=len(rows))

    def cut(end: int, confidence: float = CONFIDENCE) -> Cut:
        answered = np.bincount(stratum[:end], minlength=len(rows))
        n_hits = np.bincount(stratum[:end][hits[:end]], minlength=len(rows))
        met = np.flatnonzero(answered)
        below = rows[met] * answered[met] / all_answered[met]  # of the stratum, up to the bin
        found = _share(below, answered[met], n_hits[met], _z(confidence))
        return Cut(int(bins[end - 1]), end, found)

    shown = None
    for end in _tried(ends, wanted):
        # The lower end of a two-sided interval of 90% is a bound of 95%
        if cut(end, 2 * CONFIDENCE - 1).share.low < wanted:
            break
        shown = cut(end)
    likely = map(cut, ends[ends >= FEWEST][::-1].tolist())
    return Cuts(shown, next((found for found in likely if found.share.value >= wanted), None))


def _tried(ends: IntArray, wanted: float) -> list[int]:
    """Return the cuts to try: the first that could be shown with an error in it, and a few more."""
    z = _z(2 * CONFIDENCE - 1)
    n = _ERRORS_AT_START + 1
    while _wilson(1 - _ERRORS_AT_START / n, n, z).low < wanted:
        n += 1
    ends = ends[ends >= n]
    at = np.linspace(0, len(ends) - 1, min(_STEPS, len(ends))).round().astype(np.int64)
    tried: list[int] = ends[np.unique(at)].tolist()
    return tried


# --- people -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How far people agree on the rows that several of them answered.

    Attributes
    ----------
    rows : that two or more answered
    share : of the pairs of answers to a row that are the same
    alpha : Krippendorff's, which takes out what chance would give: 1 all agree, 0 as by chance;
        None where all answers are the same, of which it says nothing
    """

    rows: int
    share: float
    alpha: float | None


def agreement(votes: IntArray) -> Agreement | None:
    """Agreement of any number of people, each on some of the rows; None where no row has two.

    Krippendorff's alpha of nominal data (Krippendorff 2011, "Computing Krippendorff's
    alpha-reliability").

    Parameters
    ----------
    votes : int64, shape (n, answers), how many people gave a row each answer
    """
    votes = votes[votes.sum(axis=1) > 1]
    if not len(votes):
        return None
    n_votes = votes.sum(axis=1)
    same = (votes**2).sum(axis=1) - n_votes  # ordered pairs
    pairs = n_votes**2 - n_votes
    total, of_answer = int(n_votes.sum()), votes.sum(axis=0)
    observed = float(((pairs - same) / (n_votes - 1)).sum()) / total
    expected = (total**2 - int((of_answer**2).sum())) / (total * (total - 1))
    alpha = 1 - observed / expected if expected else None
    return Agreement(len(votes), int(same.sum()) / int(pairs.sum()), alpha)
