"""Which texts are embedded together: rounds, and in each round one chunk a task.

What a round has made is in the store before the next one begins, so a killed run loses at most a
chunk a task, and between two rounds the driver knows what was spent. Texts are counted by bucket (a
hash of their key), and a round is a run of buckets, cut into chunks of equal tokens rather than of
equal rows: a few long texts do not keep one task busy while the others wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SECONDS: Final = 60.0  # that a round should take
_GROWTH: Final = 8.0  # at most, from one round to the next: the first ones are slow to start


@dataclass(frozen=True)
class Round:
    """Buckets ``bounds[i] .. bounds[i + 1] - 1`` for task i, and the tokens of all of them."""

    bounds: tuple[int, ...]
    tokens: int


class Rounds:
    """Deals out the buckets, as many at a time as take about a minute.

    Parameters
    ----------
    tokens : ndarray of int, shape (n_buckets,)
    first : tokens of the first round, whose rate is not known
    most : tokens of any round: what the provider takes in a minute
    """

    def __init__(
        self, tokens: NDArray[np.int64], n_tasks: int, first: int, most: float | None = None
    ) -> None:
        self._before = np.concatenate([[0], np.cumsum(tokens)])
        self._n_tasks, self._most = n_tasks, most
        self._wanted: float = first
        self._at = 0

    def __iter__(self) -> Iterator[Round]:
        """Deal out rounds until no bucket with a text is left."""
        while self._before[self._at] < self._before[-1]:
            yield self._next()

    def _next(self) -> Round:
        before, start = self._before, self._at
        reach = before[start] + min(self._wanted, self._most or np.inf)
        one_at_least = int(np.searchsorted(before, before[start], side="right"))
        end = max(int(np.searchsorted(before, reach, side="right")) - 1, one_at_least)
        shares = np.linspace(before[start], before[end], self._n_tasks + 1)[1:-1]
        inner = np.searchsorted(before, shares).clip(start, end)
        self._at = end
        return Round((start, *inner.tolist(), end), int(before[end] - before[start]))

    def took(self, n_tokens: int, seconds: float) -> None:
        """Learn from a round how much the next one should hold."""
        fitting = SECONDS * n_tokens / max(seconds, 1e-3)
        self._wanted = float(np.clip(fitting, self._wanted / 2, self._wanted * _GROWTH))
