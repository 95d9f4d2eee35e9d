from typing import get_args

import cleanlab.filter
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.generate import corpus
from core.reference import find_label_issues as cleanlab_label_issues
from lakewinnow.core.noise.confident_learning import unflagged
from lakewinnow.core.selection import label_issues
from lakewinnow.core.selection.label_issues import PRUNES, FilterBy, IssueFilter, find_label_issues
from lakewinnow.core.selection.n_lowest import Budget
from lakewinnow.core.selection.scores import SCORES, label_scores
from lakewinnow.errors import ConfigError, DataError

MODES = get_args(FilterBy)
SMALL = Budget(counters=256, candidates=20)  # makes several passes of a few hundred rows


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch):
    monkeypatch.setattr(label_issues, "BLOCK_ROWS", 128)


def settings_of(seed, filter_by):
    """Cleanlab's defaults, or those of its Datalab and a share of the noise."""
    least = (1, 10, 0)[seed % 3]
    frac_noise = (1.0, 0.6, 0.0)[seed // 3 % 3] if filter_by in PRUNES else 1.0
    return {"filter_by": filter_by, "min_examples_per_class": least, "frac_noise": frac_noise}


@pytest.mark.parametrize("filter_by", MODES)
@pytest.mark.parametrize("seed", range(60))
def test_issues_and_their_ranks_are_cleanlabs(seed, filter_by):
    labels, pred_probs, _ = corpus(seed)
    chosen = settings_of(seed, filter_by)
    issue_filter = IssueFilter(**chosen)
    rank_by = list(SCORES)[seed % 2]  # the entropy is cleanlab's to the last bit but one only
    expected = cleanlab_label_issues(labels, pred_probs, **chosen)
    ranked = cleanlab_label_issues(labels, pred_probs, return_indices_ranked_by=rank_by, **chosen)
    for budget in (None, SMALL):
        found = find_label_issues(
            labels, pred_probs, issue_filter=issue_filter, rank_by=rank_by, budget=budget
        )
        np.testing.assert_array_equal(found.is_label_issue, expected)
        np.testing.assert_array_equal(found.ranked, ranked)


@pytest.mark.parametrize("seed", range(20))
def test_the_numbers_to_remove_per_class_are_cleanlabs(seed):
    labels, pred_probs, _ = corpus(seed)
    counts = np.bincount(labels, minlength=pred_probs.shape[1])
    numbers = np.random.default_rng(seed).integers(0, counts // 3 + 1)
    chosen = {"filter_by": "prune_by_class", "num_to_remove_per_class": numbers.tolist()}
    with np.errstate(all="ignore"):
        expected = cleanlab_label_issues(labels, pred_probs, **chosen)
    chosen["num_to_remove_per_class"] = tuple(numbers.tolist())
    found = find_label_issues(labels, pred_probs, issue_filter=IssueFilter(**chosen))
    np.testing.assert_array_equal(found.is_label_issue, expected)


@pytest.mark.parametrize("seed", range(12))
def test_adjusted_ranks_are_cleanlabs(seed):
    labels, pred_probs, _ = corpus(seed, kind="continuous")
    ranked = cleanlab_label_issues(
        labels,
        pred_probs,
        return_indices_ranked_by="normalized_margin",
        rank_by_kwargs={"adjust_pred_probs": True},
    )
    found = find_label_issues(
        labels, pred_probs, rank_by="normalized_margin", adjust_pred_probs=True
    )
    np.testing.assert_array_equal(found.ranked, ranked)


def test_a_thousand_classes():
    labels, pred_probs, _ = corpus(0, n_classes=1000, n_rows=4000, kind="continuous")
    expected = cleanlab_label_issues(labels, pred_probs)
    for budget in (None, Budget(candidates=2000)):
        found = find_label_issues(labels, pred_probs, budget=budget)
        np.testing.assert_array_equal(found.is_label_issue, expected)
    assert expected.sum() > 100


@pytest.mark.parametrize("filter_by", MODES)
def test_float32_probabilities_are_widened_first(filter_by):
    labels, pred_probs, _ = corpus(2, n_classes=5, n_rows=500)
    narrow = pred_probs.astype(np.float32)
    issue_filter = IssueFilter(filter_by=filter_by)
    wide = find_label_issues(labels, narrow.astype(np.float64), issue_filter=issue_filter)
    found = find_label_issues(labels.astype(np.int16), narrow, issue_filter=issue_filter)
    np.testing.assert_array_equal(found.is_label_issue, wide.is_label_issue)
    np.testing.assert_array_equal(found.label_score, wide.label_score)


# Against cleanlab as it is, with its unstable sort: of rows level at a cut it may take any.


def must_and_may(score, need):
    """Rows that any sort takes as the `need` lowest, and rows that some sort takes."""
    if need >= len(score):
        return np.ones(len(score), bool), np.ones(len(score), bool)
    cut = np.sort(score)[need - 1]
    may = score <= cut
    return may if np.count_nonzero(may) == need else score < cut, may


def must_and_may_prune(labels, pred_probs, confident_joint, chosen):
    least = chosen["min_examples_per_class"]
    pruned = cleanlab.filter._keep_at_least_n_per_class(
        confident_joint.T, least, frac_noise=chosen["frac_noise"]
    )
    by_rate, by_class = np.zeros((2, len(labels)), bool), np.zeros((2, len(labels)), bool)
    for k in range(pred_probs.shape[1]):
        rows = np.flatnonzero(labels == k)
        if len(rows) <= max(least, 1):
            continue
        own = pred_probs[rows, k]
        for j in np.flatnonzero(pruned[:, k]):
            if j != k:
                cell = must_and_may(own - pred_probs[rows, j], pruned[j, k])
                by_rate[:, rows] |= np.array(cell)
        if len(rows) - pruned[k, k] >= 1:
            by_class[:, rows] = must_and_may(own, len(rows) - pruned[k, k])
    chosen_masks = {
        "prune_by_noise_rate": by_rate,
        "prune_by_class": by_class,
        "both": by_rate & by_class,
    }
    return chosen_masks[chosen["filter_by"]] & ~unflagged(labels, pred_probs)


@pytest.mark.parametrize("filter_by", sorted(PRUNES))
@pytest.mark.parametrize("seed", range(60, 90))
def test_unpatched_cleanlab_and_we_take_what_must_be_and_no_more_than_may_be(seed, filter_by):
    labels, pred_probs, kind = corpus(seed)
    chosen = settings_of(seed, filter_by)
    found = find_label_issues(labels, pred_probs, issue_filter=IssueFilter(**chosen))
    joint = found.noise_model.confident_joint
    theirs = cleanlab_label_issues(
        labels, pred_probs, stable=False, confident_joint=joint, **chosen
    )
    must, may = must_and_may_prune(labels, pred_probs, joint, chosen)
    for mask in (theirs, found.is_label_issue):
        assert not (must & ~mask).any()
        assert not (mask & ~may).any()
    if kind in ("continuous", "float32"):
        np.testing.assert_array_equal(must, may)


@pytest.mark.parametrize("filter_by", sorted(set(MODES) - PRUNES))
@pytest.mark.parametrize("seed", range(60, 75))
def test_the_other_filters_are_unpatched_cleanlabs(seed, filter_by):
    labels, pred_probs, _ = corpus(seed)
    theirs = cleanlab_label_issues(labels, pred_probs, stable=False, filter_by=filter_by)
    found = find_label_issues(
        labels, pred_probs, issue_filter=IssueFilter(filter_by=filter_by)
    ).is_label_issue
    if not filter_by.startswith("low_"):
        np.testing.assert_array_equal(found, theirs)
        return
    score = label_scores(labels, pred_probs, filter_by.removeprefix("low_"))
    assert found.sum() == theirs.sum()
    if found.any():
        must, may = must_and_may(score, found.sum())
        for mask in (theirs, found):
            assert not (must & ~mask).any()
            assert not (mask & ~may).any()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 59),
    st.sampled_from(MODES),
    st.integers(1, 400),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_block_size_matters(seed, filter_by, block_rows, random):
    labels, pred_probs, _ = corpus(seed)
    row_ids = np.array([f"row {row}" for row in range(len(labels))], object)
    issue_filter = IssueFilter(filter_by=filter_by)
    expected = find_label_issues(labels, pred_probs, row_ids, issue_filter=issue_filter)
    order = list(range(len(labels)))
    random.shuffle(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_issues, "BLOCK_ROWS", block_rows)
        found = find_label_issues(
            labels[order],
            pred_probs[order],
            row_ids[order],
            issue_filter=issue_filter,
            budget=SMALL,
        )
    np.testing.assert_array_equal(found.is_label_issue, expected.is_label_issue[order])
    np.testing.assert_array_equal(found.label_rank, expected.label_rank[order])
    np.testing.assert_array_equal(found.label_score, expected.label_score[order])
    assert found.noise_model.to_dict() == expected.noise_model.to_dict()


def test_ties_break_by_row_id():
    # 8 rows of class 0, 4 of them alike and more probably of class 1: two of these are to go
    labels = np.array([0] * 8 + [1] * 4)
    pred_probs = np.array([[0.1, 0.9]] * 4 + [[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 4)
    issue_filter = IssueFilter(frac_noise=0.5)
    row_ids = ["d", "b", "c", "a", *"efghijkl"]
    found = find_label_issues(labels, pred_probs, row_ids, issue_filter=issue_filter)
    assert found.is_label_issue.tolist() == [False, True, False, True] + [False] * 8
    assert [row_ids[row] for row in found.ranked] == ["a", "b"]


def test_one_class_has_no_issues():
    found = find_label_issues(np.zeros(5, int), np.tile([0.9, 0.1], (5, 1)))
    assert not found.is_label_issue.any()


def test_all_rows_alike():
    labels = np.array([0, 1] * 10)
    pred_probs = np.tile([0.6, 0.4], (20, 1))
    for filter_by in MODES:
        expected = cleanlab_label_issues(labels, pred_probs, filter_by=filter_by)
        found = find_label_issues(labels, pred_probs, issue_filter=IssueFilter(filter_by=filter_by))
        np.testing.assert_array_equal(found.is_label_issue, expected)


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        ({"filter_by": "prune_by_noise"}, "unknown_filter", "filter_by"),
        ({"frac_noise": 1.5}, "out_of_range", "frac_noise"),
        ({"min_examples_per_class": -1}, "out_of_range", "min_examples_per_class"),
        (
            {"num_to_remove_per_class": (1, 2)},
            "impossible_combination",
            "num_to_remove_per_class",
        ),
        (
            {"filter_by": "confident_learning", "frac_noise": 0.5},
            "impossible_combination",
            "frac_noise",
        ),
    ],
)
def test_impossible_settings_are_refused(settings, code, where):
    with pytest.raises(ConfigError) as error:
        IssueFilter(**settings)
    assert error.value.code == code
    assert error.value.where == f"label_issues.{where}"


@pytest.mark.parametrize(
    ("labels", "pred_probs", "code"),
    [
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "pred_probs_nan"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.6]], "pred_probs_sum"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "label_out_of_range"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], "wrong_length"),
        ([], np.zeros((0, 2)), "no_rows"),
    ],
)
def test_bad_rows_are_refused(labels, pred_probs, code):
    with pytest.raises(DataError) as error:
        find_label_issues(labels, pred_probs)
    assert error.value.code == code
