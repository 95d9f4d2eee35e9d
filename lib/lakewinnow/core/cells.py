"""The cells within which rows compete to be selected, and the score of a row in each.

A row with given label k belongs to the active cells of k; the rows of lowest score in a cell are
selected. No K x K table is formed: pairs of row and cell are listed for the active cells only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from lakewinnow.core.scores import SCORES
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

NONE: Final = -1  # in `Cells.true`: the score is the row's own, no class is set against it
ANY: Final = -1  # in `Cells.given`: the one cell, of all rows
PAIRS_AT_ONCE: Final = 2**18  # some 10 MiB of temporary arrays, which stay in the cache


class Pairs(NamedTuple):
    """Rows of a block and the cells they compete in, each array of shape (pairs,)."""

    row: IntArray
    cell: IntArray  # position in the Cells
    score: FloatArray

    def take(self, chosen: BoolArray) -> "Pairs":
        """Return some of the pairs."""
        if chosen.all():
            return self
        return Pairs(self.row[chosen], self.cell[chosen], self.score[chosen])


@dataclass(frozen=True, eq=False)
class Cells:
    """A list of cells, sorted by given label.

    Attributes
    ----------
    n_classes : int
    given : int64, shape (A,), given label of the cell's rows; or [-1], one cell of all rows
    true : int64, shape (A,), the class whose probability is taken from the row's own score
        (`prune_by_noise_rate`), or -1 (`prune_by_class`, `low_*`)
    row_score : name of the row's own score, a key of `scores.SCORES`
    """

    n_classes: int
    given: IntArray
    true: IntArray
    row_score: str = "self_confidence"

    def __len__(self) -> int:
        return len(self.given)

    @classmethod
    def of_all_rows(cls, n_classes: int, row_score: str) -> Self:
        """Return one cell that all rows belong to."""
        return cls(n_classes, np.array([ANY]), np.array([NONE]), row_score)

    @classmethod
    def none(cls, n_classes: int) -> Self:
        """Return no cells."""
        return cls(n_classes, np.zeros(0, np.int64), np.zeros(0, np.int64))

    def take(self, chosen: IntArray | BoolArray) -> Self:
        """Return some of the cells; positions have to be ascending."""
        return type(self)(self.n_classes, self.given[chosen], self.true[chosen], self.row_score)

    def pairs(self, labels: IntArray, pred_probs: FloatArray) -> Iterator[Pairs]:
        """List the rows' cells and scores, some 2^18 pairs at a time.

        Parameters
        ----------
        labels : int64, shape (n,)
        pred_probs : float64, shape (n, K)
        """
        if not len(self):
            return
        first, n_cells = self._of_label()
        own = SCORES[self.row_score](labels, pred_probs)
        step = max(1, PAIRS_AT_ONCE // int(n_cells.max()))
        for start in range(0, len(labels), step):
            chunk = slice(start, start + step)
            lengths = n_cells[labels[chunk]]
            row = np.repeat(np.arange(start, start + len(lengths)), lengths)
            # a run of cells per row: count on from where the row's label has its first cell
            offset = first[labels[chunk]] - (np.cumsum(lengths) - lengths)
            cell = np.arange(len(row)) + np.repeat(offset, lengths)
            yield Pairs(row, cell, own[row] - self._set_against(pred_probs, row, cell))

    def _of_label(self) -> tuple[IntArray, IntArray]:
        if self.given[0] == ANY:
            return np.zeros(self.n_classes, np.int64), np.ones(self.n_classes, np.int64)
        n_cells = np.bincount(self.given, minlength=self.n_classes)
        return np.cumsum(n_cells) - n_cells, n_cells

    def _set_against(self, pred_probs: FloatArray, row: IntArray, cell: IntArray) -> FloatArray:
        true = self.true[cell]
        if (self.true == NONE).all():
            return np.zeros(len(row))
        against: FloatArray = pred_probs.reshape(-1)[row * self.n_classes + true]
        against[true == NONE] = 0.0
        return against
