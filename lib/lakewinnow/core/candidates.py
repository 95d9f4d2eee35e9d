"""Rows that may be among the lowest of their cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from lakewinnow.core.types import BoolArray, FloatArray, IntArray, ObjectArray


@dataclass(frozen=True, eq=False)
class Candidates:
    """Rows, each in one cell, in any order.

    Attributes
    ----------
    cell : int64, shape (n,)
    score : float64, shape (n,), lowest first
    row_id : object (str), shape (n,), breaks ties, lowest first
    """

    cell: IntArray
    score: FloatArray
    row_id: ObjectArray

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
        order, start, cut = _cuts(self.cell, self.score, need)
        cell, score = self.cell[order], self.score[order]
        level = score == cut[cell]
        keep = score <= cut[cell]
        n_level = np.bincount(cell[level], minlength=len(need))
        n_kept = np.bincount(cell[keep], minlength=len(need))
        cut_id: dict[int, str] = {}
        for at in np.flatnonzero(n_kept > need):  # more rows are level at the cut than fit
            tied = start[at] + n_kept[at] - n_level[at] + np.arange(n_level[at])
            by_id = tied[np.argsort(self.row_id[order[tied]], kind="stable")]
            room = n_level[at] - (n_kept[at] - need[at])
            keep[by_id[room:]] = False
            cut_id[int(at)] = self.row_id[order[by_id[room - 1]]]
        return Lowest(self.take(order[keep]), cut, cut_id)


class Lowest(NamedTuple):
    """The rows kept, and per cell the score and, if ties were broken, the id of the last one."""

    rows: Candidates
    cut: FloatArray  # shape (cells,), infinite where the cell has no rows
    cut_id: dict[int, str]


def score_cuts(cell: IntArray, score: FloatArray, need: IntArray) -> FloatArray:
    """Return the `need[cell]`-th lowest score of each cell, or its highest, shape (cells,)."""
    return _cuts(cell, score, need)[2]


def _cuts(
    cell: IntArray, score: FloatArray, need: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the order by (cell, score), where in it each cell starts, and each cell's cut."""
    order = _order(cell, score, len(need))
    n_rows = np.bincount(cell, minlength=len(need))
    start = np.cumsum(n_rows) - n_rows
    last = start + np.minimum(need, n_rows) - 1
    present = n_rows > 0
    cut = np.full(len(need), np.inf)
    cut[present] = score[order[last[present]]]
    return order, start, cut


def _order(cell: IntArray, score: FloatArray, n_cells: int) -> IntArray:
    # NumPy sorts floats by SIMD and 16-bit integers by radix: four times as fast as lexsort
    order = np.argsort(score)
    for shift in range(0, n_cells.bit_length(), 16):
        digit = (cell[order] >> shift).astype(np.uint16)
        order = order[np.argsort(digit, kind="stable")]
    return order
