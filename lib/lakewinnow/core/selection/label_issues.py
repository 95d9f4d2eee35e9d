"""Which rows to doubt: cleanlab's seven filters, row by row once the cuts are known.

    plan = plan_selection(filter_, noise_model)
    ... passes, as in `selection` ...
    mask = flag(block, filter_, noise_model.thresholds, plan.cuts)

Equal to `cleanlab.filter.find_label_issues` 2.9.0 in float64, but for ties: where rows are level at
a cut, cleanlab takes them as its unstable sort has them, and this module by ascending row id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.confident_learning import (
    NOT_COUNTED,
    JointState,
    ThresholdState,
    confident_guesses,
    unflagged,
)
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.probabilities import Fault, clipped, judge
from lakewinnow.core.selection.cells import NONE, Cells
from lakewinnow.core.selection.n_lowest import Budget, Cuts, Selection
from lakewinnow.core.selection.pruning import (
    class_needs,
    noise_rate_needs,
    noise_rate_needs_of_cells,
    prune_counts,
    prune_counts_of_cells,
)
from lakewinnow.core.selection.scan import scan, selected
from lakewinnow.core.selection.scores import check_score, label_scores
from lakewinnow.core.sparse import Counts, Sparse
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray, ObjectArray
from lakewinnow.errors import ConfigError, DataError, Shown, did_you_mean

BLOCK_ROWS: Final = 10_000

FilterBy: TypeAlias = Literal[
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
]
PRUNES: Final = frozenset({"prune_by_noise_rate", "prune_by_class", "both"})
LOW: Final = {
    "low_self_confidence": "self_confidence",
    "low_normalized_margin": "normalized_margin",
}


@dataclass(frozen=True, kw_only=True)
class IssueFilter:
    """How label issues are told from other rows.

    Raises
    ------
    ConfigError : "unknown_filter", "out_of_range", or "impossible_combination"
    """

    filter_by: FilterBy = "prune_by_noise_rate"  # one of cleanlab's seven filters
    frac_noise: float = 1.0  # share of the estimated noise that the prune filters select, 0 .. 1
    min_examples_per_class: int = 1  # rows that the prune filters leave in each class
    # rows that `prune_by_class` selects in each class; with other filters cleanlab's meaning of it
    # is at fault (it would act on the true class), so it is refused
    num_to_remove_per_class: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        got: object
        known = get_args(FilterBy)
        if self.filter_by not in known:
            expected, got = f"one of {', '.join(known)}", self.filter_by
            hint = did_you_mean(self.filter_by, known)
            raise ConfigError("unknown_filter", "label_issues.filter_by", expected, got, hint)
        if not 0 <= self.frac_noise <= 1:
            where = "label_issues.frac_noise"
            raise ConfigError("out_of_range", where, "a share, 0 .. 1", self.frac_noise)
        if self.min_examples_per_class < 0:
            where, got = "label_issues.min_examples_per_class", self.min_examples_per_class
            raise ConfigError("out_of_range", where, "0 or more", got)
        if self.num_to_remove_per_class is not None and self.filter_by != "prune_by_class":
            where = "label_issues.num_to_remove_per_class"
            expected, got = "filter_by prune_by_class with it", self.filter_by
            hint = "set filter_by: prune_by_class, or leave out num_to_remove_per_class"
            raise ConfigError("impossible_combination", where, expected, got, hint)
        if self.frac_noise != 1.0 and self.filter_by not in PRUNES:
            where = "label_issues.frac_noise"
            expected = f"1.0 with filter_by {self.filter_by}, which does not use it"
            got, hint = self.frac_noise, f"use one of {', '.join(sorted(PRUNES))}"
            raise ConfigError("impossible_combination", where, expected, got, hint)

    @property
    def is_of_margins(self) -> bool:
        """Whether rows are selected by their margins to other classes, and by nothing else."""
        return self.filter_by == "prune_by_noise_rate"


def plan_selection(
    issue_filter: IssueFilter,
    noise_model: NoiseModel,
    *,
    budget: Budget | None = None,
    n_tallies: int | None = None,
    below_zero: IntArray | None = None,
) -> Selection:
    """Plan the passes that the filter needs; none (`plan.done`) where it looks at each row alone.

    Parameters
    ----------
    issue_filter : the filter
    noise_model : of the rows that will be scanned
    budget, n_tallies : see `Selection.start`
    below_zero : int64, shape (K, K, steps), the rows' from `cells.count_margins`, which save a pass
    """
    cells, needs = _cells_and_needs(issue_filter, noise_model)
    of_all_rows = issue_filter.filter_by in LOW
    populations = np.array([noise_model.n_rows]) if of_all_rows else noise_model.counts[cells.given]
    plan = Selection.start(cells, needs, populations, budget=budget, n_tallies=n_tallies)
    return plan if below_zero is None else plan.narrowed_by(below_zero)


def _cells_and_needs(issue_filter: IssueFilter, noise_model: NoiseModel) -> tuple[Cells, IntArray]:
    n_classes = len(noise_model.classes)
    if issue_filter.filter_by in LOW and noise_model.n_label_issues:
        cells = Cells.of_all_rows(n_classes, LOW[issue_filter.filter_by])
        return cells, np.array([noise_model.n_label_issues])
    (given, true, by_noise_rate), by_class = _prune_needs(issue_filter, noise_model)
    whole_class = np.flatnonzero(by_class)
    all_given = np.concatenate([given, whole_class])
    all_true = np.concatenate([true, np.full(len(whole_class), NONE)])
    needs = np.concatenate([by_noise_rate, by_class[whole_class]])
    order = np.argsort(all_given, kind="stable")
    return Cells(n_classes, all_given[order], all_true[order]), needs[order]


def _prune_needs(
    issue_filter: IssueFilter, noise_model: NoiseModel
) -> tuple[tuple[IntArray, IntArray, IntArray], IntArray]:
    """Given and true labels and the rows to select of them, and those per given label, (K,)."""
    least, counts = issue_filter.min_examples_per_class, noise_model.counts
    nothing = np.zeros(0, np.int64)
    by_noise_rate: tuple[IntArray, IntArray, IntArray] = nothing, nothing, nothing
    by_class = np.zeros(len(counts), np.int64)
    if issue_filter.filter_by in PRUNES:
        joint, frac_noise = noise_model.confident_joint, issue_filter.frac_noise
        is_by_noise_rate = issue_filter.filter_by != "prune_by_class"
        pruned: Counts
        if isinstance(joint, Sparse):
            pruned = of_cells = prune_counts_of_cells(joint, least, frac_noise)
            if is_by_noise_rate:
                by_noise_rate = noise_rate_needs_of_cells(of_cells, counts, least)
        else:
            pruned = matrix = prune_counts(
                joint, min_examples_per_class=least, frac_noise=frac_noise
            )
            if is_by_noise_rate:
                needs = noise_rate_needs(matrix, counts, least)
                given, true = np.nonzero(needs)
                by_noise_rate = given, true, needs[given, true]
        if issue_filter.filter_by != "prune_by_noise_rate":
            by_class = class_needs(pruned, counts, least, issue_filter.num_to_remove_per_class)
    return by_noise_rate, by_class


def flag(block: Block, issue_filter: IssueFilter, thresholds: FloatArray, cuts: Cuts) -> BoolArray:
    """Rows of a block that are label issues, shape (n,).

    Parameters
    ----------
    block : any rows of those that the plan's passes saw
    issue_filter : the filter
    thresholds : float64, shape (K,), of the noise model
    cuts : of the plan, once it is done
    """
    if issue_filter.filter_by in LOW:
        return selected(block, cuts)  # these two may flag a row whose label is the most probable
    labels, pred_probs = block.labels, block.pred_probs
    is_issue = ~unflagged(labels, pred_probs)
    match issue_filter.filter_by:
        case "predicted_neq_given":
            is_issue &= pred_probs.argmax(axis=1) != labels
        case "confident_learning":
            guesses = confident_guesses(pred_probs, thresholds)
            is_issue &= (guesses != NOT_COUNTED) & (guesses != labels)
        case "both":
            by_class = cuts.cells.true == NONE
            _keep_selected(is_issue, block, cuts.take(by_class))
            _keep_selected(is_issue, block, cuts.take(~by_class))
        case _:
            _keep_selected(is_issue, block, cuts)
    return is_issue


def _keep_selected(mask: BoolArray, block: Block, cuts: Cuts) -> None:
    rows = np.flatnonzero(mask)  # few: most labels are the most probable class
    ids = [block.row_ids[row] for row in rows.tolist()] if cuts.row_id else ()  # to break ties
    mask[rows] = selected(Block(block.labels[rows], block.pred_probs[rows], ids), cuts)


@dataclass(frozen=True, eq=False)
class FoundIssues:
    """What `find_label_issues` says of each row, in the order of the rows."""

    is_label_issue: BoolArray  # bool, shape (n,)
    label_score: FloatArray  # float64, shape (n,), lower is worse
    label_rank: IntArray  # int64, shape (n,), 1 = worst, by (score, row id); 0: not an issue
    noise_model: NoiseModel  # of all rows

    @property
    def ranked(self) -> IntArray:
        """Positions of the issues, the worst first."""
        issues = np.flatnonzero(self.is_label_issue)
        return issues[np.argsort(self.label_rank[issues])]


def find_label_issues(
    labels: npt.ArrayLike,
    pred_probs: npt.ArrayLike,
    row_ids: Sequence[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    issue_filter: IssueFilter | None = None,
    rank_by: str = "self_confidence",
    adjust_pred_probs: bool = False,
    budget: Budget | None = None,
    noise_model: NoiseModel | None = None,
) -> FoundIssues:
    """Find label issues in arrays, by the passes that a lake would need.

    Parameters
    ----------
    labels : integers, shape (n,), in 0 .. K-1
    pred_probs : shape (n, K), out-of-sample; widened to float64
    row_ids : n strings, each once; None: the positions, so that the earlier row comes first
    classes : K names; None: the numbers
    issue_filter : None: `prune_by_noise_rate` with cleanlab's defaults
    rank_by : a name in `scores.SCORES`
    adjust_pred_probs : whether scores take out how confident the model is of each class
    budget : what one pass of the selection may hold
    noise_model : an earlier one of the same classes, to judge the rows with; see `of_batch`

    Raises
    ------
    DataError : "wrong_length", "label_out_of_range", "no_rows", or the code of a `Fault`
    ConfigError : "unknown_score", "score_not_adjustable"
    """
    issue_filter = issue_filter or IssueFilter()
    check_score(rank_by, adjusted=adjust_pred_probs)
    probs = np.ascontiguousarray(pred_probs, np.float64)
    given, faults = np.asarray(labels, np.int64), judge(probs).faults
    blocks = in_blocks(given, probs, row_ids, faults, "probabilities that sum to 1")
    n_classes = blocks[0].pred_probs.shape[1]

    threshold_state = ThresholdState.zero(n_classes)
    for block in blocks:
        threshold_state = threshold_state.update(block.labels, block.pred_probs)
    thresholds = noise_model.thresholds if noise_model else threshold_state.thresholds()

    joint_state = JointState.zero(n_classes)
    for block in blocks:
        joint_state = joint_state.update(block.labels, block.pred_probs, thresholds)
    if noise_model is None:
        names = [str(k) for k in range(n_classes)] if classes is None else classes
        noise_model = NoiseModel.estimate(names, threshold_state, joint_state)
    else:
        noise_model = noise_model.of_batch(threshold_state, joint_state)

    plan = plan_selection(issue_filter, noise_model, budget=budget, n_tallies=1)
    while not plan.done:
        plan = plan.refine(scan(plan, blocks))

    flags = [flag(block, issue_filter, thresholds, plan.cuts) for block in blocks]
    adjust_by = thresholds if adjust_pred_probs else None
    scores = [label_scores(block.labels, block.pred_probs, rank_by, adjust_by) for block in blocks]
    is_issue, score = np.concatenate(flags), np.concatenate(scores)
    ids = np.concatenate([np.array(block.row_ids, object) for block in blocks])
    return FoundIssues(is_issue, score, rank(is_issue, score, ids), noise_model)


def rank(is_issue: BoolArray, score: FloatArray, row_ids: ObjectArray) -> IntArray:
    """Return 1 for the issue of lowest (score, row id), 2 for the next ...; 0 for other rows."""
    issues = np.flatnonzero(is_issue)
    worst_first = np.lexsort((row_ids[issues], score[issues]))
    ranks = np.zeros(len(is_issue), np.int64)
    ranks[issues[worst_first]] = np.arange(1, len(issues) + 1)
    return ranks


def in_blocks(
    labels: IntArray,
    pred_probs: FloatArray,
    row_ids: Sequence[str] | None,
    faults: npt.NDArray[np.int8],
    expected: str,
) -> list[Block]:
    """Return rows in blocks, if all are sound.

    Parameters
    ----------
    labels : int64, shape (n,) or (n, K)
    row_ids : None: the positions
    faults : int8, shape (n,), values of `Fault`
    expected : of probabilities, as an error has it
    """
    ids = [f"{row:012d}" for row in range(len(labels))] if row_ids is None else row_ids
    if not len(labels) == len(pred_probs) == len(ids):
        lengths = Shown(f"{len(labels)} labels, {len(pred_probs)} pred_probs, {len(ids)} row_ids")
        raise DataError("wrong_length", "pred_probs", "one row per label and row id", lengths)
    bad = np.flatnonzero(faults)
    if len(bad):
        fault, where = Fault(int(faults[bad[0]])), f"pred_probs of row {ids[int(bad[0])]}"
        hint = f"bad rows: {len(bad)} of {len(faults)}; leave them out or fix them"
        raise DataError(fault.code, where, expected, Shown(fault.reason), hint)
    probs = clipped(pred_probs)
    parts = (slice(at, at + BLOCK_ROWS) for at in range(0, max(len(labels), 1), BLOCK_ROWS))
    return [Block(labels[part], probs[part], ids[part]) for part in parts]
