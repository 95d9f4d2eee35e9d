"""How good each annotator of a corpus is, as cleanlab 2.9.0 rates them (`annotator_stats`).

The state is summed in the pass that scores the rows; its cells need 40 K M bytes for M annotators
and K classes.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from lakewinnow.core.crowd.annotations import AnnotatedBlock, VoteState, shares
from lakewinnow.core.crowd.crowdlab import LabelQuality, Weights
from lakewinnow.core.noise.confident_learning import ThresholdState
from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class AnnotatorState(State):
    """How good each annotator's labels are; the pass that scores the rows sums it too."""

    quality: ThresholdState  # exact sum of the labels' quality and their number, per annotator
    # exact sum of the consensus quality score and number of labels, per annotator * K + label
    cells: ThresholdState
    right: IntArray  # int64, shape (M, K), labels that are the consensus
    # int64, shape (M,), labels of rows that others labelled too; those of them that are the
    # consensus
    shared: IntArray
    right_shared: IntArray

    @classmethod
    def zero(cls, n_annotators: int, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls(
            ThresholdState.zero(n_annotators),
            ThresholdState.zero(n_annotators * n_classes),
            np.zeros((n_annotators, n_classes), np.int64),
            np.zeros(n_annotators, np.int64),
            np.zeros(n_annotators, np.int64),
        )

    def update(self, block: AnnotatedBlock, scored: LabelQuality) -> Self:
        """Return the state with a block added.

        Parameters
        ----------
        block : some rows
        scored : what `Crowd.label_quality` gave for it
        """
        cell = block.annotator * self.right.shape[1] + block.label
        is_right = block.label == scored.consensus_label[block.row]
        is_shared = block.n_annotations[block.row] > 1
        n_annotators = len(self.shared)
        return type(self)(
            quality=_add(self.quality, block.annotator, scored.annotation_quality),
            cells=_add(self.cells, cell, scored.consensus_quality_score[block.row]),
            right=self.right + _count(cell[is_right], self.right.size).reshape(self.right.shape),
            shared=self.shared + _count(block.annotator[is_shared], n_annotators),
            right_shared=self.right_shared
            + _count(block.annotator[is_right & is_shared], n_annotators),
        )

    def stats(self, votes: VoteState, weights: Weights | None) -> "AnnotatorStats":
        """Rate the annotators.

        Parameters
        ----------
        votes : of all rows
        weights : those that the rows were scored by
        """
        agreement = shares(self.right_shared, self.shared)
        quality = agreement
        if weights is not None:
            n_annotators = len(agreement)
            annotators = np.sum(weights.annotator) * (votes.mean_annotations / n_annotators)
            share = weights.model / (weights.model + annotators)
            quality = share * self.quality.means() + (1 - share) * agreement
        return AnnotatorStats(
            annotator_quality=quality,
            agreement_with_consensus=shares(self.right.sum(axis=1), self.quality.counts),
            worst_class=self._worst_class(),
            n_labelled=self.quality.counts,
        )

    def _worst_class(self) -> IntArray:
        """Least often right; then most often given; then of the best consensus; then the lower."""
        counts = self.cells.counts.reshape(self.right.shape)
        accuracy = shares(self.right, counts)
        worst = accuracy == np.nanmin(accuracy, axis=1, keepdims=True)
        for preference in (counts, self.cells.means().reshape(counts.shape)):
            values = np.where(worst, preference, -np.inf)
            worst = values == values.max(axis=1, keepdims=True)
        lowest: IntArray = worst.argmax(axis=1)
        return lowest


class AnnotatorStats(NamedTuple):
    """Annotators in the order of their numbers, arrays of shape (M,)."""

    # float64, lower is worse; NaN if nobody else labelled any of their rows
    annotator_quality: FloatArray
    agreement_with_consensus: FloatArray  # float64, share of their labels that are the consensus
    worst_class: IntArray  # int64, the label of theirs that is least often the consensus
    n_labelled: IntArray  # int64, labels they gave

    @property
    def worst_first(self) -> IntArray:
        """Annotators by (quality, agreement, number), those without a quality last."""
        return np.lexsort((self.agreement_with_consensus, self.annotator_quality))


def _count(cells: IntArray, n_cells: int) -> IntArray:
    return np.bincount(cells, minlength=n_cells)


def _add(state: ThresholdState, cells: IntArray, values: FloatArray) -> ThresholdState:
    # The state reads a row's value in the column of its cell; this view repeats it in every column
    columns = np.broadcast_to(values[:, np.newaxis], (len(values), len(state.counts)))
    return state.update(cells, columns)
