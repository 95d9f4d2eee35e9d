"""Comparison: figures as scikit-learn's and scipy's, and intervals that hold what they should."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    recall_score,
)

from lakewinnow.core.evaluation import paired_comparison as comparison
from lakewinnow.core.evaluation.paired_comparison import Interval, Outcome

# P(N(0.6, 1.29) > 0) - 1/2, the variance being 1 + .04 + .25
TRUE_DIFFERENCE = norm.cdf(0.6 / 1.29**0.5) - 0.5


def outcome_of(rng, true_labels, n_models, n_classes):
    probs = rng.dirichlet(np.ones(n_classes), (n_models, len(true_labels)))
    probs[:, np.arange(len(true_labels)), true_labels] += 0.4
    probs /= probs.sum(axis=2, keepdims=True)
    return probs, Outcome.of(list(probs), true_labels)


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [0, 2]])
def test_figures_are_scikit_learns(present):
    rng = np.random.default_rng(4)
    true_labels = rng.choice(present, 70)
    probs, outcome = outcome_of(rng, true_labels, 3, 4)
    expected = [
        (
            accuracy_score(true_labels, of_model.argmax(axis=1)),
            f1_score(true_labels, of_model.argmax(axis=1), labels=present, average="macro"),
            log_loss(true_labels, of_model, labels=range(4)),
        )
        for of_model in probs
    ]
    found = comparison.figures(outcome, true_labels, 4)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-6)
    recalls = np.mean(
        [recall_score(true_labels, p.argmax(axis=1), labels=present, average=None) for p in probs],
        axis=0,
    )
    found = comparison.recalls(outcome, true_labels, 4)
    np.testing.assert_allclose(found[present], recalls)
    assert np.isnan(np.delete(found, present)).all()


def test_a_resample_is_the_figures_of_the_rows_and_models_drawn(monkeypatch):
    rng = np.random.default_rng(5)
    true_labels = rng.integers(3, size=40)
    _, outcome = outcome_of(rng, true_labels, 4, 3)
    monkeypatch.setattr(comparison, "_COUNTS_AT_ONCE", 100)  # two resamples at a time
    resampled = comparison.bootstrap([outcome, outcome], true_labels, 3, n_resamples=5, seed=1)
    np.testing.assert_array_equal(resampled[0], resampled[1])
    drawn = list(comparison._resamples(4, 40, 5, seed=1))
    assert [len(models) for models, _ in drawn] == [2, 2, 1]
    models, rows = (np.concatenate(part) for part in zip(*drawn, strict=True))
    assert (models.sum(axis=1) == 4).all()
    assert (rows.sum(axis=1) == 40).all()
    for i in range(5):
        of_models = np.repeat(np.arange(4), models[i])
        of_rows = np.repeat(np.arange(40), rows[i].astype(int))
        drawn = np.ix_(of_models, of_rows)
        again = Outcome(outcome.predicted[drawn], outcome.losses[drawn])
        expected = comparison.figures(again, true_labels[of_rows], 3)
        np.testing.assert_allclose(resampled[0, :, i], expected, rtol=1e-5)


def test_intervals_hold_the_true_difference_as_often_as_they_say():
    # Accuracies .6 and .7 whatever the model; a row is hard or easy for both training sets.
    rng = np.random.default_rng(6)
    n_rows, n_models, n_trials, covered = 150, 6, 200, 0
    for trial in range(n_trials):
        hard = rng.normal(size=n_rows)
        outcomes = []
        for shift in (0.0, 0.6):
            score = hard + rng.normal(size=n_models)[:, None] * 0.2 + shift
            predicted = (score + rng.normal(size=(n_models, n_rows)) * 0.5 < 0).astype(np.int64)
            outcomes.append(Outcome(predicted, np.zeros(predicted.shape)))
        resampled = comparison.bootstrap(
            outcomes, np.zeros(n_rows, np.int64), 2, n_resamples=300, seed=trial
        )
        found = comparison.interval(0.0, resampled[1, 0] - resampled[0, 0])
        covered += found.low <= TRUE_DIFFERENCE <= found.high
    assert 0.91 <= covered / n_trials <= 0.99


def test_an_interval_says_whether_it_tells_a_sign():
    found = comparison.interval(0.5, np.linspace(0, 1, 1001))
    assert (found.value, found.low, found.high) == (0.5, pytest.approx(0.025), pytest.approx(0.975))
    assert found.excludes_zero
    assert Interval(-0.1, -0.2, -0.01).excludes_zero
    assert not Interval(0.1, -0.01, 0.2).excludes_zero


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_mcnemars_p_is_the_binomial_tests(pairs):
    right, other = np.array(pairs, bool).reshape(-1, 2).T
    gained, lost = int((right & ~other).sum()), int((~right & other).sum())
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert comparison.mcnemar_p(right, other) == pytest.approx(expected)


def test_mcnemars_p_of_many_rows_does_not_underflow():
    right = np.arange(5000) < 2600
    assert comparison.mcnemar_p(right, ~right) == pytest.approx(binomtest(2600, 5000).pvalue)


def test_average_precision_is_scikit_learns():
    rng = np.random.default_rng(7)
    scores = rng.integers(0, 12, 200) / 12  # with ties
    is_error = rng.random(200) > scores
    n = rng.integers(1, 4, 200)
    found = comparison.average_precision(scores, is_error, n)
    assert found == pytest.approx(average_precision_score(is_error, -scores, sample_weight=n))
    assert comparison.average_precision(scores, np.zeros(200, bool), n) is None
