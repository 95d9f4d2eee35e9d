"""Multi-label label issues: rows that belong to any number of classes, also to none.

As `cleanlab.multilabel_classification` 2.9.0: each class is a problem of two labels, and a row is
an issue if it is one in any class. Labels of a block are indicators, shape (n, K), of 0 and 1;
pred_probs, shape (n, K), need not sum to 1. All passes are of all K classes at once:

    pass 1        thresholds = OneVsRestThresholds of all blocks
    pass 2        joints = OneVsRestJoints of all blocks
    passes 3 ..   plan = plan_selection(...), then as in `selection`
    last pass     flag and label_scores of each block

The states need 64 K bytes each; a selection has 4 K cells at most. `confident_learning` and
`predicted_neq_given` need no selection, and unadjusted scores no pass but the last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.multilabel.one_vs_rest import (
    CONFIDENT_LEARNING,
    OneVsRestJoints,
    OneVsRestThresholds,
    cells_of_class,
    estimate_noise_models,
    flag_classes,
    indicators,
    two_columns,
)
from lakewinnow.core.noise import probabilities
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.probabilities import Fault
from lakewinnow.core.selection import label_issues, scores
from lakewinnow.core.selection.cells import ANY, NONE, Cells, Pairs
from lakewinnow.core.selection.label_issues import LOW, IssueFilter
from lakewinnow.core.selection.n_lowest import Budget, Cuts, Selection
from lakewinnow.core.selection.pruning import numbers_to_remove
from lakewinnow.core.selection.scan import scan, selected
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray

ALPHA: Final = 0.8  # weight of a score against all that are better


def class_scores(
    labels: IntArray,
    pred_probs: FloatArray,
    rank_by: str = "self_confidence",
    adjust_by: FloatArray | None = None,
) -> FloatArray:
    """Score each row's being, or not being, of each class, shape (n, K); lower is worse.

    Parameters
    ----------
    labels : int64, shape (n, K), of 0 and 1
    pred_probs : float64, shape (n, K)
    rank_by : a name in `scores.SCORES`
    adjust_by : float64, shape (K, 2), the thresholds for `adjust_pred_probs`; None: do not adjust
    """
    scored = np.zeros(labels.shape)
    for k in range(labels.shape[1]):
        thresholds = None if adjust_by is None else adjust_by[k]
        columns = two_columns(pred_probs[:, k])
        scored[:, k] = scores.label_scores(labels[:, k], columns, rank_by, thresholds)
    return scored


def exponential_moving_average(scored: FloatArray, alpha: float = ALPHA) -> FloatArray:
    """Average scores per row so that the worst count most, shape (n,).

    Parameters
    ----------
    scored : float64, shape (n, K)
    alpha : weight of each score against those better than it, 0 .. 1
    """
    from_worst = np.sort(scored, axis=1)
    average: FloatArray = from_worst[:, -1]
    for k in range(scored.shape[1] - 2, -1, -1):
        average = alpha * from_worst[:, k] + (1 - alpha) * average
    return average


def label_scores(
    labels: IntArray,
    pred_probs: FloatArray,
    rank_by: str = "self_confidence",
    adjust_by: FloatArray | None = None,
    alpha: float = ALPHA,
) -> FloatArray:
    """Score each row's labels as a whole, shape (n,); lower is worse; no pass unless adjusted.

    Parameters are those of `class_scores` and `exponential_moving_average`.
    """
    return exponential_moving_average(class_scores(labels, pred_probs, rank_by, adjust_by), alpha)


@dataclass(frozen=True, eq=False)
class OneVsRestCells(Cells):
    """Cells of all classes: label y of class c has the number 2 c + y in `given` and in `true`.

    A selection over them is a selection in each class; labels are indicators, shape (n, K).
    """

    def pairs(
        self, labels: IntArray, pred_probs: FloatArray, at_most: FloatArray
    ) -> Iterator[Pairs]:
        """List the rows of each cell whose score does not exceed the cell's bound, class by class.

        Parameters
        ----------
        labels : int64, shape (n, K), of 0 and 1
        pred_probs : float64, shape (n, K)
        at_most : float64, shape (A,)
        """
        if len(self) and self.given[0] == ANY:
            score = label_scores(labels, pred_probs, self.row_score)
            (row,) = np.nonzero(score <= at_most[0])
            yield Pairs(row, np.zeros(len(row), np.int64), score[row])
            return
        for k in np.unique(self.given // 2).tolist():
            first = int(np.searchsorted(self.given, 2 * k))
            cells = cells_of_class(self, k)
            bounds = at_most[first : first + len(cells)]
            for pairs in cells.pairs(labels[:, k], two_columns(pred_probs[:, k]), bounds):
                yield pairs._replace(cell=pairs.cell + first)


def plan_selection(
    issue_filter: IssueFilter,
    noise_models: Sequence[NoiseModel],
    n_issues: int,
    *,
    budget: Budget | None = None,
    n_tallies: int | None = None,
) -> Selection:
    """Plan the passes that the filter needs, over all classes at once; `plan.done` where none.

    Parameters
    ----------
    issue_filter : the filter; its `num_to_remove_per_class` says for each of the K classes how many
        of the rows that do not belong to it are selected, as in cleanlab
    noise_models : of every class
    n_issues : `OneVsRestJoints.n_rows`, which is what the filters `low_*` select
    budget, n_tallies : see `Selection.start`

    Raises
    ------
    ConfigError : "wrong_length" or "out_of_range" for num_to_remove_per_class
    """
    n_labels = 2 * len(noise_models)
    if issue_filter.filter_by in LOW and n_issues:
        # Self-confidence for both of them, as in cleanlab: of two labels it is the margin too
        cells: Cells = OneVsRestCells.of_all_rows(n_labels, "self_confidence")
        needs, populations = np.array([n_issues]), np.array([noise_models[0].n_rows])
    else:
        cells, needs = _cells_and_needs(issue_filter, noise_models)
        populations = np.concatenate([model.counts for model in noise_models])[cells.given]
    return Selection.start(cells, needs, populations, budget=budget, n_tallies=n_tallies)


def _cells_and_needs(
    issue_filter: IssueFilter, noise_models: Sequence[NoiseModel]
) -> tuple[Cells, IntArray]:
    filters = _filters_of_classes(issue_filter, len(noise_models))
    given, true, needs = [], [], []
    for k, (of_class, model) in enumerate(zip(filters, noise_models, strict=True)):
        plan = label_issues.plan_selection(of_class, model)
        cells = plan.cuts.cells
        need = model.counts[cells.given]  # of a cell that is selected whole, and so is not open
        need[plan.open.cell] = plan.open.need
        given.append(2 * k + cells.given)
        true.append(np.where(cells.true == NONE, NONE, 2 * k + cells.true))
        needs.append(need)
    cells = OneVsRestCells(2 * len(noise_models), np.concatenate(given), np.concatenate(true))
    return cells, np.concatenate(needs)


def _filters_of_classes(issue_filter: IssueFilter, n_classes: int) -> list[IssueFilter]:
    to_remove = issue_filter.num_to_remove_per_class
    if to_remove is None:
        return [issue_filter] * n_classes
    numbers = numbers_to_remove(to_remove, n_classes).tolist()
    return [replace(issue_filter, num_to_remove_per_class=(n, 0)) for n in numbers]


def flag(block: Block, issue_filter: IssueFilter, thresholds: FloatArray, cuts: Cuts) -> BoolArray:
    """Rows of a block that are label issues, shape (n,); parameters as in `flag_classes`."""
    if issue_filter.filter_by in LOW:
        return selected(block, cuts)
    is_issue: BoolArray = np.any(flag_classes(block, issue_filter, thresholds, cuts), axis=1)
    return is_issue


def judge(pred_probs: FloatArray) -> npt.NDArray[np.int8]:
    """Find rows whose probabilities cannot be, shape (n,), values of `Fault` other than `SUM`.

    Parameters
    ----------
    pred_probs : float64, shape (n, K), finite or not
    """
    remainder = 1 - np.clip(pred_probs, 0, 1)  # so that what is at fault is the class's own
    faults = probabilities.judge(np.stack([pred_probs, remainder], axis=2).reshape(-1, 2)).faults
    of_class = np.where(faults == Fault.NONE, np.int8(len(Fault)), faults).reshape(pred_probs.shape)
    first: npt.NDArray[np.int8] = of_class.min(axis=1)
    return first % np.int8(len(Fault))


@dataclass(frozen=True, eq=False)
class MultilabelIssues:
    """What `find_label_issues` says of each row, in the order of the rows."""

    is_label_issue: BoolArray  # bool, shape (n,)
    # bool, shape (n, K), by class; by confident learning where the filter is one of `low_*`, which
    # look at rows as a whole
    is_class_issue: BoolArray
    label_score: FloatArray  # float64, shape (n,), lower is worse
    label_rank: IntArray  # int64, shape (n,), 1 = worst, by (score, row id); 0: not an issue
    noise_models: list[NoiseModel]  # of every class


def find_label_issues(
    labels: Sequence[Sequence[int]],
    pred_probs: npt.ArrayLike,
    row_ids: Sequence[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    issue_filter: IssueFilter | None = None,
    rank_by: str = "self_confidence",
    adjust_pred_probs: bool = False,
    budget: Budget | None = None,
) -> MultilabelIssues:
    """Find label issues in arrays, by the passes that a lake would need.

    As `selection.label_issues.find_label_issues`, but for these.

    Parameters
    ----------
    labels : per row the classes it belongs to, in 0 .. K-1; perhaps none
    pred_probs : shape (n, K), out-of-sample, of each class by itself; widened to float64
    """
    issue_filter = issue_filter or IssueFilter()
    scores.check_score(rank_by, adjusted=adjust_pred_probs)
    probs = np.ascontiguousarray(pred_probs, np.float64)
    given = indicators(labels, probs.shape[1])
    blocks = label_issues.in_blocks(
        given, probs, row_ids, judge(probs), "probabilities of each class"
    )
    n_classes = blocks[0].pred_probs.shape[1]

    threshold_state = OneVsRestThresholds.zero(n_classes)
    for block in blocks:
        threshold_state = threshold_state.update(block.labels, block.pred_probs)
    thresholds = threshold_state.thresholds()

    joint_state = OneVsRestJoints.zero(n_classes)
    for block in blocks:
        joint_state = joint_state.update(block.labels, block.pred_probs, thresholds)
    names = [str(k) for k in range(n_classes)] if classes is None else classes
    models = estimate_noise_models(names, threshold_state, joint_state)

    n_issues = int(joint_state.n_rows[0])
    plan = plan_selection(issue_filter, models, n_issues, budget=budget, n_tallies=1)
    while not plan.done:
        plan = plan.refine(scan(plan, blocks))

    is_low = issue_filter.filter_by in LOW
    by_class, cuts = (CONFIDENT_LEARNING, None) if is_low else (issue_filter, plan.cuts)
    flags = [flag(block, issue_filter, thresholds, plan.cuts) for block in blocks]
    class_flags = [flag_classes(block, by_class, thresholds, cuts) for block in blocks]
    adjust_by = thresholds if adjust_pred_probs else None
    scored = [label_scores(block.labels, block.pred_probs, rank_by, adjust_by) for block in blocks]
    is_issue, score = np.concatenate(flags), np.concatenate(scored)
    ids = np.concatenate([np.array(block.row_ids, object) for block in blocks])
    ranks = label_issues.rank(is_issue, score, ids)
    return MultilabelIssues(is_issue, np.concatenate(class_flags), score, ranks, models)
