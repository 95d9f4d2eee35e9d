"""Many classes: matrices by their cells say what whole ones say, in a fraction of the room."""

import json
import tracemalloc

import numpy as np
import pytest

from core.generate import corpus
from core.noise.test_noise_model import model_of
from lakewinnow.core import sparse
from lakewinnow.core.noise import confident_learning, health, noise_model, posterior
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.selection import cells
from lakewinnow.core.selection.label_issues import IssueFilter, find_label_issues
from lakewinnow.core.sparse import Sparse

MATRICES = ("confident_joint", "joint", "noise_matrix", "inverse_noise_matrix")


@pytest.fixture
def by_cells(monkeypatch):
    """Hold matrices by their cells from 2 classes on."""

    def switch():
        for module in (sparse, confident_learning, noise_model, posterior, cells):
            monkeypatch.setattr(module, "MOST_DENSE", 1)

    return switch


@pytest.mark.parametrize("seed", range(8))
def test_number_13_a_model_by_cells_is_the_model_by_matrices(seed, by_cells):
    labels, pred_probs, _ = corpus(seed, n_classes=12, n_rows=400)
    whole = model_of(labels, pred_probs)
    by_cells()
    few = model_of(labels, pred_probs)
    read = NoiseModel.from_dict(json.loads(json.dumps(few.to_dict())))
    assert read.to_dict() == few.to_dict()
    assert not few.to_dict().keys() & set(MATRICES)
    np.testing.assert_array_equal(few.confident_joint.dense(), whole.confident_joint)
    for name in MATRICES:
        expected, found = getattr(whole, name), getattr(few, name)
        np.testing.assert_allclose(found.dense(), expected, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(getattr(read, name).dense(), found.dense())
        kept = np.array([1, 4, 5])
        np.testing.assert_array_equal(found.part(kept), found.dense()[np.ix_(kept, kept)])
    np.testing.assert_allclose(few.py, whole.py, rtol=1e-12)
    expected, found = (
        health.find_overlapping_classes(model.joint, len(labels)) for model in (whole, few)
    )
    n_pairs = len(found.joint_probability)
    assert (expected.joint_probability[n_pairs:] == 0).all()
    np.testing.assert_allclose(found.joint_probability, expected.joint_probability[:n_pairs])
    both = few.merge(few.of_batch(few.threshold_state, few.joint_state))
    assert both.joint_state.counts.value.sum() == 2 * whole.joint_state.counts.sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "issue_filter",
    [
        IssueFilter(),
        IssueFilter(frac_noise=0.5, min_examples_per_class=3),
        IssueFilter(filter_by="prune_by_class"),
        IssueFilter(filter_by="both"),
        IssueFilter(filter_by="confident_learning"),
        IssueFilter(filter_by="low_normalized_margin"),
    ],
    ids=lambda of: f"{of.filter_by}-{of.frac_noise}",
)
def test_number_13_the_same_rows_are_issues(seed, issue_filter, by_cells):
    labels, pred_probs, _ = corpus(seed, n_classes=12, n_rows=400)
    expected = find_label_issues(labels, pred_probs, issue_filter=issue_filter)
    of_whole = Posterior.of(expected.noise_model).probs(labels, pred_probs)
    by_cells()
    found = find_label_issues(labels, pred_probs, issue_filter=issue_filter)
    np.testing.assert_array_equal(found.label_rank, expected.label_rank)
    of_cells = Posterior.of(found.noise_model).probs(labels, pred_probs)
    np.testing.assert_allclose(of_cells, of_whole, rtol=1e-9, atol=1e-12)


def test_number_13_ten_thousand_classes_take_little_memory():
    n_classes, n_rows = 10_000, 200
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, n_rows)
    pred_probs = np.full((n_rows, n_classes), 1e-6)
    pred_probs[np.arange(n_rows), rng.integers(0, n_classes, n_rows)] = 0.5
    pred_probs[np.arange(n_rows), labels] += 0.4
    tracemalloc.start()
    threshold_state = ThresholdState.zero(n_classes).update(labels, pred_probs)
    joint_state = JointState.zero(n_classes).update(
        labels, pred_probs, threshold_state.thresholds()
    )
    names = [str(k) for k in range(n_classes)]
    model = NoiseModel.estimate(names, threshold_state, joint_state)
    written = json.dumps(model.to_dict())
    suggested = Posterior.of(model).suggestions(labels, pred_probs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(model.joint, Sparse)
    assert len(suggested.labels) == n_rows
    assert peak < 100e6 < 8 * n_classes**2 / 7
    assert len(written) < 5e6
