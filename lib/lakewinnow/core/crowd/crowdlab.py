"""CROWDLAB: weigh annotators and a model against each other (Goh, Tkachenko & Mueller 2022).

Each gets a weight by how much better than the most frequent class it does; the weighted votes are a
distribution over each row's labels, the posterior. Equal to cleanlab 2.9.0, but that its float sums
depend on the order of the rows, in their last bits, and these do not.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np

from lakewinnow.core.crowd.annotations import AnnotatedBlock, VoteState, majority_vote
from lakewinnow.core.noise.confident_learning import EPSILON
from lakewinnow.core.selection.scores import self_confidence
from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class ConsensusState(State):
    """How consensus labels, annotators and model agree in rows of two annotations or more."""

    # int64, shape (M + 1,), annotations that give the consensus label, per number of annotations of
    # their row
    agreeing_by_size: IntArray
    consensus_counts: IntArray  # int64, shape (K,), rows per consensus label
    n_model_errors: IntArray  # int64, shape (1,), rows whose most probable label is another one

    @classmethod
    def zero(cls, n_annotators: int, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls(*(np.zeros(shape, np.int64) for shape in (n_annotators + 1, n_classes, 1)))

    def update(self, block: AnnotatedBlock, consensus_label: IntArray) -> Self:
        """Return the state with a block added.

        Parameters
        ----------
        block : some rows
        consensus_label : int64, shape (rows,)
        """
        several = np.flatnonzero(block.n_annotations > 1)
        label = consensus_label[several]
        agreeing = np.zeros_like(self.agreeing_by_size)
        np.add.at(agreeing, block.n_annotations[several], block.votes[several, label])
        counts = np.bincount(label, minlength=len(self.consensus_counts))
        n_wrong = np.count_nonzero(block.pred_probs[several].argmax(axis=1) != label)
        return self.merge(type(self)(agreeing, counts, np.array([n_wrong])))


@dataclass(frozen=True, eq=False)
class Weights:
    """How much model and annotators count, and how much an annotator's label says."""

    model: float  # weight of pred_probs
    annotator: FloatArray  # float64, shape (M,)
    likelihood: float  # probability that an annotator gives the consensus label
    other_likelihood: float  # that an annotator gives some one other label

    @classmethod
    def estimate(cls, votes: VoteState, consensus: ConsensusState) -> Self:
        """Estimate the weights from the states of all rows."""
        votes.check()
        n_rows = int(votes.rows_by_size[2:].sum())
        agreeing = enumerate(consensus.agreeing_by_size.tolist())
        total_agreement = sum((Fraction(n, size) for size, n in agreeing if n), Fraction(0))
        likelihood = float(total_agreement / n_rows)
        # The error of one who always gives the most frequent label is what others are measured by
        baseline = max((n_rows - int(consensus.consensus_counts.max())) / n_rows, EPSILON)
        annotator_error = 1 - votes.agreement_with_annotators
        model_error = int(consensus.n_model_errors[0]) / n_rows
        model_skill = max(1 - model_error / baseline, EPSILON)
        return cls(
            model=model_skill * float(np.sqrt(votes.mean_annotations)),
            annotator=np.maximum(1 - annotator_error / baseline, EPSILON),
            likelihood=likelihood,
            other_likelihood=(1 - likelihood) / (len(consensus.consensus_counts) - 1),
        )


def posterior(block: AnnotatedBlock, weights: Weights | None) -> FloatArray:
    """Distribution over the labels of each row, shape (rows, K).

    Parameters
    ----------
    block : some rows
    weights : None: the shares of the votes, whatever the model says
    """
    if weights is None:
        return block.votes / block.n_annotations[:, np.newaxis]
    weighted: FloatArray = block.pred_probs * weights.model
    total_weight = np.zeros(len(weighted))
    for turn in block.turns:
        row, weight = block.row[turn], weights.annotator[block.annotator[turn]]
        vote = np.repeat((weight * weights.other_likelihood)[:, np.newaxis], weighted.shape[1], 1)
        vote[np.arange(len(turn)), block.label[turn]] = weight * weights.likelihood
        weighted[row] += vote
        total_weight[row] += weight
    weighted /= (total_weight + weights.model)[:, np.newaxis]
    return weighted


class LabelQuality(NamedTuple):
    """What is known of the rows of a block, and of the annotations, in its order."""

    consensus_label: IntArray  # int64, shape (rows,)
    consensus_quality_score: FloatArray  # float64, shape (rows,), lower is worse
    # float64, shape (rows,), share of the annotations that give the consensus
    annotator_agreement: FloatArray
    n_annotations: IntArray  # int64, shape (rows,)
    # float64, shape (n,), quality score of each annotator's own label
    annotation_quality: FloatArray


@dataclass(frozen=True, eq=False)
class Crowd:
    """What the passes so far say of the corpus; it ships to where the blocks are."""

    votes: VoteState  # of all rows
    # by the consensus labels of all rows; None: quality is the share of the votes
    weights: Weights | None = None
    # by the majority votes of all rows; None: these are the consensus
    majority_weights: Weights | None = None

    def weigh(self, consensus: ConsensusState) -> Self:
        """Weigh model and annotators, by the state of all blocks and their `consensus_labels`."""
        return replace(self, weights=Weights.estimate(self.votes, consensus))

    def prefer_best_quality(self) -> Self:
        """Make the label of highest quality the consensus, where it was the most frequent one.

        Raises
        ------
        ValueError : before the first `weigh`
        """
        if self.weights is None:
            raise ValueError("the quality of labels is not known before weigh()")
        return replace(self, majority_weights=self.weights)

    def consensus_labels(self, block: AnnotatedBlock) -> IntArray:
        """Consensus label of each row, int64, shape (rows,)."""
        majority = majority_vote(block, self.votes)
        if self.majority_weights is None:
            return majority
        probability = posterior(block, self.majority_weights)
        is_best = probability == probability.max(axis=1, keepdims=True)
        is_level = np.count_nonzero(is_best, axis=1) > 1
        return np.where(is_level, majority, is_best.argmax(axis=1))

    def label_quality(self, block: AnnotatedBlock) -> LabelQuality:
        """Consensus labels and scores of a block."""
        label = self.consensus_labels(block)
        probability = posterior(block, self.weights)
        agreeing = block.votes[np.arange(len(label)), label]
        return LabelQuality(
            consensus_label=label,
            consensus_quality_score=self_confidence(label, probability),
            annotator_agreement=agreeing / block.n_annotations,
            n_annotations=block.n_annotations,
            annotation_quality=probability[block.row, block.label],
        )
