import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from core.generate import corpus
from lakewinnow.core.noise.metrics import N_BINS, CalibrationState


def figures_of(labels, pred_probs):
    return CalibrationState.zero(pred_probs.shape[1]).update(labels, pred_probs).figures()


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_and_log_loss_are_scikit_learns(seed):
    labels, pred_probs, _ = corpus(seed, kind="continuous")
    figures = figures_of(labels, pred_probs)
    classes = np.arange(pred_probs.shape[1])
    assert figures["accuracy"] == accuracy_score(labels, pred_probs.argmax(axis=1))
    assert figures["log_loss"] == pytest.approx(log_loss(labels, pred_probs, labels=classes))


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy():
    pred_probs = np.array([[0.9, 0.1]] * 10)
    labels = np.array([0] * 7 + [1] * 3)  # right in 7 of 10 cases, confident of 9 in 10
    assert figures_of(labels, pred_probs)["ece"] == pytest.approx(0.2)


def test_each_bin_counts_its_gap_by_itself():
    pred_probs = np.array([[0.9, 0.1], [0.4, 0.6]])
    labels = np.array([1, 1])  # 0.9 too confident, 0.4 not confident enough
    assert figures_of(labels, pred_probs)["ece"] == pytest.approx((0.9 + 0.4) / 2)


def test_certainty_falls_into_the_last_bin():
    state = CalibrationState.zero(2).update(np.array([0]), np.array([[1.0, 0.0]]))
    assert state.bins[N_BINS - 1, 0] == 1


def test_the_balanced_loss_is_the_mean_over_classes_and_what_to_beat_is_guessing():
    pred_probs = np.full((4, 2), 0.5)
    figures = figures_of(np.array([0, 0, 0, 1]), pred_probs)
    assert figures["balanced_log_loss"] == pytest.approx(np.log(2))
    assert figures["balanced_prior_log_loss"] == pytest.approx(np.log(2))
    assert figures["prior_log_loss"] == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25))


def test_a_class_without_rows_does_not_count():
    figures = figures_of(np.array([0, 1]), np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))
    assert figures["balanced_prior_log_loss"] == pytest.approx(np.log(2))


def test_an_impossible_label_costs_a_finite_loss():
    assert np.isfinite(figures_of(np.array([1]), np.array([[1.0, 0.0]]))["log_loss"])


@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same_state(n_blocks, random):
    labels, pred_probs, _ = corpus(3)
    order = list(range(len(labels)))
    random.shuffle(order)
    whole = CalibrationState.zero(pred_probs.shape[1]).update(labels, pred_probs)
    merged = CalibrationState.zero(pred_probs.shape[1])
    for rows in np.array_split(np.array(order), n_blocks):
        part = CalibrationState.zero(pred_probs.shape[1]).update(labels[rows], pred_probs[rows])
        merged = merged.merge(part)
    np.testing.assert_array_equal(merged.bins, whole.bins)
    np.testing.assert_array_equal(merged.losses, whole.losses)


def test_number_14_a_billion_rows_do_not_overflow_the_log_loss():
    n_classes = 100
    pred_probs = np.full((n_classes, n_classes), 1e-9)
    state = CalibrationState.zero(n_classes).update(np.arange(n_classes), pred_probs)
    n_times = 1
    while n_times < 10**9:
        state, n_times = state.merge(state), 2 * n_times
    figures = state.figures()
    assert figures["log_loss"] == pytest.approx(-np.log(1e-9))
    assert figures["balanced_log_loss"] == pytest.approx(-np.log(1e-9))
    assert figures["ece"] == pytest.approx(0.01, abs=1e-6)
