"""What annotators say of the rows of each class: what they know, or what they guess.

    P(opinion = l | true = k)  =  knows_a · [l = k] + (1 - knows_a) · guesses_a[l]

So an annotator has one number for how often it knows, and one a label for what it says else (MACE:
Hovy, Berg-Kirkpatrick, Vaswani & Hovy 2013). Free matrices explain too much: where rows are asked
about because their labels are doubted, they take what an annotator says against these labels for
its errors. So the counts of what it said of each class, where there are many, only bend it. One of
few opinions is believed to be like those of its kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lakewinnow.core.types import FloatArray

FUNCTION: Final = "function"  # the kind that is asked about every row
_KNOWS: Final = 0.5  # share of opinions that are known, before any is seen
_OPINIONS: Final = 10.0  # that this is worth to a kind, and what is known of its kind to one of it
# Opinions on a class that habits are worth, or as many as there are classes
_OF_CLASS: Final = 4.0
_KEPT: Final = 0.5  # share that habits keep however many opinions there are
_LEAST: Final = 1e-3  # share of opinions that are guessed; of rows with an opinion, and without


@dataclass(frozen=True, eq=False)
class Habits:
    """How annotators come to their opinions, in the order of their numbers."""

    knows: FloatArray  # float64, shape (A,), share of opinions that are known
    guesses: FloatArray  # float64, shape (A, K), of the others, how often each label is said

    @classmethod
    def beforehand(cls, n_annotators: int, shares: FloatArray) -> Self:
        """Return what is believed of annotators before they say anything.

        Parameters
        ----------
        shares : float64, shape (K,), of the classes
        """
        return cls(np.full(n_annotators, _KNOWS), np.tile(shares, (n_annotators, 1)))

    def estimated(self, counts: FloatArray, kinds: Sequence[str], shares: FloatArray) -> Self:
        """Return the habits that opinions show, known or guessed as likely as by these habits.

        Parameters
        ----------
        counts : float64, shape (A, K, K), opinions of each annotator, rows = opinion, columns =
            true class, as expected
        kinds : of each annotator
        shares : float64, shape (K,), of the classes
        """
        own = self.knows[:, np.newaxis]
        is_known = own / (own + (1 - own) * self.guesses)
        known = np.diagonal(counts, axis1=1, axis2=2) * is_known
        guessed = np.maximum(counts.sum(axis=2) - known, 0.0)
        knows, guesses = np.empty_like(self.knows), np.empty_like(self.guesses)
        for kind in sorted(set(kinds)):
            those = [a for a, of in enumerate(kinds) if of == kind]
            of_kind = _share(known[those].sum(), guessed[those].sum(), _KNOWS)
            knows[those] = _share(known[those].sum(axis=1), guessed[those].sum(axis=1), of_kind)
            guesses_of_kind = _shares(guessed[those].sum(axis=0), shares)
            guesses[those] = _shares(guessed[those], guesses_of_kind)
        return type(self)(np.minimum(knows, 1 - _LEAST), guesses)

    def confusion(self, counts: FloatArray, kinds: Sequence[str], rows: FloatArray) -> FloatArray:
        """Return P(opinion = row | true = column) of each annotator, float64, shape (A, K, K).

        Parameters
        ----------
        counts : float64, shape (A, K, K), as above
        kinds : the columns of a `FUNCTION` sum to the share of rows that it has an opinion on
        rows : float64, shape (K,), rows of each class that functions were asked about
        """
        n_classes = len(rows)
        by_habit = (1 - self.knows[:, np.newaxis]) * self.guesses
        found: FloatArray = np.repeat(by_habit[:, :, np.newaxis], n_classes, axis=2)
        found[:, range(n_classes), range(n_classes)] += self.knows[:, np.newaxis]
        opinions = counts.sum(axis=1)
        weight = (max(_OF_CLASS, n_classes) + _KEPT * opinions)[:, np.newaxis]
        bent = (1 - _KEPT) * counts
        found = (bent + weight * found) / (bent.sum(axis=1, keepdims=True) + weight)
        is_function = np.array([kind == FUNCTION for kind in kinds], bool)
        found[is_function] *= _coverage(opinions[is_function], rows)[:, np.newaxis]
        return found


def _share(known: FloatArray, guessed: FloatArray, believed: FloatArray | float) -> FloatArray:
    share: FloatArray = (known + _OPINIONS * believed) / (known + guessed + _OPINIONS)
    return share


def _shares(guessed: FloatArray, believed: FloatArray) -> FloatArray:
    n_classes = len(believed)
    total = guessed.sum(axis=-1, keepdims=True)
    shares: FloatArray = (guessed + n_classes * believed) / (total + n_classes)
    return shares


def _coverage(opinions: FloatArray, rows: FloatArray) -> FloatArray:
    """Return the share of the rows of each class that functions have an opinion on, (A, K)."""
    of_any_class = opinions.sum(axis=1, keepdims=True) / max(1.0, rows.sum())
    coverage: FloatArray = (opinions + _OF_CLASS * of_any_class) / (rows + _OF_CLASS)
    return np.clip(coverage, _LEAST, 1 - _LEAST)
