"""What annotators say of the rows of each class, by how often they said what of which.

An annotator of few opinions is believed to be like those of its kind, but for how often it errs; a
kind of few, to err as often in every class and to take it for any other.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from lakewinnow.core.types import FloatArray

FUNCTION: Final = "function"  # the kind that is asked about every row
# Opinions believed beforehand
_RIGHT: Final = 0.5  # share of right ones
_OF_KIND: Final = 10.0  # of a kind, on how often it is right
_OF_ONE: Final = 10.0  # of an annotator, on how much oftener than its kind it errs
_OF_CLASS: Final = 4.0  # on what is said of a class, or as many as there are classes
_LEAST: Final = 1e-3  # share of opinions that are wrong, and of those that are right


def estimate(counts: FloatArray, kinds: Sequence[str], rows: FloatArray) -> FloatArray:
    """Return P(opinion = row | true = column) of each annotator, float64, shape (A, K, K).

    Parameters
    ----------
    counts : float64, shape (A, K, K), opinions of each annotator, rows = opinion, columns = true
    kinds : A names; the columns of a `FUNCTION` sum to the share of rows that it has an opinion on
    rows : float64, shape (K,), rows of each class that functions were asked about
    """
    found = np.empty_like(counts)
    for kind in sorted(set(kinds)):
        those = [a for a, of in enumerate(kinds) if of == kind]
        found[those] = _of_kind(counts[those])
        if kind == FUNCTION:
            found[those] *= _coverage(counts[those], rows)[:, np.newaxis]
    return found


def drawn_towards(counts: FloatArray, believed: FloatArray) -> FloatArray:
    """Return confusions that are as believed, but for what the counts say; shape (A, K, K).

    With few opinions of each class, these are believed to err alike, but more often, or less.

    Parameters
    ----------
    counts : float64, shape (A, K, K), opinions, rows = opinion, columns = true
    believed : float64, shape (K, K), P(opinion = row | true = column)
    """
    is_right = np.eye(len(believed), dtype=bool)
    per_class, wrong = counts.sum(axis=1), np.maximum(1 - believed.diagonal(), _LEAST)
    errors = per_class.sum(axis=1) - counts[:, is_right].sum(axis=1)
    beforehand = _OF_ONE * wrong.mean()
    times = (errors + beforehand) / (per_class @ wrong + beforehand)
    own_wrong = np.clip(times[:, np.newaxis] * wrong, _LEAST, 1 - _LEAST)
    own = believed * (own_wrong / wrong)[:, np.newaxis]
    own[:, is_right] = 1 - own_wrong
    of_class = max(_OF_CLASS, len(believed))
    found: FloatArray = (counts + of_class * own) / (per_class[:, np.newaxis] + of_class)
    return found


def _of_kind(counts: FloatArray) -> FloatArray:
    """Return the confusion of annotators of one kind by their counts, both of shape (A, K, K)."""
    n_classes = counts.shape[1]
    is_right = np.eye(n_classes, dtype=bool)
    pooled = counts.sum(axis=0)
    right = (pooled.diagonal().sum() + _RIGHT * _OF_KIND) / (pooled.sum() + _OF_KIND)
    even = np.where(is_right, right, (1 - right) / max(1, n_classes - 1))
    of_class = max(_OF_CLASS, n_classes)
    of_kind = (pooled + of_class * even) / (pooled.sum(axis=0) + of_class)
    return drawn_towards(counts, of_kind)


def _coverage(counts: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the share of the rows of each class that annotators have an opinion on, (A, K)."""
    opinions = counts.sum(axis=1)
    of_any_class = opinions.sum(axis=1, keepdims=True) / max(1.0, rows.sum())
    coverage: FloatArray = (opinions + _OF_CLASS * of_any_class) / (rows + _OF_CLASS)
    return np.clip(coverage, _LEAST, 1 - _LEAST)
