"""Intervals that hold the cuts which a selection still looks for, and the bins that narrow them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple, Self

import numpy as np

from lakewinnow.core.selection.order import LAST_ID_IMAGE, score_images, scores_of_images
from lakewinnow.core.types import BoolArray, FloatArray, IntArray, ObjectArray

FIRST_IMAGE, LAST_IMAGE = score_images(np.array([-np.inf, np.inf])).tolist()
ONE: Final = np.int64(1)


class FullBin(NamedTuple):
    """The bin of each interval in which its need is met, arrays of shape (intervals,)."""

    number: IntArray
    n_before: IntArray  # rows in the bins below it
    n_rows: IntArray  # rows in it


@dataclass(frozen=True, eq=False)
class Intervals:
    """One interval of (score, row id) per open cell, arrays of shape (open cells,)."""

    cell: IntArray  # int64, ascending, positions in the selection's cells
    need: IntArray  # int64, rows still to select from the interval
    population: IntArray  # int64, rows in the interval
    # int64, images of the first and the last score
    low: IntArray
    high: IntArray
    # object (bytes), how all row ids of an interval of one score are known to begin
    prefix: ObjectArray
    # int64, images of the first and the last bytes after the prefix
    id_low: IntArray
    id_high: IntArray

    @classmethod
    def whole(cls, need: IntArray, population: IntArray) -> Self:
        """Return intervals that hold all rows of their cells."""
        n = len(need)
        return cls(
            cell=np.arange(n),
            need=need,
            population=population,
            low=np.full(n, FIRST_IMAGE),
            high=np.full(n, LAST_IMAGE),
            prefix=np.full(n, b"", object),
            id_low=np.zeros(n, np.int64),
            id_high=np.full(n, LAST_ID_IMAGE),
        )

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, chosen: BoolArray | IntArray) -> Self:
        """Return some of the intervals."""
        return type(self)(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def join(self, other: Self) -> Self:
        """Return both sets of intervals, in order of their cells."""
        columns = (column.name for column in fields(self))
        both = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in columns)
        joined = type(self)(*both)
        return joined.take(np.argsort(joined.cell))

    @property
    def are_whole(self) -> bool:
        """Whether no pass has narrowed the intervals; the first pass narrows them all."""
        return bool(len(self) and self.low[0] == FIRST_IMAGE and self.high[0] == LAST_IMAGE)

    @property
    def is_one_score(self) -> BoolArray:
        """Which intervals hold rows that only their ids tell apart."""
        one: BoolArray = self.low == self.high
        return one

    @property
    def is_part_of_a_score(self) -> BoolArray:
        """Which intervals begin or end between rows of equal score."""
        part: BoolArray = (self.prefix != b"") | ~self.holds_whole_prefix
        return part

    @property
    def holds_whole_prefix(self) -> BoolArray:
        """Which intervals hold all rows of their score whose ids go on from the prefix."""
        all_: BoolArray = (self.id_low <= 1) & (self.id_high == LAST_ID_IMAGE)
        return all_

    @property
    def score_bounds(self) -> tuple[FloatArray, FloatArray]:
        """First and last score of each interval."""
        return scores_of_images(self.low), scores_of_images(self.high)

    def score_bins(self, at: IntArray, scores: FloatArray, bin_bits: int) -> IntArray:
        """Bin, 0 .. 2^bin_bits - 1, of each score in the interval at position `at`."""
        if self.are_whole:
            return steps(scores, bin_bits)
        low, high = self.low[at], self.high[at]
        return (score_images(scores) - low) >> _shift(low, high, bin_bits)

    def id_bins(self, at: IntArray, images: IntArray, bin_bits: int) -> IntArray:
        """Bin, 0 .. 2^bin_bits - 1, of each image of an id in the interval at position `at`."""
        low, high = self.id_low[at], self.id_high[at]
        return (images - low) >> _shift(low, high, bin_bits)

    def narrow_scores(self, bin_: FullBin, bin_bits: int) -> Self:
        """Narrow each interval of scores to one bin."""
        if self.are_whole:
            low, high = _images_of_step(bin_.number, bin_bits)
        else:
            low, high = _bin(self.low, self.high, bin_.number, bin_bits)
        need = self.need - bin_.n_before
        return replace(self, need=need, population=bin_.n_rows, low=low, high=high)

    def narrow_by_steps(self, below_zero: IntArray) -> Self:
        """Narrow whole intervals to one step below 0, or to what is not below 0.

        Parameters
        ----------
        below_zero : int64, shape (intervals, steps), number of scores in equal steps from -1 to 0
        """
        n_steps = below_zero.shape[1]
        others = self.population - below_zero.sum(axis=1)
        full, _ = full_bin(np.column_stack([below_zero, others]), self.need)
        narrowed = self.narrow_scores(full, n_steps.bit_length())
        high = np.where(full.number == n_steps, LAST_IMAGE, narrowed.high)
        return replace(narrowed, high=high)

    def narrow_ids(self, bin_: FullBin, bin_bits: int) -> Self:
        """Narrow each interval of ids to one bin."""
        low, high = _bin(self.id_low, self.id_high, bin_.number, bin_bits)
        need = self.need - bin_.n_before
        return replace(self, need=need, population=bin_.n_rows, id_low=low, id_high=high)

    def go_on_from(self, prefixes: Mapping[int, tuple[bytes, bool]]) -> Self:
        """Set prefixes of the ids, and whether an interval holds the id that is but the prefix."""
        prefix, id_low, id_high = self.prefix.copy(), self.id_low.copy(), self.id_high.copy()
        for at, (begin, is_held) in prefixes.items():
            prefix[at], id_low[at], id_high[at] = begin, 0 if is_held else 1, LAST_ID_IMAGE
        return replace(self, prefix=prefix, id_low=id_low, id_high=id_high)


def full_bin(counts: IntArray, need: IntArray) -> tuple[FullBin, BoolArray]:
    """Find the bin in which each interval's need is met, and whether it is met at all.

    Parameters
    ----------
    counts : int64, shape (intervals, bins)
    need : int64, shape (intervals,)
    """
    upto = np.cumsum(counts, axis=1)
    is_met = upto >= need[:, np.newaxis]
    every, number = np.arange(len(need)), is_met.argmax(axis=1)
    count = counts[every, number]
    return FullBin(number, upto[every, number] - count, count), is_met[:, -1]


def _shift(low: IntArray, high: IntArray, bin_bits: int) -> IntArray:
    # The width as a double may round up to the next power of two, which only leaves bins idle
    _, width_bits = np.frexp((high - low).astype(np.float64))
    return np.maximum(width_bits.astype(np.int64) - bin_bits, 0)


def _bin(
    low: IntArray, high: IntArray, number: IntArray, bin_bits: int
) -> tuple[IntArray, IntArray]:
    shift = _shift(low, high, bin_bits)
    first = low + (number << shift)
    return first, np.minimum(first + (ONE << shift) - 1, high)


def steps(scores: FloatArray, bin_bits: int) -> IntArray:
    """Return the step, 0 .. 2^bin_bits - 1, of each score in equal steps from -1 to 1.

    Those at the ends take what lies beyond. A power of two as their number makes the product exact,
    so that each is an interval with known ends.
    """
    half = 1 << (bin_bits - 1)
    return np.clip(np.floor(scores * half), -half, half - 1).astype(np.int64) + half


def _images_of_step(number: IntArray, bin_bits: int) -> tuple[IntArray, IntArray]:
    half = 1 << (bin_bits - 1)
    first = np.where(number == 0, -np.inf, (number - half) / half)
    last = np.nextafter((number - half + 1) / half, -np.inf)
    return score_images(first), score_images(np.where(number == 2 * half - 1, np.inf, last))
