"""The exact n lowest rows of every cell, by passes over the data that move no rows.

    plan = Selection.start(cells, needs, populations)
    while not plan.done:
        plan = plan.refine(Tally.merge(scan(plan, blocks) for blocks in partitions))
    mask = selected(block, plan.cuts)

Each cell narrows an interval of scores that holds its cut, the score of its last selected row. A
pass counts the rows of the interval in equal bins; the bin in which the need is met is the next
interval. First the bins are equal steps of score, then of the score's integer image, down to a
single score; rows level at that one are told apart by their ids in the same way. As soon as the
intervals hold few enough rows, a pass collects these, and the cuts follow. Small data need one
pass; any number of rows with continuous scores need two, most often.

State, per pass and in bytes: 8 * max(counters, 8 * A) for A cells, on each worker and on the
driver, and some 150 per candidate, however many rows there are. By default that is 32 + 300 MiB;
64 + 300 MiB for all 999,000 cells of 1,000 classes. A plan pickles in some 80 bytes per cell.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from lakewinnow.core.selection.cells import NONE, Cells
from lakewinnow.core.selection.intervals import FullBin, Intervals, full_bin
from lakewinnow.core.selection.lowest_rows import CandidateRows
from lakewinnow.core.selection.order import chunk_of_image
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

MIN_BIN_BITS: Final = 3
MAX_BIN_BITS: Final = 12  # more would not save a pass, but ship more


@dataclass(frozen=True)
class Budget:
    """What one pass may hold in memory."""

    counters: int = 2**22  # bins of all cells together; a cell has 8 at least
    candidates: int = 2**21  # collected rows of all cells and all tallies together


@dataclass(frozen=True, eq=False)
class Cuts:
    """Where each cell's selection ends: the result, and all that the last pass needs."""

    cells: Cells  # the cells that select any rows
    # float64, shape (A,); a row of lower score is selected, as is a row of equal score ...
    score: FloatArray
    # ... whose id is not above this one; position in `cells` -> id, only for cells where rows level
    # at the cut do not all fit
    row_id: Mapping[int, str]

    @classmethod
    def none(cls, n_classes: int) -> Self:
        """Return the cuts of no cells."""
        return cls(Cells.none(n_classes), np.zeros(0), {})

    def add(self, cells: IntArray, scores: FloatArray, row_ids: Mapping[int, str]) -> Self:
        """Return these cuts with those of some more cells, `row_ids` by position in `cells`."""
        score = self.score.copy()
        score[cells] = scores
        return replace(
            self,
            score=score,
            row_id={**self.row_id, **{int(cells[at]): last for at, last in row_ids.items()}},
        )

    def take(self, chosen: BoolArray) -> Self:
        """Return the cuts of some cells."""
        kept = np.flatnonzero(chosen).tolist()
        row_id = {new: self.row_id[old] for new, old in enumerate(kept) if old in self.row_id}
        return type(self)(self.cells.take(chosen), self.score[chosen], row_id)


@dataclass(frozen=True, eq=False)
class Tally:
    """What a pass found in some blocks; concatenation merges, in any order."""

    # int64, shape (n, 3), rows (cell, bin, count); a cell and bin may occur repeatedly
    bins: IntArray
    # the collected rows; and, of each cell that counts ids, the lowest and the highest one
    rows: CandidateRows

    @classmethod
    def merge(cls, tallies: Iterable["Tally"]) -> Self:
        """Return the tally of all the blocks."""
        parts = list(tallies)
        bins = [np.zeros((0, 3), np.int64), *(part.bins for part in parts)]
        return cls(np.concatenate(bins), CandidateRows.concat([part.rows for part in parts]))


@dataclass(frozen=True, eq=False)
class Selection:
    """A plan for the next pass, and the cuts found so far."""

    cuts: Cuts  # final where a cell is no longer open, and of use once the plan is `done`
    open: Intervals  # the intervals of the cells that have no cut yet
    budget: Budget
    n_tallies: int | None

    @classmethod
    def start(
        cls,
        cells: Cells,
        needs: IntArray,
        populations: IntArray,
        *,
        budget: Budget | None = None,
        n_tallies: int | None = None,
    ) -> Self:
        """Plan the first pass.

        Parameters
        ----------
        cells : the cells that select any rows
        needs : int64, shape (A,), rows to select, at least 1
        populations : int64, shape (A,), rows that belong to each cell
        budget : what a pass may hold
        n_tallies : number of tallies that a pass will merge, if known; as none of them ships more
            rows of a cell than it needs and one, larger data can do with one pass. If it is too
            low, a pass ships more candidates than the budget allows, but finds the same
        """
        whole = needs >= populations
        return cls(
            cuts=Cuts(cells, np.where(whole, np.inf, -np.inf), {}),
            open=Intervals.whole(needs, populations).take(~whole),
            budget=budget or Budget(),
            n_tallies=n_tallies,
        )

    @property
    def done(self) -> bool:
        """Whether all cuts are known."""
        return not len(self.open)

    @property
    def looks_below_zero(self) -> bool:
        """Whether no row of a score of 0 or more is selected, or may be."""
        _, high = self.open.score_bounds
        return bool((self.cuts.score < 0).all() and (high < 0).all())

    @property
    def n_undecided(self) -> int:
        """At most how many rows lie where the plan still looks for a cut, by cell."""
        return int(self.open.population.sum())

    @property
    def sure_cuts(self) -> Cuts:
        """Cuts that select the rows that will be selected whatever the next passes find."""
        low, _ = self.open.score_bounds
        return self.cuts.add(self.open.cell, np.nextafter(low, -np.inf), {})

    @property
    def collects(self) -> BoolArray:
        """Which open cells' rows the next pass collects; it counts those of the others."""
        rows = self.open.population
        if self.n_tallies is not None:
            rows = np.minimum(rows, (self.open.need + 1) * self.n_tallies)
        smallest_first = np.argsort(rows, kind="stable")
        fits = np.cumsum(rows[smallest_first]) <= self.budget.candidates
        collects = np.zeros(len(self.open), bool)
        collects[smallest_first[fits]] = True
        return collects

    @property
    def bin_bits(self) -> int:
        """Logarithm of the number of bins per cell that counts."""
        n_bins = self.budget.counters // max(1, int(np.count_nonzero(~self.collects)))
        return min(max(n_bins.bit_length() - 1, MIN_BIN_BITS), MAX_BIN_BITS)

    def narrowed_by(self, below_zero: IntArray) -> Self:
        """Return the plan after a first pass that counts, where another pass has counted already.

        Parameters
        ----------
        below_zero : int64, shape (K, K, steps), from `cells.count_margins`
        """
        cells = self.cuts.cells.take(self.open.cell)
        if self.done or (cells.true == NONE).any():
            return self
        narrowed = self.open.narrow_by_steps(below_zero[cells.given, cells.true])
        cuts, still_open = _close(self.cuts, narrowed)
        return replace(self, cuts=cuts, open=still_open)

    def refine(self, tally: Tally) -> Self:
        """Plan the pass after this one, from what this one found in all blocks."""
        collects = self.collects
        collected, counted = self.open.take(collects), self.open.take(~collects)
        is_collected = np.isin(tally.rows.cell, collected.cell)
        cuts = _cut_collected(self.cuts, collected, tally.rows.take(is_collected))

        by_id = counted.is_one_score
        cuts, scores = _narrow_scores(cuts, counted.take(~by_id), tally.bins, self.bin_bits)
        bounds = tally.rows.take(~is_collected)
        cuts, ids = _narrow_ids(cuts, counted.take(by_id), tally.bins, bounds, self.bin_bits)
        return replace(self, cuts=cuts, open=scores.join(ids))


def _cut_collected(cuts: Cuts, intervals: Intervals, rows: CandidateRows) -> Cuts:
    rows = replace(rows, cell=np.searchsorted(intervals.cell, rows.cell))
    lowest = rows.lowest(intervals.need)
    # Of a part of a score more rows follow the interval, so even if all in it fit, the id matters
    in_parts = lowest.rows.take(intervals.is_part_of_a_score[lowest.rows.cell])
    last_id = {at: last for at, (_, last) in in_parts.id_bounds().items()}
    return cuts.add(intervals.cell, lowest.cut, {**lowest.cut_id, **last_id})


def _narrow_scores(
    cuts: Cuts, intervals: Intervals, bins: IntArray, bin_bits: int
) -> tuple[Cuts, Intervals]:
    full, is_met = _full_bin(intervals, bins, bin_bits)
    narrowed = intervals.narrow_scores(full, bin_bits)
    fewer = narrowed.take(~is_met)  # rows than the caller said
    cuts = cuts.add(fewer.cell, np.full(len(fewer), np.inf), {})
    return _close(cuts, narrowed.take(is_met))


def _close(cuts: Cuts, intervals: Intervals) -> tuple[Cuts, Intervals]:
    """Cut where a whole interval is needed, and return those that are still open."""
    closed = intervals.need == intervals.population
    _, last_score = intervals.score_bounds
    return cuts.add(intervals.cell[closed], last_score[closed], {}), intervals.take(~closed)


def _narrow_ids(
    cuts: Cuts, intervals: Intervals, bins: IntArray, bounds: CandidateRows, bin_bits: int
) -> tuple[Cuts, Intervals]:
    full, _ = _full_bin(intervals, bins, bin_bits)
    narrowed = intervals.narrow_ids(full, bin_bits)
    all_alike = (full.n_rows == intervals.population) & intervals.holds_whole_prefix
    is_one_chunk = narrowed.id_low == narrowed.id_high
    id_bounds = bounds.id_bounds()
    closed: dict[int, str] = {}
    prefixes: dict[int, tuple[bytes, bool]] = {}
    for at in np.flatnonzero(all_alike | is_one_chunk).tolist():
        if all_alike[at]:  # skip all that they have in common, which may be many chunks
            first, last = id_bounds[int(narrowed.cell[at])]
            common, goes_on = _common_prefix(first.encode(), last.encode()), first != last
        else:
            chunk, goes_on = chunk_of_image(int(narrowed.id_low[at]))
            common = narrowed.prefix[at] + chunk
        if not goes_on:  # one row, or several of one id
            closed[at] = common.decode()
        elif len(common) > len(narrowed.prefix[at]):
            prefixes[at] = common, bool(all_alike[at])
    cells = narrowed.cell[list(closed)]
    score, _ = narrowed.take(np.array(list(closed), np.int64)).score_bounds
    cuts = cuts.add(cells, score, dict(enumerate(closed.values())))
    is_open = np.ones(len(narrowed), bool)
    is_open[list(closed)] = False
    return cuts, narrowed.go_on_from(prefixes).take(is_open)


def _full_bin(intervals: Intervals, bins: IntArray, bin_bits: int) -> tuple[FullBin, BoolArray]:
    counts = np.zeros((len(intervals), 1 << bin_bits), np.int64)
    of_these = bins[np.isin(bins[:, 0], intervals.cell)]
    at = np.searchsorted(intervals.cell, of_these[:, 0])
    np.add.at(counts.reshape(-1), (at << bin_bits) + of_these[:, 1], of_these[:, 2])
    return full_bin(counts, intervals.need)


def _common_prefix(first: bytes, last: bytes) -> bytes:
    for length, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return first[:length]
    return min(first, last, key=len)
