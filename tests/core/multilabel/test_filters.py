from functools import cache, reduce
from typing import NamedTuple, get_args

import cleanlab.count
import numpy as np
import pytest
from cleanlab.multilabel_classification import filter as theirs
from cleanlab.multilabel_classification.rank import (
    get_label_quality_scores,
    get_label_quality_scores_per_class,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reference import stable_cleanlab
from lakewinnow.core.multilabel import filters as ml
from lakewinnow.core.multilabel.one_vs_rest import (
    OneVsRestJoints,
    OneVsRestThresholds,
    estimate_noise_models,
    indicators,
)
from lakewinnow.core.noise.probabilities import Fault
from lakewinnow.core.selection.label_issues import LOW, FilterBy, IssueFilter
from lakewinnow.core.selection.n_lowest import Budget, Tally
from lakewinnow.core.selection.scan import scan
from lakewinnow.core.types import Block
from lakewinnow.errors import ConfigError, DataError

KINDS = ("continuous", "rounded", "float32", "one_hot")
FILTERS = get_args(FilterBy)
SEEDS = range(44)


class Corpus(NamedTuple):
    labels: list[list[int]]
    pred_probs: np.ndarray

    @property
    def indicators(self):
        return indicators(self.labels, self.pred_probs.shape[1])


@cache
def corpus(seed):
    """Noisy sets of labels and the probability of each class, which may be rare, usual or empty."""
    rng = np.random.default_rng([seed, 20240302])
    n, k = int(rng.integers(8, 250)), int(rng.choice([2, 3, 5, 8]))
    true = rng.random((n, k)) < rng.uniform(0.05, 0.7, k)
    given_ = true ^ (rng.random((n, k)) < rng.choice([0.02, 0.25]))
    given_[0], given_[1] = True, False  # cleanlab wants rows in and rows not in every class
    given_[2, : k // 2] = True
    logits = rng.normal(size=(n, k)) * 2 + (2 * true - 1) * rng.choice([0.5, 2.0, 5.0])
    pred_probs = 1 / (1 + np.exp(-logits))
    match KINDS[seed % len(KINDS)]:
        case "rounded":
            pred_probs = np.round(pred_probs, 1)
        case "float32":
            pred_probs = pred_probs.astype(np.float32).astype(np.float64)
        case "one_hot":
            pred_probs = np.rint(pred_probs)
    if seed % 7 == 0:  # no row is of the last class; cleanlab allows that for some filters
        given_[:, -1] = False
    return Corpus([np.flatnonzero(row).tolist() for row in given_], pred_probs)


MASKS = [
    (seed, filter_by)
    for seed in SEEDS
    for filter_by in FILTERS
    if seed % 7 or filter_by != "predicted_neq_given"  # which cleanlab refuses of an empty class
]


@pytest.mark.parametrize(("seed", "filter_by"), MASKS)
def test_masks_are_cleanlabs(seed, filter_by):
    labels, pred_probs = corpus(seed)
    prunes = filter_by not in LOW and filter_by not in ("confident_learning", "predicted_neq_given")
    least, frac = ((1, 1.0), (10, 0.6))[seed % 2] if prunes else (1, 1.0)
    options = {"filter_by": filter_by, "frac_noise": frac, "min_examples_per_class": least}
    with stable_cleanlab():
        expected = theirs.find_label_issues(labels, pred_probs, n_jobs=1, **options)
        if filter_by not in LOW:
            by_class = theirs.find_multilabel_issues_per_class(
                labels, pred_probs, n_jobs=1, **options
            )
    ours = ml.find_label_issues(labels, pred_probs, issue_filter=IssueFilter(**options))
    np.testing.assert_array_equal(ours.is_label_issue, expected)
    if filter_by not in LOW:
        np.testing.assert_array_equal(ours.is_class_issue, by_class)


@pytest.mark.parametrize("seed", SEEDS)
def test_joints_are_cleanlabs(seed):
    labels, pred_probs = corpus(seed)
    with stable_cleanlab():
        expected = cleanlab.count.compute_confident_joint(labels, pred_probs, multi_label=True)
    models = ml.find_label_issues(labels, pred_probs).noise_models
    np.testing.assert_array_equal([model.confident_joint for model in models], expected)


@pytest.mark.parametrize("rank_by", ["self_confidence", "normalized_margin"])
@pytest.mark.parametrize("adjust", [False, True])
@pytest.mark.parametrize("seed", range(0, 44, 4))
def test_ranks_are_cleanlabs(seed, rank_by, adjust):
    labels, pred_probs = corpus(seed)
    with stable_cleanlab():
        expected = theirs.find_label_issues(
            labels,
            pred_probs,
            return_indices_ranked_by=rank_by,
            rank_by_kwargs={"adjust_pred_probs": adjust},
            n_jobs=1,
        )
    ours = ml.find_label_issues(labels, pred_probs, rank_by=rank_by, adjust_pred_probs=adjust)
    ranked = np.argsort(ours.label_rank, kind="stable")[np.count_nonzero(ours.label_rank == 0) :]
    if adjust:  # thresholds are the exact means, so scores that are level there may not be here
        np.testing.assert_allclose(ours.label_score[ranked], ours.label_score[expected], 1e-12)
    else:
        np.testing.assert_array_equal(ranked, expected)


@pytest.mark.parametrize(
    ("rank_by", "adjust"),
    [
        ("self_confidence", False),
        ("self_confidence", True),
        ("normalized_margin", False),
        ("normalized_margin", True),
        ("confidence_weighted_entropy", False),
    ],
)
@pytest.mark.parametrize("seed", SEEDS[::2])
def test_scores_are_cleanlabs(seed, rank_by, adjust):
    labels, pred_probs = corpus(seed)
    how = {"method": rank_by, "adjust_pred_probs": adjust}
    given_ = corpus(seed).indicators
    adjust_by = None
    if adjust:
        state = OneVsRestThresholds.zero(given_.shape[1]).update(given_, pred_probs)
        adjust_by = state.thresholds()
    close = {"rtol": 1e-12, "atol": 1e-15}
    np.testing.assert_allclose(
        ml.class_scores(given_, pred_probs, rank_by, adjust_by),
        get_label_quality_scores_per_class(labels, pred_probs, **how),
        **close,
    )
    np.testing.assert_allclose(
        ml.label_scores(given_, pred_probs, rank_by, adjust_by),
        get_label_quality_scores(labels, pred_probs, **how),
        **close,
    )


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_averages_are_cleanlabs(alpha):
    labels, pred_probs = corpus(2)
    aggregate = {"method": "exponential_moving_average", "alpha": alpha}
    np.testing.assert_allclose(
        ml.label_scores(corpus(2).indicators, pred_probs, alpha=alpha),
        get_label_quality_scores(labels, pred_probs, aggregator_kwargs=aggregate),
        rtol=1e-14,
    )


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6, 8, 9])
def test_numbers_to_remove_are_cleanlabs(seed):
    labels, pred_probs = corpus(seed)
    to_remove = np.random.default_rng(seed).integers(1, 6, pred_probs.shape[1]).tolist()
    with stable_cleanlab():
        expected = theirs.find_multilabel_issues_per_class(
            labels,
            pred_probs,
            filter_by="prune_by_class",
            num_to_remove_per_class=to_remove,
            n_jobs=1,
        )
    issue_filter = IssueFilter(filter_by="prune_by_class", num_to_remove_per_class=tuple(to_remove))
    ours = ml.find_label_issues(labels, pred_probs, issue_filter=issue_filter)
    np.testing.assert_array_equal(ours.is_class_issue, expected)


BUDGETS = st.sampled_from([Budget(), Budget(counters=256, candidates=8)])


@settings(deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.sampled_from(FILTERS),
    BUDGETS,
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_any_split_in_any_order_gives_the_same(seed, filter_by, budget, n_blocks, random):
    labels, pred_probs = corpus(seed)
    n_rows, n_classes = pred_probs.shape
    rows = list(range(n_rows))
    random.shuffle(rows)
    blocks = [
        Block(corpus(seed).indicators[part], pred_probs[part], [f"{row:03d}" for row in part])
        for part in (rows[i::n_blocks] for i in range(n_blocks))
    ]
    zero = OneVsRestThresholds.zero(n_classes)
    each = (zero.update(block.labels, block.pred_probs) for block in blocks)
    threshold_state = reduce(OneVsRestThresholds.merge, each, zero)
    thresholds = threshold_state.thresholds()
    zero = OneVsRestJoints.zero(n_classes)
    each = (zero.update(block.labels, block.pred_probs, thresholds) for block in blocks)
    joint_state = reduce(OneVsRestJoints.merge, each, zero)

    one_by_one = zero
    for block in blocks:
        one_by_one = one_by_one.update(block.labels, block.pred_probs, thresholds)
    np.testing.assert_equal(vars(one_by_one), vars(joint_state))

    issue_filter = IssueFilter(filter_by=filter_by)
    models = estimate_noise_models([""] * n_classes, threshold_state, joint_state)
    n_issues = int(joint_state.n_rows[0])
    plan = ml.plan_selection(issue_filter, models, n_issues, budget=budget)
    while not plan.done:
        plan = plan.refine(Tally.merge(scan(plan, [block]) for block in blocks))
    flags = {
        row_id: is_issue
        for block in blocks
        for row_id, is_issue in zip(
            block.row_ids, ml.flag(block, issue_filter, thresholds, plan.cuts), strict=True
        )
    }
    expected = ml.find_label_issues(labels, pred_probs, issue_filter=issue_filter)
    assert [flags[row_id] for row_id in sorted(flags)] == expected.is_label_issue.tolist()
    assert [model.to_dict()["state"] for model in models] == [
        model.to_dict()["state"] for model in expected.noise_models
    ]
    np.testing.assert_array_equal(thresholds, [model.thresholds for model in expected.noise_models])


@pytest.mark.parametrize("filter_by", ["low_self_confidence", "low_normalized_margin"])
def test_the_lowest_rows_are_ranked_by_score_and_id(filter_by):
    labels, pred_probs = corpus(1)
    found = ml.find_label_issues(labels, pred_probs, issue_filter=IssueFilter(filter_by=filter_by))
    n_issues = np.count_nonzero(found.is_class_issue.any(axis=1))
    worst = np.argsort(found.label_score, kind="stable")[:n_issues]
    np.testing.assert_array_equal(found.label_rank[worst], np.arange(1, n_issues + 1))
    assert np.count_nonzero(found.label_rank) == n_issues > 0


@pytest.mark.parametrize("filter_by", FILTERS)
def test_a_class_of_all_rows_is_not_in_doubt(filter_by):
    # cleanlab refuses it: "Labels must contain at least 2 classes"
    labels, pred_probs = [[0], [0, 1]] * 10, np.tile([[0.9, 0.1], [0.9, 0.8]], (10, 1))
    found = ml.find_label_issues(labels, pred_probs, issue_filter=IssueFilter(filter_by=filter_by))
    assert not found.is_label_issue.any()


def test_indicators():
    np.testing.assert_array_equal(
        indicators([[2, 0], [], [1, 1]], 3), [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    )
    with pytest.raises(DataError) as error:
        indicators([[0], [3]], 3)
    assert error.value.code == "label_out_of_range"


def test_probabilities_that_cannot_be():
    pred_probs = np.array(
        [[1.0, 1.0], [0, -1e-7], [np.nan, 2], [0.5, 1.5], [-0.1, 0.5], [1 + 1e-7, 0]]
    )
    expected = [Fault.NONE, Fault.NONE, Fault.NAN, Fault.ABOVE_ONE, Fault.NEGATIVE, Fault.NONE]
    assert ml.judge(pred_probs).tolist() == expected
    with pytest.raises(DataError) as error:
        ml.find_label_issues([[0]] * 6, pred_probs)
    assert error.value.code == Fault.NAN.code
    assert "000000000002" in str(error.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"labels": [[0], [1]]}, "wrong_length"),
        ({"labels": [], "pred_probs": np.zeros((0, 2))}, "no_rows"),
        ({"rank_by": "margin"}, "unknown_score"),
        (
            {"rank_by": "confidence_weighted_entropy", "adjust_pred_probs": True},
            "score_not_adjustable",
        ),
        (
            {
                "issue_filter": IssueFilter(
                    filter_by="prune_by_class", num_to_remove_per_class=(1, 0, 0)
                )
            },
            "wrong_length",
        ),
    ],
)
def test_what_cannot_be_asked(change, code):
    table = {"labels": [[0], [1], []], "pred_probs": np.full((3, 2), 0.5)}
    with pytest.raises((ConfigError, DataError)) as error:
        ml.find_label_issues(**table | change)
    assert error.value.code == code
