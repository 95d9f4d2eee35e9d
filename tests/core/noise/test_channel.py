"""The channel tells wrong labels from a weak classifier; the second look, what that has missed."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from core.noise.test_noise_model import model_of
from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.channel import Channel, _Likelihood
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.noise.second_look import missed

NOISE = np.array([[0.75, 0.1, 0.0], [0.25, 0.8, 0.2], [0.0, 0.1, 0.8]])  # P(given = row | true)
LITTLE = 0.9 * np.eye(3) + 0.1 / 3


def drawn(noise, strength, n_rows=6000, seed=0):
    """Return true labels, given ones and P(true | text) of texts that tell more or less."""
    rng = np.random.default_rng(seed)
    scores = strength * rng.normal(size=(n_rows, 3))
    by_text = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    true = (rng.random((n_rows, 1)) > by_text.cumsum(axis=1)).sum(axis=1)
    given = (rng.random((n_rows, 1)) > noise[:, true].T.cumsum(axis=1)).sum(axis=1)
    return true, given, by_text


def posterior_of(channel):
    calibration = Calibration(1 / channel.scale, np.full(3, 1 / 3))
    return Posterior.of_weights(calibration, channel.shares * channel.noise_matrix)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_noise_is_recovered_however_sure_the_classifier_is_of_itself(scale):
    _, given, by_text = drawn(NOISE, 4.0)
    said = by_text**scale
    found = Channel.fit(given, said / said.sum(axis=1, keepdims=True), LITTLE)
    np.testing.assert_allclose(found.noise_matrix, NOISE, atol=0.05)
    assert found.scale == pytest.approx(1 / scale, rel=0.15)
    assert found.evidence > 100


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0, 4.0])
def test_a_weak_classifier_of_right_labels_is_not_taken_for_wrong_labels(strength):
    true, given, by_text = drawn(np.eye(3), strength)
    found = Channel.fit(given, by_text, NOISE)
    suggested = posterior_of(found).suggestions(given, by_text)
    assert np.mean(suggested.labels != true) < 0.003
    # as confident learning's posterior does
    doubting = Posterior.doubting(model_of(given, by_text, classes="abc"))
    if strength < 2:
        assert np.mean(doubting.suggestions(given, by_text).labels != true) > 0.03


def test_suggestions_are_right_as_often_as_they_say():
    true, given, by_text = drawn(NOISE, 3.0, n_rows=20_000)
    found = posterior_of(Channel.fit(given, by_text, LITTLE)).suggestions(given, by_text)
    is_changed = np.flatnonzero(found.labels != given)
    assert len(is_changed) > 1000
    for part in np.array_split(is_changed[np.argsort(found.probs[is_changed])], 5):
        assert np.mean(found.labels[part] == true[part]) == pytest.approx(
            found.probs[part].mean(), abs=0.05
        )


def test_a_closed_class_has_no_noise():
    _, given, by_text = drawn(NOISE, 4.0)
    found = Channel.fit(given, by_text, LITTLE, np.array([False, True, True]))
    assert found.noise_matrix[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert found.noise_matrix[1, 1] < 0.9


def test_the_gradient_is_that_of_the_value():
    _, given, by_text = drawn(NOISE, 2.0, n_rows=300)
    order = np.argsort(given, kind="stable")
    likelihood = _Likelihood(given[order], by_text[order], np.ones(3, bool))
    at = np.random.default_rng(1).normal(scale=0.5, size=1 + 3 + 6)
    error = check_grad(
        lambda at: likelihood._value_and_gradient(at)[0],
        lambda at: likelihood._value_and_gradient(at)[1],
        at,
    )
    assert error < 1e-3 * np.linalg.norm(likelihood._value_and_gradient(at)[1])


def test_a_second_look_sees_what_the_classifier_has_missed_and_nothing_where_it_has_not():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3000, 12))
    linear = 1 / (1 + np.exp(-2 * features[:, 0]))
    probs = np.stack([1 - linear, linear], axis=1)
    told = (rng.random(3000) < linear).astype(np.int64)  # by the score and by chance alone
    assert (missed(told, probs, features) < 2).all()
    bent = 1 / (1 + np.exp(-2 * features[:, 0] - 2 * features[:, 1] * features[:, 2]))
    assert (missed((rng.random(3000) < bent).astype(np.int64), probs, features) > 3).all()


def test_a_second_look_at_few_rows_says_nothing():
    labels = np.array([0, 1] * 10)
    probs = np.tile([0.5, 0.5], (20, 1))
    assert np.isnan(missed(labels, probs, np.ones((20, 2)))).all()


def test_a_class_that_the_classifier_does_not_know_is_not_taken_for_errors():
    """As one of three did in 300 rows: all its labels were fixed away, and others with them."""
    rng = np.random.default_rng(0)
    score = rng.normal(0, 4, 300)
    by_text = np.exp(np.column_stack([score, np.zeros(300), -score]))
    by_text /= by_text.sum(axis=1, keepdims=True)
    labels = np.where(rng.random(300) < 0.2, 1, np.where(score > 0, 0, 2))
    found = Channel.fit(labels, by_text, LITTLE)
    suggested = posterior_of(found).suggestions(labels, by_text)
    assert np.mean(suggested.labels == labels) > 0.9
    assert np.count_nonzero(suggested.labels == 1) > 50
