import cleanlab.dataset
import numpy as np
import pytest

from core.generate import corpus
from core.reference import stable_cleanlab
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.core.noise.health import (
    find_overlapping_classes,
    overall_label_health_score,
    rank_classes_by_label_quality,
)
from lakewinnow.core.noise.noise_model import NoiseModel


def model_of(labels, pred_probs):
    k = pred_probs.shape[1]
    threshold_state = ThresholdState.zero(k).update(labels, pred_probs)
    thresholds = threshold_state.thresholds()
    joint_state = JointState.zero(k).update(labels, pred_probs, thresholds)
    return NoiseModel.estimate([f"class {i}" for i in range(k)], threshold_state, joint_state)


@pytest.mark.parametrize("seed", range(30))
def test_tables_are_cleanlabs(seed):
    labels, pred_probs, _ = corpus(seed)
    model, n_rows = model_of(labels, pred_probs), len(labels)
    with stable_cleanlab():
        summary = cleanlab.dataset.health_summary(labels, pred_probs, verbose=False)
    assert overall_label_health_score(model.n_label_issues, n_rows) == pytest.approx(
        summary["overall_label_health_score"], abs=1e-12
    )
    # pandas sorts ties as they come, so both are brought into the order of the classes
    by_class = summary["classes_by_label_quality"].sort_values("Class Index")
    ours = rank_classes_by_label_quality(model.joint, n_rows)
    in_order = np.argsort(ours.class_index)
    for mine, theirs in zip(vars(ours).values(), by_class.to_numpy().T, strict=True):
        np.testing.assert_allclose(mine[in_order], theirs, rtol=1e-12, atol=1e-12)
    overlaps = summary["overlapping_classes"].sort_values(["Class Index A", "Class Index B"])
    ours = find_overlapping_classes(model.joint, n_rows)
    in_order = np.lexsort((ours.class_index_b, ours.class_index_a))
    for mine, theirs in zip(vars(ours).values(), overlaps.to_numpy().T, strict=True):
        np.testing.assert_allclose(mine[in_order], theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_the_worst_come_first_and_ties_are_in_order_of_the_classes(seed):
    labels, pred_probs, _ = corpus(seed)
    model = model_of(labels, pred_probs)
    quality = rank_classes_by_label_quality(model.joint, len(labels))
    ranked = list(zip(quality.label_quality_score, quality.class_index, strict=True))
    assert ranked == sorted(ranked)
    overlaps = find_overlapping_classes(model.joint, len(labels))
    ranked = list(
        zip(
            -overlaps.joint_probability,
            overlaps.class_index_a,
            overlaps.class_index_b,
            strict=True,
        )
    )
    assert ranked == sorted(ranked)


def test_no_rows_are_healthy():
    assert overall_label_health_score(0, 0) == 1.0
