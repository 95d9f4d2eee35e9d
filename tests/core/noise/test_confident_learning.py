from functools import reduce

import cleanlab.count
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.generate import corpus
from core.reference import stable_cleanlab
from lakewinnow.core.noise import confident_learning as cl
from lakewinnow.errors import ConfigError, DataError

SEEDS = range(120)


def states_of(labels, pred_probs, thresholds=None):
    threshold_state = cl.ThresholdState.zero(pred_probs.shape[1]).update(labels, pred_probs)
    if thresholds is None:
        thresholds = threshold_state.thresholds()
    joint_state = cl.JointState.zero(pred_probs.shape[1]).update(labels, pred_probs, thresholds)
    return threshold_state, joint_state


def assert_equal(state, other):
    for name, value in vars(state).items():
        np.testing.assert_array_equal(value, getattr(other, name))


@pytest.mark.parametrize("seed", SEEDS)
def test_joints_and_latent_estimates_are_cleanlabs(seed):
    labels, pred_probs, _ = corpus(seed)
    threshold_state, joint_state = states_of(labels, pred_probs)
    counts = threshold_state.counts
    np.testing.assert_allclose(
        threshold_state.thresholds(),
        cleanlab.count.get_confident_thresholds(labels, pred_probs),
        rtol=1e-14,
    )
    with stable_cleanlab():
        raw = cleanlab.count.compute_confident_joint(labels, pred_probs, calibrate=False)
        calibrated = cleanlab.count.compute_confident_joint(labels, pred_probs)
        joint = cleanlab.count.estimate_joint(labels, pred_probs)
        n_issues = cleanlab.count.num_label_issues(labels, pred_probs)
    np.testing.assert_array_equal(joint_state.confident_joint, raw)
    assert joint_state.n_label_issues == n_issues
    ours = cl.calibrate(joint_state.confident_joint, counts)
    np.testing.assert_array_equal(ours, calibrated)
    np.testing.assert_array_equal(ours.sum(axis=1), counts)
    np.testing.assert_allclose(cl.estimate_joint(ours), joint, rtol=1e-12)
    for py_method in ("cnt", "marginal", "marginal_ps"):
        for converge in (False, True):
            estimate = cl.estimate_latent(ours, counts, py_method=py_method, converge=converge)
            expected = cleanlab.count.estimate_latent(
                calibrated, labels, py_method=py_method, converge_latent_estimates=converge
            )
            for mine, theirs in zip(vars(estimate).values(), expected, strict=True):
                np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_py_by_equation_is_cleanlabs():
    labels, pred_probs, _ = corpus(1, n_classes=3, n_rows=400, kind="continuous")
    _, joint_state = states_of(labels, pred_probs)
    counts = np.bincount(labels, minlength=3)
    cj = cl.calibrate(joint_state.confident_joint, counts)
    ours = cl.estimate_latent(cj, counts, py_method="eqn")
    py, _, _ = cleanlab.count.estimate_latent(cj, labels, py_method="eqn")
    np.testing.assert_allclose(ours.py, py, rtol=1e-12)


def test_py_by_equation_of_an_empty_class_is_refused():
    with pytest.raises(DataError) as error:
        cl.estimate_latent(np.diag([3, 0]), np.array([3, 0]), py_method="eqn")
    assert error.value.code == "singular_noise_matrix"


def test_an_unknown_py_method_is_refused():
    with pytest.raises(ConfigError) as error:
        cl.estimate_latent(np.eye(2, dtype=np.int64), np.array([1, 1]), py_method="count")
    assert error.value.code == "unknown_py_method"


@pytest.mark.parametrize("seed", range(0, 30, 3))
def test_a_users_own_thresholds_count_as_in_cleanlab(seed):
    labels, pred_probs, _ = corpus(seed)
    thresholds = np.random.default_rng(seed).random(pred_probs.shape[1])
    _, joint_state = states_of(labels, pred_probs, thresholds)
    expected = cleanlab.count.compute_confident_joint(
        labels, pred_probs, thresholds=thresholds, calibrate=False
    )
    np.testing.assert_array_equal(joint_state.confident_joint, expected)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 8), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_states(seed, n_blocks, random):
    labels, pred_probs, _ = corpus(seed)
    expected, expected_joint = states_of(labels, pred_probs)
    thresholds = expected.thresholds()
    rows = list(range(len(labels)))
    random.shuffle(rows)
    blocks = [np.array(rows[i::n_blocks], np.int64) for i in range(n_blocks)]
    states = [states_of(labels[block], pred_probs[block], thresholds) for block in blocks]
    merged = reduce(cl.ThresholdState.merge, (state for state, _ in states))
    assert_equal(merged, expected)
    np.testing.assert_array_equal(merged.thresholds(), thresholds)
    assert_equal(reduce(cl.JointState.merge, (state for _, state in states)), expected_joint)


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_of_several_states_add_up(seed):
    labels, pred_probs, _ = corpus(seed)
    k, half = pred_probs.shape[1], len(labels) // 2
    expected, expected_joint = states_of(labels, pred_probs)
    thresholds = expected.thresholds()
    parts = [
        states_of(labels[part], pred_probs[part], thresholds)
        for part in (slice(half), slice(half, None))
    ]
    rows = np.concatenate([state.to_rows() for state, _ in parts])
    assert_equal(cl.ThresholdState.from_rows(k, rows[::-1]), expected)
    rows = np.concatenate([state.to_rows() for _, state in parts])
    assert_equal(cl.JointState.from_rows(k, rows[::-1]), expected_joint)


def test_zero_adds_nothing():
    labels, pred_probs, _ = corpus(1)
    threshold_state, joint_state = states_of(labels, pred_probs)
    k = pred_probs.shape[1]
    assert_equal(cl.ThresholdState.zero(k).merge(threshold_state), threshold_state)
    assert_equal(cl.JointState.zero(k).merge(joint_state), joint_state)
    assert_equal(threshold_state.update(labels[:0], pred_probs[:0]), threshold_state)


def test_the_sum_of_self_confidence_is_exact():
    # In floating point 1 + 1e-16 + ... is 1, and the mean would depend on the order
    pred_probs = np.array([[1.0, 0.0]] + [[1e-16, 1.0]] * 7)
    state = cl.ThresholdState.zero(2).update(np.zeros(8, np.int64), pred_probs)
    assert state.thresholds()[0] == (1 + 7e-16) / 8
    assert state.thresholds()[0] != 1 / 8


def test_thresholds_of_an_empty_class_and_of_one_never_believed():
    state = cl.ThresholdState.zero(3).update(np.array([0, 1]), np.array([[1.0, 0, 0], [1.0, 0, 0]]))
    np.testing.assert_array_equal(state.thresholds(), [1.0, 2e-6, 2.0])


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_label_outside_the_classes_is_refused(wrong):
    with pytest.raises(DataError) as error:
        cl.ThresholdState.zero(3).update(np.array([0, wrong]), np.eye(3)[:2])
    assert error.value.code == "label_out_of_range"
    assert f"got {wrong}" in str(error.value)


def test_guesses():
    pred_probs = np.array(
        [
            [0.30, 0.40, 0.30],  # confident in 0 alone, though 1 is more probable
            [0.25, 0.20, 0.55],  # in none
            [0.30, 0.50, 0.20],  # in 0 and 1
            [0.31, 0.29, 0.40],  # in 0 and, were it not for its threshold, 2
        ]
    )
    thresholds = np.array([0.3, 0.5, 0.6])
    np.testing.assert_array_equal(cl.confident_guesses(pred_probs, thresholds), [0, -1, 1, 0])
    # two are confident, and the most probable, which is not, wins
    guess = cl.confident_guesses(np.array([[0.31, 0.29, 0.40]]), np.array([0.3, 0.2, 0.6]))
    np.testing.assert_array_equal(guess, [2])


@pytest.mark.parametrize("seed", range(5))
def test_guesses_by_what_reaches_lower_bounds(seed):
    rng = np.random.default_rng(seed)
    pred_probs = rng.dirichlet(np.full(4, 0.7), 200).round(2)
    thresholds = rng.choice([0.1, 0.25, 0.5, 0.9], 4)
    reached = cl.Reached.of(pred_probs, thresholds * rng.random(4) - cl.EPSILON)
    guesses = reached.above(thresholds - cl.EPSILON).guesses(pred_probs.argmax(axis=1))
    np.testing.assert_array_equal(guesses, cl.confident_guesses(pred_probs, thresholds))


@pytest.mark.parametrize("seed", range(0, 60, 2))
def test_unflagged_is_cleanlabs(seed):
    labels, pred_probs, _ = corpus(seed)
    expected = cleanlab.count._reduce_issues(pred_probs, labels)
    np.testing.assert_array_equal(cl.unflagged(labels, pred_probs), expected)


def test_unflagged_where_the_raised_label_is_level_with_the_maximum():
    low = 0.5 - 1e-6
    assert low + 1e-6 == 0.5
    level = np.array([[low, 0.5], [0.5, low]])
    np.testing.assert_array_equal(cl.unflagged(np.array([0, 1]), level), [True, False])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.5, 0.5, 0.5], [0, 0, 1, 1]),
        ([0.4] * 5, [0, 0, 0, 1, 1]),
        ([1.5, 2.5, 3.5], [2, 2, 4]),
        ([0.6, 0.6, 0.6, 0.2], [0, 1, 1, 0]),
        ([], []),
    ],
)
def test_round_preserving_sum(values, expected):
    np.testing.assert_array_equal(cl.round_preserving_sum(np.array(values, float)), expected)


def test_a_row_without_counts_inflates_the_others_as_in_cleanlab():
    joint = np.array([[5, 1], [0, 0]])
    np.testing.assert_array_equal(cl.calibrate(joint, np.array([6, 6])), [[10, 2], [0, 0]])


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_calibration_does_not_depend_on_memory_order(seed):
    labels, pred_probs, _ = corpus(seed)
    threshold_state, joint_state = states_of(labels, pred_probs)
    raw = joint_state.confident_joint
    np.testing.assert_array_equal(
        cl.calibrate(np.ascontiguousarray(raw), threshold_state.counts),
        cl.calibrate(np.asfortranarray(raw), threshold_state.counts),
    )
