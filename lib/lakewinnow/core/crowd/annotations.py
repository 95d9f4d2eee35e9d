"""Labels that several annotators gave to the same rows: blocks of them, and the majority vote.

A block holds whole rows: all annotations of a row are in the block of its pred_probs. One pass over
all blocks (`VoteState`) tells what the majority vote needs to break ties, and which annotators are
at odds with the others. The votes are those of cleanlab 2.9.0 (`get_majority_vote_label`), which
leaves to chance what is level to the last: there the lower class wins here.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from lakewinnow.core.states import State
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError, Shown


@dataclass(frozen=True, eq=False)
class AnnotatedBlock:
    """Some rows of the corpus, in any order, with all their annotations; made by `of`."""

    # int64, shape (n,), an annotation each, sorted by row, then annotator
    row: IntArray
    annotator: IntArray
    label: IntArray
    # float64, shape (rows, K), out-of-sample, free of NaN, K >= 2; position = `row`
    pred_probs: FloatArray

    @classmethod
    def of(
        cls,
        row: IntArray,
        annotator: IntArray,
        label: IntArray,
        pred_probs: FloatArray,
    ) -> Self:
        """Sort annotations, of which every row has one, and none two by the same annotator.

        Parameters
        ----------
        row, annotator, label : int64, shape (n,), in 0 .. rows - 1, 0 .. M - 1 and 0 .. K - 1
        pred_probs : float64, shape (rows, K)
        """
        order = np.lexsort((annotator, row))
        return cls(row[order], annotator[order], label[order], pred_probs)

    @cached_property
    def n_annotations(self) -> IntArray:
        """Annotations per row, int64, shape (rows,)."""
        return np.bincount(self.row, minlength=len(self.pred_probs))

    @cached_property
    def votes(self) -> IntArray:
        """Annotations per row and label, int64, shape (rows, K)."""
        n_rows, n_classes = self.pred_probs.shape
        cells = np.bincount(self.row * n_classes + self.label, minlength=n_rows * n_classes)
        return cells.reshape(n_rows, n_classes)

    @cached_property
    def is_most_frequent(self) -> BoolArray:
        """Which labels no other label of the row outnumbers, shape (rows, K)."""
        most: BoolArray = self.votes == self.votes.max(axis=1, keepdims=True)
        return most

    @cached_property
    def first(self) -> IntArray:
        """Position of each row's first annotation, int64, shape (rows,)."""
        return np.cumsum(self.n_annotations) - self.n_annotations

    @cached_property
    def turns(self) -> list[IntArray]:
        """Positions of the annotations that are their row's first; second; ...

        What is summed turn by turn is summed in order of the annotators, in every row.
        """
        turn = np.arange(len(self.row)) - self.first[self.row]
        return np.split(np.argsort(turn, kind="stable"), np.cumsum(np.bincount(turn))[:-1])


@dataclass(frozen=True, eq=False)
class VoteState(State):
    """Pass 1: how often labels are given and annotators agree; integers that add up."""

    class_counts: IntArray  # int64, shape (K,), annotations per label
    rows_by_size: IntArray  # int64, shape (M + 1,), rows per number of annotations
    labelled: IntArray  # int64, shape (M,), annotations per annotator
    # int64, shape (M,), other annotations of the annotator's rows; those of them that give the
    # annotator's label
    peers: IntArray
    agreeing_peers: IntArray
    # int64, shape (M,), annotations of rows where one label is more frequent than all others; those
    # that give this label
    clear: IntArray
    agreeing_clear: IntArray

    @classmethod
    def zero(cls, n_annotators: int, n_classes: int) -> Self:
        """Return the state of no rows."""
        shapes = (n_classes, n_annotators + 1, *[n_annotators] * 5)
        return cls(*(np.zeros(shape, np.int64) for shape in shapes))

    def update(self, block: AnnotatedBlock) -> Self:
        """Return the state with a block added."""
        n_annotators = len(self.labelled)
        is_clear = np.count_nonzero(block.is_most_frequent, axis=1)[block.row] == 1
        agrees = is_clear & block.is_most_frequent[block.row, block.label]

        def per_annotator(values: IntArray | BoolArray) -> IntArray:
            totals = np.zeros(n_annotators, np.int64)
            np.add.at(totals, block.annotator, values)
            return totals

        return self.merge(
            type(self)(
                class_counts=block.votes.sum(axis=0),
                rows_by_size=np.bincount(block.n_annotations, minlength=n_annotators + 1),
                labelled=per_annotator(np.ones(len(block.row), np.int64)),
                peers=per_annotator(block.n_annotations[block.row] - 1),
                agreeing_peers=per_annotator(block.votes[block.row, block.label] - 1),
                clear=per_annotator(is_clear),
                agreeing_clear=per_annotator(agrees),
            )
        )

    def of_annotators(self, chosen: BoolArray) -> Self:
        """Return the state with some of the annotators; the others have to be without label."""
        per_annotator = ("labelled", "peers", "agreeing_peers", "clear", "agreeing_clear")
        kept = {name: getattr(self, name)[chosen] for name in per_annotator}
        rows_by_size = self.rows_by_size[: np.count_nonzero(chosen) + 1]
        return replace(self, rows_by_size=rows_by_size, **kept)

    @property
    def mean_annotations(self) -> float:
        """Annotations per row."""
        return int(self.labelled.sum()) / int(self.rows_by_size.sum())

    @property
    def agreement_with_annotators(self) -> FloatArray:
        """Share of the other annotators' labels that agree, shape (M,); unknown: the average."""
        return _filled(shares(self.agreeing_peers, self.peers))

    @property
    def agreement_with_clear_votes(self) -> FloatArray:
        """Share of the clear votes that agree, shape (M,); unknown: the average; NaN: no vote is.

        It breaks ties in `majority_vote`.
        """
        return _filled(shares(self.agreeing_clear, self.clear))

    def check(self) -> None:
        """Raise DataError "no_row_labelled_twice"."""
        if not self.rows_by_size[2:].any():
            expected = "rows that several annotators labelled"
            hint = "with one label per row there is nothing to compare; use it as the label column"
            raise DataError("no_row_labelled_twice", "annotations", expected, Shown("none"), hint)


def shares(hits: IntArray, out_of: IntArray) -> FloatArray:
    """Divide, with NaN for 0 / 0."""
    result = np.full(hits.shape, np.nan)
    np.divide(hits, out_of, out=result, where=out_of > 0)
    return result


def _filled(rates: FloatArray) -> FloatArray:
    unknown = np.isnan(rates)
    if unknown.any() and not unknown.all():
        rates[unknown] = np.mean(rates[~unknown])
    return rates


def majority_vote(block: AnnotatedBlock, votes: VoteState) -> IntArray:
    """Most frequent label of each row, int64, shape (rows,).

    Among equally frequent labels: the most probable; then the one less frequent in the corpus; then
    the one whose annotators agree more often with clear votes; then the lower.

    Parameters
    ----------
    block : any rows of those that `votes` has seen
    votes : of all rows
    """
    level = block.is_most_frequent.copy()
    rarity = np.broadcast_to(-votes.class_counts.astype(np.float64), level.shape)
    for preference in (block.pred_probs, rarity):
        _keep_highest(level, preference)
    rows = _undecided(level)
    if votes.clear.any() and len(rows):
        _keep_trusted(level, rows, block, votes.agreement_with_clear_votes)
    winner: IntArray = level.argmax(axis=1)
    return winner


def _undecided(level: BoolArray) -> IntArray:
    return np.flatnonzero(np.count_nonzero(level, axis=1) > 1)


def _keep_highest(level: BoolArray, preference: FloatArray) -> None:
    rows = _undecided(level)
    values = np.where(level[rows], preference[rows], -np.inf)
    level[rows] &= values == values.max(axis=1, keepdims=True)


def _keep_trusted(
    level: BoolArray, rows: IntArray, block: AnnotatedBlock, trust: FloatArray
) -> None:
    for row in rows.tolist():  # few: three rules have not told them apart
        own = slice(block.first[row], block.first[row] + block.n_annotations[row])
        trusted, given = trust[block.annotator[own]], block.label[own]
        labels = np.flatnonzero(level[row])
        means = np.array([np.mean(trusted[given == label]) for label in labels])
        level[row, labels] = means == means.max()
