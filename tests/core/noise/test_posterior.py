"""The posterior: Bayes' rule over the text, the noise model and the given label."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from core.generate import corpus
from core.noise.test_calibration import skewed, with_prior
from core.noise.test_noise_model import model_of
from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior

NOISE = np.array([[0.8, 0.1, 0.0], [0.2, 0.7, 0.3], [0.0, 0.2, 0.7]])  # P(given = row | true)


def posterior(prior=(0.5, 0.3, 0.2), temperature=1.0, training_prior=(1 / 3, 1 / 3, 1 / 3)):
    weights = np.array(prior) * NOISE
    return Posterior.of_weights(Calibration(temperature, np.array(training_prior)), weights)


def test_it_is_bayes_rule_written_out():
    labels, pred_probs = np.array([1, 0]), np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    expected = []
    for given, row in zip(labels, pred_probs, strict=True):
        joint = [row[k] * (0.5, 0.3, 0.2)[k] * NOISE[given, k] for k in range(3)]
        expected.append([value / sum(joint) for value in joint])
    np.testing.assert_allclose(posterior().probs(labels, pred_probs), expected)
    found = posterior().suggestions(labels, pred_probs)
    assert found.labels.tolist() == np.argmax(expected, axis=1).tolist()
    np.testing.assert_allclose(found.probs, np.max(expected, axis=1))
    np.testing.assert_allclose(found.given_probs, [expected[0][1], expected[1][0]])


def test_the_temperature_tempers_the_text_and_not_the_label():
    labels, pred_probs = np.array([1]), np.array([[0.64, 0.32, 0.04]])
    tempered = np.sqrt(pred_probs)
    by_hand = tempered * np.array([0.5, 0.3, 0.2]) * NOISE[1]
    found = posterior(temperature=2.0).probs(labels, pred_probs)
    np.testing.assert_allclose(found, by_hand / by_hand.sum())


def test_the_prior_is_counted_once_whatever_the_classifier_learnt_from():
    prior = np.array([0.7, 0.2, 0.1])
    true, balanced = skewed(5, shares=prior, n_rows=20_000)
    labels = np.array([np.random.default_rng(6).choice(3, p=NOISE[:, k]) for k in true[:50]])
    from_balanced = posterior(prior).probs(labels, balanced[:50])
    unbalanced = with_prior(balanced, prior)
    from_unbalanced = posterior(prior, training_prior=prior).probs(labels, unbalanced[:50])
    np.testing.assert_allclose(from_unbalanced, from_balanced, rtol=1e-10)
    # Of labels that say nothing, the posterior is that of the text: what Bayes' classifier says.
    deaf = Posterior.of_weights(Calibration(1.0, prior), prior * np.ones((3, 3)))
    np.testing.assert_allclose(deaf.probs(true, unbalanced), unbalanced, rtol=1e-10)
    shares = deaf.probs(true, unbalanced).mean(axis=0)
    np.testing.assert_allclose(shares, prior, atol=0.01)


def test_probabilities_say_how_often_the_suggestion_is_right():
    prior = np.array([0.5, 0.3, 0.2])
    true, balanced = skewed(7, shares=prior, n_rows=30_000, sharpness=1.0)
    rng = np.random.default_rng(8)
    labels = (rng.random((len(true), 1)) > NOISE.cumsum(axis=0).T[true]).sum(axis=1)
    found = posterior(prior).suggestions(labels, balanced)
    assert (found.labels == true).mean() == pytest.approx(found.probs.mean(), abs=0.01)
    assert (labels == true).mean() == pytest.approx(found.given_probs.mean(), abs=0.01)
    assert (found.labels == true).mean() > (labels == true).mean() + 0.02


def test_suggestions_are_made_in_pieces_as_at_once():
    _, balanced = skewed(9, n_rows=50_000)  # more than a piece
    labels = np.random.default_rng(9).integers(0, 3, 50_000)
    probs = posterior().probs(labels, balanced)
    found = posterior().suggestions(labels, balanced)
    np.testing.assert_array_equal(found.labels, probs.argmax(axis=1))
    np.testing.assert_array_equal(found.probs, probs.max(axis=1))
    np.testing.assert_array_equal(found.given_probs, probs[np.arange(50_000), labels])


def test_a_label_as_probable_as_the_best_is_kept():
    level = Posterior.of_weights(Calibration.none(2), np.full((2, 2), 0.25))
    found = level.suggestions(np.array([0, 1]), np.full((2, 2), 0.5))
    assert found.labels.tolist() == [0, 1]


def test_a_row_that_the_noise_model_holds_impossible_is_judged_by_its_text():
    found = posterior().probs(np.array([0]), np.array([[0.0, 0.0, 1.0]]))
    np.testing.assert_array_equal(found, [[0.0, 0.0, 1.0]])


@pytest.mark.parametrize("seed", range(6))
def test_rows_sum_to_one_of_any_corpus(seed):
    labels, pred_probs, _ = corpus(seed)
    model = model_of(labels, pred_probs)
    probs = Posterior.of(model).probs(labels, pred_probs)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0)
    np.testing.assert_allclose(
        Posterior.of(model).weights, model.noise_matrix @ np.diag(model.py), rtol=1e-12
    )
    assert Posterior.of(model).calibration.temperature == 1.0  # none was measured


def test_only_pairs_that_are_confused_travel():
    few = Posterior.of_weights(Calibration.none(1000), np.eye(1000))
    assert len(pickle.dumps(few)) < 50_000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(few)).weights, np.eye(1000))  # noqa: S301


def test_a_noise_model_keeps_its_calibration():
    labels, pred_probs, _ = corpus(2)
    calibration = Calibration(1.5, np.full(pred_probs.shape[1], 1 / pred_probs.shape[1]))
    model = replace(model_of(labels, pred_probs), calibration=calibration)
    read = NoiseModel.from_dict(model.to_dict())
    assert read.to_dict() == model.to_dict()
    assert Posterior.of(read).calibration.temperature == 1.5
    assert model.merge(model).calibration is calibration
    batch = model.of_batch(model.threshold_state, model.joint_state)
    assert batch.calibration is calibration
