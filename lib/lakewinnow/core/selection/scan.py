"""One pass of a selection over blocks of rows: what runs where the rows are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lakewinnow.core.selection.cells import Cells, Margins, Pairs
from lakewinnow.core.selection.lowest_rows import CandidateRows, score_cuts
from lakewinnow.core.selection.n_lowest import Cuts, Selection, Tally
from lakewinnow.core.selection.order import id_images
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray, ObjectArray, taken

SPARE_CANDIDATES: Final = 2**17  # collected beyond twice the need before the highest are dropped
MOST_HELD: Final = 2**20  # row ids held until it is known which of them are wanted


def scan(plan: Selection, blocks: Iterable[Block | Margins]) -> Tally:
    """Count and collect the rows of some blocks as the plan's next pass asks for.

    Parameters
    ----------
    plan : not done; of `Margins`, one that `looks_below_zero`
    blocks : any part of the corpus; together the scans of a pass see each row once
    """
    state = _Scan(plan)
    for block in blocks:
        state.add(block)
    return state.tally()


def undecided(plan: Selection) -> Callable[[Block], BoolArray]:
    """Return what tells which rows of a block lie where the plan still looks for a cut."""
    cells = plan.cuts.cells.take(plan.open.cell)
    low, high = plan.open.score_bounds

    def of_block(block: Block) -> BoolArray:
        mask = np.zeros(len(block.labels), bool)
        for pairs in cells.pairs(block.labels, block.pred_probs, high):
            mask[pairs.row[pairs.score >= low[pairs.cell]]] = True
        return mask

    return of_block


def selected(block: Block | Margins, cuts: Cuts) -> BoolArray:
    """Rows of a block that at least one cell selects, shape (n,)."""
    mask = np.zeros(len(block.row_ids if isinstance(block, Margins) else block.labels), bool)
    by_id = np.zeros(len(cuts.cells), bool)
    by_id[list(cuts.row_id)] = True
    for pairs in _pairs(cuts.cells, block, cuts.score):
        within = np.ones(len(pairs.row), bool)
        is_level = by_id[pairs.cell] & (pairs.score == cuts.score[pairs.cell])
        for at in np.flatnonzero(is_level).tolist():
            within[at] = block.row_ids[pairs.row[at]] <= cuts.row_id[int(pairs.cell[at])]
        mask[pairs.row[within]] = True
    return mask


def _pairs(cells: Cells, block: Block | Margins, at_most: FloatArray) -> Iterable[Pairs]:
    if isinstance(block, Margins):
        return [cells.pairs_among(block, at_most)]
    return cells.pairs(block.labels, block.pred_probs, at_most)


class _Scan:
    """Counters and candidates of a pass, filled block by block."""

    def __init__(self, plan: Selection) -> None:
        self.open = plan.open
        self.cells = plan.cuts.cells.take(plan.open.cell)
        self.collects = plan.collects
        self.bin_bits = plan.bin_bits
        self.are_whole = plan.open.are_whole
        self.low, self.high = plan.open.score_bounds  # a collecting cell's `high` sinks as it fills
        # Of these intervals the score alone does not say whether a row is in them, or in which bin
        self.needs_ids = self.open.is_one_score & (~self.collects | self.open.is_part_of_a_score)
        self.counter = np.cumsum(~self.collects) - 1  # number of each counting cell
        n_counting = int(np.count_nonzero(~self.collects))
        self.counts = np.zeros(n_counting << self.bin_bits, np.int64)
        self.rows = CandidateRows.none()
        self.fresh: list[Pairs] = []  # rows without ids yet, numbered through the blocks held
        self.blocks: list[Sequence[str]] = []  # their row ids
        self.starts = [0]  # number of each one's first row, and of the row after the last
        self.n_rows = 0
        self.most_rows = 2 * int(self.open.need[self.collects].sum()) + SPARE_CANDIDATES
        self.id_bounds = CandidateRows.none()  # lowest and highest id of the cells that count ids

    def add(self, block: Block | Margins) -> None:
        if self.starts[-1] >= MOST_HELD:
            self._name_fresh()
        self.blocks.append(block.row_ids)
        self.starts.append(self.starts[-1] + len(block.row_ids))
        for pairs in _pairs(self.cells, block, self.high):
            at_least = self.are_whole or pairs.score >= self.low[pairs.cell]
            self._add_pairs(pairs.take(np.broadcast_to(at_least, len(pairs.row))), block.row_ids)

    def _add_pairs(self, pairs: Pairs, row_ids: Sequence[str]) -> None:
        if self.needs_ids.any():
            by_id = self.needs_ids[pairs.cell]
            self._add_by_id(pairs.take(by_id), row_ids)
            pairs = pairs.take(~by_id)
        collects = self.collects[pairs.cell]
        self._collect(pairs.take(collects))
        counted = pairs.take(~collects)
        bins = self.open.score_bins(counted.cell, counted.score, self.bin_bits)
        self._count(counted.cell, bins)

    def _add_by_id(self, pairs: Pairs, row_ids: Sequence[str]) -> None:
        ids = _ids(row_ids, pairs.row)
        images = np.full(len(ids), -1)  # below all intervals
        for prefix in set(self.open.prefix[np.unique(pairs.cell)]):
            with_prefix = np.flatnonzero(self.open.prefix[pairs.cell] == prefix)
            encoded = [row_id.encode() for row_id in ids[with_prefix]]
            begins = np.array([row_id.startswith(prefix) for row_id in encoded], bool)
            found = id_images(encoded, skip=len(prefix))
            images[with_prefix] = np.where(begins, found, -1)
        within = (images >= self.open.id_low[pairs.cell]) & (
            images <= self.open.id_high[pairs.cell]
        )
        pairs, ids, images = pairs.take(within), ids[within], images[within]

        collects = self.collects[pairs.cell]
        self._collect(pairs.take(collects))
        counted = pairs.take(~collects)
        self._count(counted.cell, self.open.id_bins(counted.cell, images[~collects], self.bin_bits))
        self._keep_id_bounds(CandidateRows(counted.cell, counted.score, ids[~collects]))

    def _count(self, cell: IntArray, bins: IntArray) -> None:
        np.add.at(self.counts, (self.counter[cell] << self.bin_bits) + bins, 1)

    def _collect(self, pairs: Pairs) -> None:
        if len(pairs.row):
            self.fresh.append(pairs._replace(row=pairs.row + self.starts[-2]))
        self.n_rows += len(pairs.row)
        if self.n_rows > self.most_rows:
            self._drop_highest()

    def _drop_highest(self) -> None:
        # One more than the need shows that rows level at the cut do not all fit
        need = self.open.need + 1
        fresh = self._all_fresh()
        cell = np.concatenate([self.rows.cell, fresh.cell])
        cut = score_cuts(cell, np.concatenate([self.rows.score, fresh.score]), need)
        self.rows = self.rows.take(self.rows.score <= cut[self.rows.cell])
        self.fresh = [fresh.take(fresh.score <= cut[fresh.cell])]
        self.n_rows = len(self.rows) + len(self.fresh[0].row)
        is_full = np.bincount(cell, minlength=len(need)) >= need
        self.high[is_full] = cut[is_full]
        if self.n_rows > self.most_rows - SPARE_CANDIDATES // 2:  # all the others are level
            self._name_fresh()

    def _name_fresh(self) -> None:
        """Look up the ids of the rows that may be among the lowest, and let the others go."""
        fresh = self._all_fresh()
        by_row = np.argsort(fresh.row, kind="stable")
        rows = fresh.row[by_row]
        ends = np.searchsorted(rows, self.starts[1:])
        ids: list[str] = []
        for row_ids, start, end in zip(self.blocks, self.starts, ends.tolist(), strict=False):
            ids.extend(taken(row_ids, rows[len(ids) : end] - start))
        named = CandidateRows(fresh.cell[by_row], fresh.score[by_row], np.array(ids, object))
        self.rows = CandidateRows.concat([self.rows, named]).lowest(self.open.need + 1).rows
        self.n_rows = len(self.rows)
        self.fresh, self.blocks = [], self.blocks[-1:]
        self.starts = [0, *map(len, self.blocks)]

    def _all_fresh(self) -> Pairs:
        nothing = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        return Pairs(*map(np.concatenate, zip(nothing, *self.fresh, strict=True)))

    def tally(self) -> Tally:
        """Return what the blocks added so far hold, by position in the selection's cells."""
        self._drop_highest()
        self._name_fresh()
        by_cell = self.counts.reshape(-1, 1 << self.bin_bits)
        below = np.cumsum(by_cell, axis=1) - by_cell
        # Where these blocks alone meet the need in lower bins, so do all of them: no need to ship
        cell, number = np.nonzero(
            (below < self.open.need[~self.collects, np.newaxis]) & (by_cell > 0)
        )
        counting = self.open.cell[~self.collects][cell]
        bins = np.column_stack([counting, number, by_cell[cell, number]])
        rows = CandidateRows.concat([self.rows, self.id_bounds])
        return Tally(bins, replace(rows, cell=self.open.cell[rows.cell]))

    def _keep_id_bounds(self, rows: CandidateRows) -> None:
        bounds = CandidateRows.concat([self.id_bounds, rows]).id_bounds()
        cells = np.repeat(np.array(list(bounds), np.int64), 2)
        row_ids = np.array([row_id for both in bounds.values() for row_id in both], object)
        self.id_bounds = CandidateRows(cells, self.low[cells], row_ids)


def _ids(row_ids: Sequence[str], rows: IntArray) -> ObjectArray:
    return np.array([row_ids[row] for row in rows.tolist()], object)
