"""Noise: cleanlab's thresholds and joints, from any number of partitions."""

import cleanlab.count
import numpy as np
import pytest

from builders import labels_and_pred_probs, make_pred_probs, read_json
from core.generate import corpus
from core.noise.test_calibration import skewed, with_prior
from core.noise.test_noise_model import batch_of, model_of
from core.reference import stable_cleanlab
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.core.noise.calibration import prior_of
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.stages import noise
from lakewinnow.typed_json import to_json


def assert_is_cleanlabs(model, labels, pred_probs):
    with stable_cleanlab():
        raw = cleanlab.count.compute_confident_joint(labels, pred_probs, calibrate=False)
        calibrated = cleanlab.count.compute_confident_joint(labels, pred_probs)
        joint = cleanlab.count.estimate_joint(labels, pred_probs, confident_joint=raw)
        _, noise_matrix, inverse = cleanlab.count.estimate_latent(calibrated, labels)
    thresholds = cleanlab.count.get_confident_thresholds(labels, pred_probs)
    np.testing.assert_allclose(model["thresholds"], thresholds, rtol=1e-14)
    np.testing.assert_array_equal(model["confident_joint"], calibrated)
    np.testing.assert_allclose(model["joint"], joint, rtol=1e-12)
    np.testing.assert_allclose(model["noise_matrix"], noise_matrix, atol=1e-12)
    np.testing.assert_allclose(model["inverse_noise_matrix"], inverse, atol=1e-12)
    np.testing.assert_array_equal(model["counts"], np.bincount(labels, minlength=len(joint)))


@pytest.mark.parametrize("kind", ["continuous", "rounded"])
def test_the_noise_model_is_cleanlabs(lake, kind):
    labels, pred_probs, _ = corpus(5, n_classes=5, n_rows=400, kind=kind)
    make_pred_probs(lake, labels, pred_probs)
    assert noise.run(lake).rows_in == 400
    assert_is_cleanlabs(read_json(lake.files.root, "noise_model.json"), labels, pred_probs)


def test_the_noise_model_of_a_run_is_cleanlabs(sample):
    model = read_json(sample, "noise_model.json")
    assert_is_cleanlabs(model, *labels_and_pred_probs(sample))
    assert model["classes"] == [
        "billing", "cancellation", "login", "refund", "shipping", "technical",
    ]  # fmt: skip


def test_the_noise_model_has_the_keys_of_the_contract(sample):
    assert read_json(sample, "noise_model.json").keys() >= {
        "classes", "counts", "thresholds", "confident_joint", "joint", "noise_matrix",
        "inverse_noise_matrix", "label_health",
    }  # fmt: skip


def test_the_figures_are_those_of_the_probabilities(sample):
    labels, pred_probs = labels_and_pred_probs(sample)
    figures = read_json(sample, "summary.json")["crossval"]
    own = pred_probs[np.arange(len(labels)), labels]
    assert figures["accuracy"] == pytest.approx((pred_probs.argmax(axis=1) == labels).mean())
    assert figures["log_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-6)
    shares = np.bincount(labels) / len(labels)
    assert figures["prior_log_loss"] == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-6)


def test_a_batch_is_judged_by_an_earlier_model(lake):
    labels, pred_probs, _ = corpus(5, n_classes=5, n_rows=400, kind="rounded")
    earlier = model_of(labels[:250], pred_probs[:250], classes=[f"class {k}" for k in range(5)])
    make_pred_probs(lake, labels[250:], pred_probs[250:])
    assert noise.run(lake, earlier).rows_in == 150
    expected = batch_of(earlier, labels[250:], pred_probs[250:])
    assert read_json(lake.files.root, "noise_model.json") == expected.to_dict()


@pytest.mark.parametrize(
    ("params", "classifier", "is_balanced", "expected"),
    [
        ({"class_weight": "balanced"}, "logistic", True, "equal"),
        ({"class_weight": None}, "logistic", False, "shares"),
        ({"class_weight": {"class 0": 1, "class 1": 3.5}}, "logistic", True, "weighted"),
        ({"class_weight": "balanced"}, "sklearn.svm.SVC", True, "equal"),
        ({}, "sklearn.naive_bayes.GaussianNB", False, "shares"),
        (None, None, True, "equal"),  # the user's own: found by the losses
        (None, None, False, "shares"),
    ],
)
def test_the_training_prior_is_the_classifiers(lake, params, classifier, is_balanced, expected):
    labels, balanced = skewed(1, n_rows=1500)
    shares = prior_of(np.bincount(labels))
    make_pred_probs(lake, labels, balanced if is_balanced else with_prior(balanced, shares))
    crossval = None
    if params is not None:
        crossval = CrossvalConfig(classifier=classifier, params=params)
    report = noise.run(lake, None, crossval)
    model = NoiseModel.from_dict(read_json(lake.files.root, "noise_model.json"))
    weighted = shares * [1, 3.5, 1]
    priors = {"equal": np.full(3, 1 / 3), "shares": shares, "weighted": weighted / weighted.sum()}
    np.testing.assert_allclose(model.calibration.training_prior, priors[expected])
    if expected != "weighted":
        assert model.calibration.temperature == pytest.approx(1, abs=0.1)
    figures = to_json(report.figures)
    assert figures["temperature"] == model.calibration.temperature
    assert figures["calibrated_balanced_log_loss"] < figures["balanced_prior_log_loss"]


def test_a_batch_keeps_the_calibration_of_the_earlier_model(lake):
    labels, pred_probs, _ = corpus(5, n_classes=5, n_rows=400, kind="continuous")
    make_pred_probs(lake, labels, pred_probs)
    noise.run(lake)
    earlier = NoiseModel.from_dict(read_json(lake.files.root, "noise_model.json"))
    assert earlier.calibration.temperature != 1.0
    noise.run(lake, earlier)  # over its own rows: itself
    assert read_json(lake.files.root, "noise_model.json") == earlier.to_dict()


def test_probabilities_that_know_nothing_are_a_warning(lake, sample):
    assert read_json(sample, "_commits/noise.json")["warnings"] == []
    labels = np.arange(60) % 3
    pred_probs = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    make_pred_probs(lake, labels, pred_probs)
    assert len(noise.run(lake).warnings) == 1


def test_a_weak_classifier_changes_no_label_and_the_result_says_why(lake):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=2000)
    scores = 0.3 * rng.normal(size=(2000, 3)) + 0.12 * np.eye(3)[labels]
    pred_probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    make_pred_probs(lake, labels, pred_probs)
    found = noise.run(lake).figures.noise
    assert not found.is_shown
    assert 0 < found.explained < noise.LEAST_EXPLAINED
    assert found.why.startswith("the classifier explains ")
    model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    assert (Posterior.of(model).suggestions(labels, pred_probs).labels == labels).all()
    assert (Posterior.doubting(model).suggestions(labels, pred_probs).labels != labels).any()
