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
from typing import Final, Self

import numpy as np

from lakewinnow.core.evaluation.paired_comparison import CONFIDENCE, Interval
from lakewinnow.core.intervals import wilson
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

FEWEST: Final = 10  # answers that a figure of a part of the rows is given for
_PRIOR_ROWS: Final = 4.0  # of the overall rate, that a stratum's is drawn towards it by
_ERRORS_AT_START: Final = 1  # that the first cut tried must be able to have, and be shown
_STEPS: Final = 8  # cuts that are tried


@dataclass(frozen=True)
class Cut:
    """The rows up to some bin: of them, the share of hits among the answered."""

    bin: int  # the last that is taken
    answered: int  # rows of the sample
    share: Interval  # of hits


@dataclass(frozen=True)
class ScoreCuts:
    """Two answers to how far down the rows, the best first, a share is still as wanted."""

    # the furthest cut whose share is at least that, with a confidence of 95%; None: not one
    shown: Cut | None
    likely: Cut | None  # the furthest cut at which the estimate is; None: not one


@dataclass(frozen=True, eq=False)
class Answers:
    """Answered rows of a sample: in each stratum a random part of its rows."""

    stratum: IntArray  # int64, shape (n,), of each answered row
    rows: FloatArray  # float64, shape (H,), rows of each stratum, of which some are answered

    @classmethod
    def of(cls, stratum: IntArray, rows: IntArray) -> Self:
        """Return answers; a stratum without any is joined to the next that has some.

        Parameters
        ----------
        rows : int64, shape (all strata,), rows of each, whether answered or not
        """
        at = np.unique(stratum)
        joined = np.minimum(np.searchsorted(at, np.arange(len(rows))), max(len(at) - 1, 0))
        met = np.bincount(joined, rows, len(at)) if len(at) else np.zeros(0)
        return cls(np.searchsorted(at, stratum).astype(np.int64), met.astype(np.float64))

    def share(
        self, hits: BoolArray, among: BoolArray | None = None, confidence: float = CONFIDENCE
    ) -> Interval | None:
        """Share of hits in all rows, with an interval; None where no row was answered.

        Parameters
        ----------
        hits : bool, shape (n,)
        among : bool, shape (n,), the answered rows of a kind, the share in whose rows is meant. How
            many there are is taken from the sample, too
        """
        if among is None:
            among = np.ones(len(hits), bool)
        return self._share(hits, among, confidence) if among.any() else None

    def cuts(self, bins: IntArray, hits: BoolArray, among: BoolArray, wanted: float) -> ScoreCuts:
        """Find how far the bins may go, from the lowest, for a wanted share of hits in their rows.

        What is shown is found by tests in a fixed sequence: cuts are tried one after the other,
        smallest first, until one fails, so that the confidence holds although many are tried
        (Angelopoulos, Bates, Candès, Jordan and Lei 2021, "Learn then Test", on fixed sequence
        testing). Which are tried depends on how many rows were answered up to each, and not on the
        answers.

        Parameters
        ----------
        bins : int64, shape (n,); a cut takes all rows up to some bin
        hits, among : bool, shape (n,)
        wanted : above 0 and below 1
        """
        found, counts = np.unique(bins[among], return_counts=True)
        answered = np.cumsum(counts)

        def cut(at: int) -> Cut:
            rows = among & (bins <= found[at])
            return Cut(int(found[at]), int(answered[at]), self._share(hits, rows, CONFIDENCE))

        shown = None
        for at in _tried(answered, wanted):
            # The lower end of a two-sided interval of 90% is a bound of 95%
            rows = among & (bins <= found[at])
            if self._share(hits, rows, 2 * CONFIDENCE - 1).low < wanted:
                break
            shown = cut(at)
        large = np.flatnonzero(answered >= FEWEST)[::-1].tolist()
        likely = (at for at in map(cut, large) if at.share.value >= wanted)
        return ScoreCuts(shown, next(likely, None))

    def _share(self, hits: BoolArray, among: BoolArray, confidence: float) -> Interval:
        n_strata = len(self.rows)
        all_, some, n_hits = (
            np.bincount(self.stratum[mask], minlength=n_strata)
            for mask in (slice(None), among, among & hits)
        )
        met = some > 0
        rows = self.rows[met] * some[met] / all_[met]
        return _stratified(rows, some[met], n_hits[met], _z(confidence))


def _stratified(rows: FloatArray, answered: IntArray, hits: IntArray, z: float) -> Interval:
    """Return the share of hits in all rows; each stratum has answers."""
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
    """Return Wilson's interval; that of a share of 0 or 1 reaches it, whatever rounding says."""
    low, high = map(float, wilson(value, n, z))
    return Interval(value, min(value, low), max(value, high))


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


def _tried(answered: IntArray, wanted: float) -> list[int]:
    """Return the cuts to try: the first that could be shown with an error in it, and a few more.

    Where answers are too few for that it is the last, whose rows may all be answered.
    """
    z = _z(2 * CONFIDENCE - 1)
    n = _ERRORS_AT_START + 1
    while _wilson(1 - _ERRORS_AT_START / n, n, z).low < wanted:
        n += 1
    large = np.flatnonzero(answered >= min(n, answered[-1])) if len(answered) else answered
    at = np.linspace(0, len(large) - 1, min(_STEPS, len(large))).round().astype(np.int64)
    tried: list[int] = large[np.unique(at)].tolist()
    return tried


# --- people -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How far people agree on the rows that several of them answered."""

    rows: int  # that two or more answered
    share: float  # of the pairs of answers to a row that are the same
    # Krippendorff's, which takes out what chance would give: 1 all agree, 0 as by chance; None
    # where all answers are the same, of which it says nothing
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
