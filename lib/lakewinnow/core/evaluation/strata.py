"""Which rows people are asked about: strata of known size, and how many rows of each are drawn.

The flagged rows and the others are two populations, drawn from separately. Each is cut into bands
of the label score and, as far as the rows to be drawn go round, into classes; a row of a stratum is
drawn with probability drawn / rows, which is known, so that figures of the sample are figures of
the corpus (Cochran 1977, "Sampling Techniques", chapter 5).

Of the flagged rows each stratum gives rows in proportion, so that all have about the same weight.
Of the others each band gives as many as another although the most doubtful is the smallest: there
errors are frequent, and it is near the allocation of least variance, rows · standard deviation,
for error rates that fall as bands grow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray

# Label scores are told apart to two digits, from 1e-9 to 1: a bounded table, and cuts that are easy
# to write down. Bin b holds what is above edge b - 1 and not above edge b.
SCORE_EDGES: Final[FloatArray] = np.array(
    [float(f"{digits}e{power}") for power in range(-10, -1) for digits in range(10, 100)] + [1.0]
)
PROB_EDGES: Final[FloatArray] = np.array([percent / 100 for percent in range(101)])

FLAGGED_BANDS: Final = (
    0.25,
    0.5,
    0.75,
)  # shares of the rows, the most doubtful first, that end one
OTHER_BANDS: Final = (0.1, 0.4)
ROWS_PER_STRATUM: Final = 5  # to draw, on average, before there are more strata
_LEAST: Final = 2  # to draw of a stratum that has as many


def score_bins(scores: FloatArray) -> IntArray:
    """Bin of each label score, 0 .. len(SCORE_EDGES) - 1."""
    bins: IntArray = np.searchsorted(SCORE_EDGES, scores, side="left").astype(np.int64)
    return np.minimum(bins, len(SCORE_EDGES) - 1)  # a rounding error above 1


def prob_bins(probs: FloatArray) -> IntArray:
    """Position of the last of `PROB_EDGES` that a probability is not below."""
    bins: IntArray = np.searchsorted(PROB_EDGES, probs, side="right").astype(np.int64)
    return np.maximum(bins - 1, 0)


def split(n: int, share_of_others: float, n_flagged: int, n_others: int) -> tuple[int, int]:
    """Return how many flagged rows and how many others to draw; what one lacks the other gives."""
    others = min(round(n * share_of_others), n_others)
    flagged = min(n - others, n_flagged)
    return flagged, min(n - flagged, n_others) if share_of_others > 0 else 0


def band_cuts(histogram: IntArray, shares: Sequence[float], n: int) -> IntArray:
    """First bin of every band but the first, such that no band is empty.

    Parameters
    ----------
    histogram : int64, shape (bins,), rows in each bin of the label score
    shares : ascending, of the rows, that each band but the last should end at
    n : rows to be drawn; few of them make fewer bands
    """
    most = max(1, n // ROWS_PER_STRATUM)
    below = np.cumsum(histogram)
    wanted = np.array(shares[: most - 1]) * below[-1]
    cuts = np.searchsorted(below, wanted, side="left") + 1
    is_used = (below[cuts - 1] > 0) & (below[np.minimum(cuts, len(below)) - 1] < below[-1])
    found: IntArray = np.unique(cuts[is_used]).astype(np.int64)
    return found


@dataclass(frozen=True, eq=False)
class StrataOfRows:
    """The strata of the flagged rows, or of the others: groups of classes times bands."""

    cuts: IntArray  # int64, shape (bands - 1,), the first bin of every band but the first
    # classes that are a group of their own; the others, if there are any, are the last group
    own: tuple[int, ...]
    rows: IntArray  # int64, shape (groups, bands), rows that there are
    drawn: IntArray  # int64, shape (groups, bands), rows to draw


def side(counts: IntArray, cuts: IntArray, n: int, *, in_proportion: bool) -> StrataOfRows:
    """Choose groups of classes, and how many rows of each stratum to draw.

    Parameters
    ----------
    counts : int64, shape (K, bands), rows of each class and band
    n : rows to draw of all
    in_proportion : to a stratum's rows; else each band gives as many as another
    """
    own = _own_groups(counts.sum(axis=1), max(1, n // (ROWS_PER_STRATUM * counts.shape[1])))
    others = np.delete(counts, own, axis=0).sum(axis=0, keepdims=True)
    rows = np.concatenate([counts[list(own)], others] if others.any() else [counts[list(own)]])
    weights = rows.astype(np.float64)
    if not in_proportion:
        weights /= np.maximum(weights.sum(axis=0), 1)
    drawn = allocate(rows.reshape(-1), weights.reshape(-1), n).reshape(rows.shape)
    return StrataOfRows(cuts, own, rows, drawn)


def _own_groups(n_rows: IntArray, most: int) -> tuple[int, ...]:
    """Return the classes, the largest, that are a group of their own, of `most` groups."""
    present = np.flatnonzero(n_rows)
    if len(present) > most:
        present = np.sort(np.argsort(-n_rows, kind="stable")[: most - 1])
    return tuple(present.tolist())


def allocate(rows: IntArray, weights: FloatArray, n: int) -> IntArray:
    """Divide n among strata by their weights, at least two to each and at most what it has.

    Parameters
    ----------
    rows : int64, shape (H,)
    weights : float64, shape (H,), above 0 where there are rows

    Returns
    -------
    int64, shape (H,), that sum to n, or to the rows where these are fewer
    """
    n = min(n, int(rows.sum()))
    drawn = np.minimum(rows, _LEAST)
    if drawn.sum() > n:
        drawn = np.minimum(rows, 1)
    if drawn.sum() > n:
        drawn = np.zeros_like(rows)
    # What a stratum would get of all, if nothing bounded it; the bounds leave a rest to divide.
    while (left := n - int(drawn.sum())) > 0:
        is_open = drawn < rows
        share = np.where(is_open, weights, 0.0)
        due = np.maximum(share / share.sum() * (n - drawn[~is_open].sum()) - drawn, 0.0) * is_open
        due *= left / due.sum()
        more = np.minimum(np.floor(due).astype(np.int64), rows - drawn)
        if not more.any():
            largest = np.argsort(-due, kind="stable")[:left]  # remainders; ties go by position
            more = np.zeros_like(rows)
            more[largest] = is_open[largest]
        drawn = drawn + more
    return drawn
