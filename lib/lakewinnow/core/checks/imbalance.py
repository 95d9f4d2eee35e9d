"""Class imbalance: the rarest class, and whether it is too rare, by the rule of cleanlab 2.9.0."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lakewinnow.core.types import IntArray

THRESHOLD: Final = 0.1  # of the share that each class would have if all were equal


@dataclass(frozen=True)
class Imbalance:
    """What the class counts say."""

    rarest: int  # the class of fewest rows, the first of several
    share: float  # of the rows, that it has; its rows' score, whether or not it is too rare
    limit: float  # the least share that is enough
    # all classes below the limit, the rarest among them; Datalab flags the rarest alone
    rare: tuple[int, ...]

    @property
    def is_issue(self) -> bool:
        """Whether the rarest class is too rare."""
        return self.share < self.limit


def imbalance(counts: IntArray, threshold: float = THRESHOLD) -> Imbalance:
    """Judge class counts, shape (K,), of at least one row.

    Notes
    -----
    cleanlab counts a class without rows among the others when its number is not the last one: it is
    then the rarest, which flags no row and hides a class that is rare. Here classes without rows
    do not take part, whatever their number.
    """
    (there,) = np.nonzero(counts)
    shares = counts[there] / counts.sum()
    limit = threshold / len(there)
    at = int(shares.argmin())
    return Imbalance(
        int(there[at]), float(shares[at]), limit, tuple(there[shares < limit].tolist())
    )
