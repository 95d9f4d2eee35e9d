"""The cells within which rows compete to be selected, and the score of a row in each.

A row with given label k belongs to the cells of k; the rows of lowest score in a cell are selected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from lakewinnow.core.selection.intervals import steps
from lakewinnow.core.selection.scores import SCORES
from lakewinnow.core.sparse import MOST_DENSE
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray

NONE: Final = -1  # in `Cells.true`: the score is the row's own, no class is set against it
ANY: Final = -1  # in `Cells.given`: the one cell, of all rows
SCORES_AT_ONCE: Final = 2**16  # half a MiB each array, so that they stay in the cache
MOST_COUNTERS: Final = 2**22  # of margins: 32 MiB
LEAST_STEPS: Final = 8
MOST_STEPS: Final = 2**11


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


class Margins(NamedTuple):
    """Some rows of the corpus, of which only margins below 0 are known, of most rows none."""

    row_ids: Sequence[str]  # of all the rows
    row: npt.NDArray[np.int32]  # shape (pairs,), position of the row
    pair: npt.NDArray[np.int32]  # given label * K + the class set against it, K <= MOST_DENSE
    score: FloatArray  # the given label's probability less that class's


@dataclass(frozen=True, eq=False)
class Cells:
    """A list of cells, sorted by given label."""

    n_classes: int
    # int64, shape (A,), given label of the cell's rows; or [-1], one cell of all rows
    given: IntArray
    # int64, shape (A,), the class whose probability is taken from the row's own score
    # (`prune_by_noise_rate`), or -1 (`prune_by_class`, `low_*`)
    true: IntArray
    row_score: str = "self_confidence"  # name of the row's own score, a key of `scores.SCORES`

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

    def pairs(
        self, labels: IntArray, pred_probs: FloatArray, at_most: FloatArray
    ) -> Iterator[Pairs]:
        """List the rows of each cell whose score does not exceed the cell's bound.

        Every row is held against every class, in whole matrices: with bounds as tight as those of
        a selection few pairs come of it, so that this costs a few operations a probability.

        Parameters
        ----------
        labels : int64, shape (n,)
        pred_probs : float64, shape (n, K)
        at_most : float64, shape (A,)
        """
        own = SCORES[self.row_score](labels, pred_probs)
        of_rows, of_margins = self._positions
        if of_rows is not None:
            cell = of_rows[labels]
            (row,) = np.nonzero((cell >= 0) & (own <= at_most[cell]))
            yield Pairs(row, cell[row], own[row])
        if self.n_classes > MOST_DENSE:
            yield self._few_margins(labels, pred_probs, own, at_most)
        elif of_margins is not None:
            yield from self._margins(labels, pred_probs, own, at_most, of_margins)

    def _margins(
        self,
        labels: IntArray,
        pred_probs: FloatArray,
        own: FloatArray,
        at_most: FloatArray,
        position: IntArray,
    ) -> Iterator[Pairs]:
        bounds = np.where(position >= 0, at_most[position], -np.inf)
        # Most often a label's greatest bound is below 0, and most rows' least margin is not
        least = own - pred_probs.max(axis=1)
        (rows,) = np.nonzero(least <= bounds.max(axis=1)[labels])
        step = max(1, SCORES_AT_ONCE // self.n_classes)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            of_label = labels[chunk]
            score = own[chunk, np.newaxis] - pred_probs[chunk]
            at = np.flatnonzero(score <= bounds[of_label])
            nth = at // self.n_classes
            cell = position[of_label[nth], at - nth * self.n_classes]
            yield Pairs(chunk[nth], cell, score.reshape(-1)[at])

    def pairs_among(self, margins: Margins, at_most: FloatArray) -> Pairs:
        """List the pairs of `pairs`, of rows whose margins are known as far as below 0.

        Parameters
        ----------
        at_most : float64, shape (A,), below 0
        """
        _, position = self._positions
        if position is None:
            nothing = np.zeros(0, np.int64)
            return Pairs(nothing, nothing, np.zeros(0))
        bounds = np.where(position >= 0, at_most[position], -np.inf).reshape(-1)
        at = np.flatnonzero(margins.score <= bounds[margins.pair])
        row, cell = margins.row[at].astype(np.int64), position.reshape(-1)[margins.pair[at]]
        return Pairs(row, cell, margins.score[at])

    def _few_margins(
        self, labels: IntArray, pred_probs: FloatArray, own: FloatArray, at_most: FloatArray
    ) -> Pairs:
        """List the pairs of `_margins` cell by cell: of many classes a label has few cells."""
        (of_margins,) = np.nonzero(self.true != NONE)
        starts = np.searchsorted(self.given[of_margins], np.arange(self.n_classes + 1))
        n_cells = np.diff(starts)[labels]
        row = np.repeat(np.arange(len(labels)), n_cells)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(n_cells) - n_cells, n_cells)
        cell = of_margins[starts[labels][row] + nth]
        score = own[row] - pred_probs[row, self.true[cell]]
        is_in = score <= at_most[cell]
        return Pairs(row[is_in], cell[is_in], score[is_in])

    @cached_property
    def _positions(self) -> tuple[IntArray | None, IntArray | None]:
        """Position of each label's own cell, and of each (label, class)'s; -1: there is none."""
        every = np.arange(len(self))
        is_row = self.true == NONE
        of_rows = of_margins = None
        if is_row.any():
            of_rows = np.full(self.n_classes, -1)
            of_rows[slice(None) if self.given[0] == ANY else self.given[is_row]] = every[is_row]
        if not is_row.all() and self.n_classes <= MOST_DENSE:
            of_margins = np.full((self.n_classes, self.n_classes), -1)
            of_margins[self.given[~is_row], self.true[~is_row]] = every[~is_row]
        return of_rows, of_margins


def margin_counters(n_classes: int) -> IntArray | None:
    """Return zeros for `count_margins`, shape (K, K, steps); None: there are too many classes."""
    n_steps = min(MOST_COUNTERS // n_classes**2, MOST_STEPS)
    if n_steps < LEAST_STEPS:
        return None
    return np.zeros((n_classes, n_classes, 1 << (n_steps.bit_length() - 1)), np.int64)


def margins_below_zero(block: Block) -> Margins:
    """Return the margins of all rows of a block to all classes that are more probable."""
    labels, pred_probs, row_ids = block
    n_classes = pred_probs.shape[1]
    own = pred_probs[np.arange(len(labels)), labels]
    at = np.flatnonzero(pred_probs > own[:, np.newaxis])
    row = at // n_classes
    pair = at + (labels[row] - row) * n_classes
    score = own[row] - pred_probs.reshape(-1)[at]
    return Margins(row_ids, row.astype(np.int32), pair.astype(np.int32), score)


def count_margins(counters: IntArray, margins: Margins) -> None:
    """Count, in place, the rows that are below a class's probability by so many steps.

    Parameters
    ----------
    counters : int64, shape (K, K, steps), rows = given label, columns = the class set against it,
        margins in equal steps from -1 to 0
    """
    n_steps = counters.shape[2]
    step = steps(margins.score, n_steps.bit_length())
    np.add.at(counters.reshape(-1), margins.pair.astype(np.int64) * n_steps + step, 1)
