"""Each class as a question of its own, does a row belong to it or not: one against the rest.

Label 0 is "no" and 1 is "yes", with the probabilities 1 - p and p. The states are those of
`confident_learning`, of all classes at once, with the classes as first axis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from lakewinnow.core.noise.confident_learning import JointState, ThresholdState, check_labels
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection import label_issues
from lakewinnow.core.selection.cells import NONE, Cells
from lakewinnow.core.selection.label_issues import IssueFilter
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.core.states import State
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray

CONFIDENT_LEARNING: Final = IssueFilter(filter_by="confident_learning")


def indicators(labels: Sequence[Sequence[int]], n_classes: int) -> IntArray:
    """Return 1 where a row belongs to a class, int64, shape (n, K).

    Parameters
    ----------
    labels : per row the classes it belongs to, in 0 .. K-1; perhaps none
    """
    lengths = np.array([len(row) for row in labels], np.int64)
    flat = np.array([label for row in labels for label in row], np.int64)
    check_labels(flat, n_classes)
    matrix = np.zeros((len(labels), n_classes), np.int64)
    matrix[np.repeat(np.arange(len(labels)), lengths), flat] = 1
    return matrix


def two_columns(pred_probs: FloatArray) -> FloatArray:
    """Probabilities of labels 0 and 1 of one class, shape (n, 2), from those of 1, shape (n,)."""
    return np.column_stack([1 - pred_probs, pred_probs])


@dataclass(frozen=True, eq=False)
class OneVsRestThresholds(State):
    """Pass 1: the `ThresholdState` of every class."""

    limbs: IntArray  # int64, shape (K, 2, 3)
    counts: IntArray  # int64, shape (K, 2)

    @classmethod
    def zero(cls, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls._of([ThresholdState.zero(2)] * n_classes)

    def update(self, labels: IntArray, pred_probs: FloatArray) -> Self:
        """Return the state with a block of rows added."""
        classes = zip(labels.T, pred_probs.T, strict=True)
        return self._of(
            [
                state.update(label, two_columns(prob))
                for state, (label, prob) in zip(self.of_classes(), classes, strict=True)
            ]
        )

    def thresholds(self) -> FloatArray:
        """Mean probability of the given label, per class and label, shape (K, 2)."""
        return np.array([state.thresholds() for state in self.of_classes()]).reshape(-1, 2)

    def of_classes(self) -> Iterator[ThresholdState]:
        """Yield the state of each class."""
        return map(ThresholdState, self.limbs, self.counts)

    @classmethod
    def _of(cls, states: Sequence[ThresholdState]) -> Self:
        return cls(
            np.array([state.limbs for state in states]),
            np.array([state.counts for state in states]),
        )


@dataclass(frozen=True, eq=False)
class OneVsRestJoints(State):
    """Pass 2: the `JointState` of every class."""

    counts: IntArray  # int64, shape (K, 2, 2), rows = guess, columns = given label
    n_label_issues: IntArray  # int64, shape (K,)
    # int64, shape (1,), rows that are issues by `confident_learning`, in whatever class
    n_rows: IntArray

    @classmethod
    def zero(cls, n_classes: int) -> Self:
        """Return the state of no rows."""
        shapes = ((n_classes, 2, 2), n_classes, 1)
        return cls(*(np.zeros(shape, np.int64) for shape in shapes))

    def update(self, labels: IntArray, pred_probs: FloatArray, thresholds: FloatArray) -> Self:
        """Return the state with a block of rows added."""
        columns = zip(labels.T, pred_probs.T, thresholds, strict=True)
        states = [
            state.update(label, two_columns(prob), of_class)
            for state, (label, prob, of_class) in zip(self.of_classes(), columns, strict=True)
        ]
        is_issue = flag_classes(Block(labels, pred_probs, ()), CONFIDENT_LEARNING, thresholds)
        return type(self)(
            np.array([state.counts for state in states]),
            np.array([state.n_label_issues for state in states]),
            self.n_rows + np.count_nonzero(is_issue.any(axis=1)),
        )

    def of_classes(self) -> Iterator[JointState]:
        """Yield the state of each class."""
        return map(JointState, self.counts, self.n_label_issues.tolist())


def estimate_noise_models(
    classes: Sequence[str], thresholds: OneVsRestThresholds, joints: OneVsRestJoints
) -> list[NoiseModel]:
    """Estimate the noise model of every class C, of the labels "not C" and "C".

    Parameters
    ----------
    classes : K names
    thresholds, joints : of the same rows
    """
    states = zip(classes, thresholds.of_classes(), joints.of_classes(), strict=True)
    return [
        NoiseModel.estimate([f"not {name}", name], threshold_state, joint_state)
        for name, threshold_state, joint_state in states
    ]


def cells_of_class(cells: Cells, k: int) -> Cells:
    """Cells of class k alone, with labels 0 and 1, from cells with labels 2 k and 2 k + 1."""
    chosen = cells.given // 2 == k
    true = cells.true[chosen]
    return Cells(2, cells.given[chosen] % 2, np.where(true == NONE, NONE, true % 2))


def flag_classes(
    block: Block, issue_filter: IssueFilter, thresholds: FloatArray, cuts: Cuts | None = None
) -> BoolArray:
    """Classes that the rows of a block seem to be wrongly in, or wrongly not in, shape (n, K).

    Parameters
    ----------
    block : any rows of those that the plan's passes saw, with indicators as labels
    issue_filter : not `low_*`, which look at rows as a whole
    thresholds : float64, shape (K, 2)
    cuts : of the plan, once it is done; None for a filter that needs no plan
    """
    flags = np.zeros(block.labels.shape, bool)
    for k, of_class in enumerate(thresholds):
        columns = two_columns(block.pred_probs[:, k])
        binary = Block(block.labels[:, k], columns, block.row_ids)
        flags[:, k] = label_issues.flag(binary, issue_filter, of_class, _cuts_of_class(cuts, k))
    return flags


def _cuts_of_class(cuts: Cuts | None, k: int) -> Cuts:
    if cuts is None:
        return Cuts(Cells.none(2), np.zeros(0), {})
    of_class = cuts.take(cuts.cells.given // 2 == k)
    return replace(of_class, cells=cells_of_class(cuts.cells, k))
