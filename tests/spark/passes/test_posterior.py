"""The posterior's sums and soft labels over tables: those of `core`, whatever the partitions."""

import numpy as np
import pytest

from builders import lake_in, make_pred_probs
from core.generate import corpus
from core.noise.test_noise_model import model_of
from lakewinnow.core.noise.calibration import LossState, prior_of
from lakewinnow.core.noise.confident_learning import JointState
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.spark.passes import posterior


@pytest.fixture
def rows(spark, tmp_path):
    """Rows in three files, their labels, probabilities and noise model."""
    lake = lake_in(spark, tmp_path)
    labels, pred_probs, _ = corpus(4, n_classes=4, n_rows=300, kind="continuous")
    make_pred_probs(lake, labels, pred_probs)
    return lake.read("pred_probs"), labels, pred_probs, model_of(labels, pred_probs)


def test_one_pass_counts_guesses_and_losses(rows):
    table, labels, pred_probs, model = rows
    priors = np.vstack([np.full(4, 0.25), prior_of(model.counts)])
    for n in (1, 5):
        found = posterior.joint_and_losses(table.repartition(n), model.thresholds, priors)
        joint, losses = found.joint, found.losses
        expected = JointState.zero(4).update(labels, pred_probs, model.thresholds)
        np.testing.assert_array_equal(joint.counts, expected.counts)
        assert joint.n_label_issues == expected.n_label_issues
        by_hand = LossState.zero(2, 4).update(labels, pred_probs, priors)
        np.testing.assert_array_equal(losses.ticks, by_hand.ticks)
        np.testing.assert_array_equal(losses.counts, by_hand.counts)


def test_soft_labels_are_the_posterior(rows):
    table, labels, pred_probs, model = rows
    found = posterior.soft_labels(table, Posterior.of(model)).orderBy("row_id").collect()
    expected = Posterior.of(model).probs(labels, pred_probs)
    np.testing.assert_allclose([row["soft_label"] for row in found], expected, rtol=1e-6)
