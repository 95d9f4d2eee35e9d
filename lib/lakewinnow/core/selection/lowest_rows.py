"""Rows that may be among the lowest of their cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from lakewinnow.core.selection.order import score_images
from lakewinnow.core.types import BoolArray, FloatArray, IntArray, ObjectArray


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """Rows, each in one cell, in any order."""

    cell: IntArray  # int64, shape (n,)
    score: FloatArray  # float64, shape (n,), lowest first
    row_id: ObjectArray  # object (str), shape (n,), breaks ties, lowest first

    @classmethod
    def none(cls) -> Self:
        """Return no rows at all."""
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, object))

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.cell for part in parts]),
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.row_id for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, chosen: IntArray | BoolArray) -> Self:
        """Return some of the rows."""
        return type(self)(self.cell[chosen], self.score[chosen], self.row_id[chosen])

    def id_bounds(self) -> dict[int, tuple[str, str]]:
        """Lowest and highest row id of each cell that has rows."""
        bounds: dict[int, tuple[str, str]] = {}
        for cell, row_id in zip(self.cell.tolist(), self.row_id, strict=True):
            first, last = bounds.get(cell, (row_id, row_id))
            bounds[cell] = min(first, row_id), max(last, row_id)
        return bounds

    def lowest(self, need: IntArray) -> "Lowest":
        """Keep the `need[cell]` lowest rows of each cell by (score, row id).

        Parameters
        ----------
        need : int64, shape (cells,), at least 1 in each cell that has a row
        """
        cut = score_cuts(self.cell, self.score, need)
        keep = self.score <= cut[self.cell]
        n_kept = np.bincount(self.cell[keep], minlength=len(need))
        cut_id: dict[int, str] = {}
        is_over = n_kept > need  # more rows are level at the cut than fit
        if is_over.any():
            tied = np.flatnonzero(is_over[self.cell] & (self.score == cut[self.cell]))
            tied = tied[np.lexsort((self.row_id[tied], self.cell[tied]))]
            ends = np.cumsum(np.bincount(self.cell[tied], minlength=len(need)))
            for at in np.flatnonzero(is_over).tolist():
                first_out = ends[at] - (n_kept[at] - need[at])
                keep[tied[first_out : ends[at]]] = False
                cut_id[at] = self.row_id[tied[first_out - 1]]
        return Lowest(self.take(keep), cut, cut_id)


class Lowest(NamedTuple):
    """The rows kept, and per cell the score and, if ties were broken, the id of the last one."""

    rows: CandidateRows
    cut: FloatArray  # shape (cells,), infinite where the cell has no rows
    cut_id: dict[int, str]


def score_cuts(cell: IntArray, score: FloatArray, need: IntArray) -> FloatArray:
    """Return the `need[cell]`-th lowest score of each cell, or its highest, shape (cells,)."""
    # NumPy sorts integers several times as fast as it finds their order, so rows are sorted as one
    # integer each, of the cell and the score's higher bits, and those level at the cut by the rest
    bits = len(need).bit_length() + 1
    key = (cell << (64 - bits)) + (score_images(score) >> bits)
    in_order = np.sort(key)
    n_rows = np.bincount(cell, minlength=len(need))
    (present,) = np.nonzero(n_rows)
    last = (np.cumsum(n_rows) - n_rows + np.minimum(need, n_rows) - 1)[present]
    cut_key = np.zeros(len(need), np.int64)
    cut_key[present] = in_order[last]
    level = np.flatnonzero(key == cut_key[cell])
    level = level[np.lexsort((score[level], cell[level]))]
    n_level = np.bincount(cell[level], minlength=len(need))[present]
    nth = last - np.searchsorted(in_order, cut_key[present])
    cut = np.full(len(need), np.inf)
    cut[present] = score[level[np.cumsum(n_level) - n_level + nth]]
    return cut
