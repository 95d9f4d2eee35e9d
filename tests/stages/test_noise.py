"""Noise: cleanlab's thresholds and joints, from any number of partitions."""

import cleanlab.count
import numpy as np
import pytest

from builders import labels_and_pred_probs, make_pred_probs, read_json
from core.generate import corpus
from core.reference import stable_cleanlab
from core.test_noise_model import batch_of, model_of
from lakewinnow.stages import noise


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


def test_probabilities_that_know_nothing_are_a_warning(lake, sample):
    assert read_json(sample, "_commits/noise.json")["details"]["warnings"] == []
    labels = np.arange(60) % 3
    pred_probs = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    make_pred_probs(lake, labels, pred_probs)
    assert len(noise.run(lake).details["warnings"]) == 1
