import json

import cleanlab.count
import numpy as np
import pytest

from core.generate import corpus
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.core.noise.noise_model import MOST_OVERLAPS, NoiseModel
from lakewinnow.errors import DataError


def model_of(labels, pred_probs, thresholds=None, classes=None):
    k = pred_probs.shape[1]
    threshold_state = ThresholdState.zero(k).update(labels, pred_probs)
    under = threshold_state.thresholds() if thresholds is None else thresholds
    joint_state = JointState.zero(k).update(labels, pred_probs, under)
    names = classes or [f"class {i}" for i in range(k)]
    return NoiseModel.estimate(names, threshold_state, joint_state, thresholds)


def assert_equal(model, other):
    assert model.to_dict() == other.to_dict()


@pytest.mark.parametrize("seed", range(12))
def test_a_model_survives_json(seed):
    labels, pred_probs, _ = corpus(seed)
    model = model_of(labels, pred_probs)
    read = NoiseModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert_equal(read, model)
    for name in ("confident_joint", "joint", "py", "noise_matrix", "thresholds", "counts"):
        np.testing.assert_array_equal(getattr(read, name), getattr(model, name))
        assert getattr(read, name).dtype == getattr(model, name).dtype


def test_the_file_has_the_keys_of_the_contract():
    labels, pred_probs, _ = corpus(0, n_classes=5)
    content = model_of(labels, pred_probs).to_dict()
    assert content.keys() >= {
        "classes",
        "counts",
        "thresholds",
        "confident_joint",
        "joint",
        "noise_matrix",
        "inverse_noise_matrix",
        "label_health",
    }
    assert content["label_health"].keys() == {"overall", "classes", "overlaps"}
    assert [len(content["label_health"][key]) for key in ("classes", "overlaps")] == [5, 10]
    assert content["label_health"]["classes"][0].keys() == {
        "class_name",
        "class_index",
        "label_issues",
        "inverse_label_issues",
        "label_noise",
        "inverse_label_noise",
        "label_quality_score",
    }


def test_the_overlaps_are_bounded():
    labels, pred_probs, _ = corpus(0, n_classes=50, n_rows=300, kind="continuous")
    health = model_of(labels, pred_probs).label_health()
    assert len(health["overlaps"]) == MOST_OVERLAPS < 50 * 49 // 2


def test_rows_counted_under_the_same_thresholds_merge_into_the_model_of_all():
    labels, pred_probs, _ = corpus(2, n_classes=5, n_rows=600)
    thresholds = model_of(labels[:400], pred_probs[:400]).thresholds
    earlier = model_of(labels[:400], pred_probs[:400], thresholds)
    later = model_of(labels[400:], pred_probs[400:], thresholds)
    assert_equal(earlier.merge(later), model_of(labels, pred_probs, thresholds))
    assert_equal(later.merge(earlier), earlier.merge(later))
    read = NoiseModel.from_dict(json.loads(json.dumps(earlier.to_dict())))
    assert_equal(read.merge(later), earlier.merge(later))


def test_rows_counted_under_other_thresholds_do_not_merge():
    labels, pred_probs, _ = corpus(2, n_classes=5, n_rows=600)
    earlier, later = (
        model_of(labels[part], pred_probs[part]) for part in (slice(400), slice(400, None))
    )
    with pytest.raises(DataError) as error:
        earlier.merge(later)
    assert error.value.code == "other_thresholds"


@pytest.mark.parametrize("seed", range(12))
def test_over_its_own_rows_a_model_judges_as_itself(seed):
    labels, pred_probs, _ = corpus(seed)
    model = model_of(labels, pred_probs)
    assert_equal(model.of_batch(model.threshold_state, model.joint_state), model)


def batch_of(model, labels, pred_probs):
    k = len(model.classes)
    return model.of_batch(
        ThresholdState.zero(k).update(labels, pred_probs),
        JointState.zero(k).update(labels, pred_probs, model.thresholds),
    )


def test_a_batch_has_the_thresholds_and_the_noise_of_the_earlier_model():
    labels, pred_probs, _ = corpus(2, n_classes=5, n_rows=600)
    earlier, later = slice(400), slice(400, None)
    model = model_of(labels[earlier], pred_probs[earlier])
    batch = batch_of(model, labels[later], pred_probs[later])
    np.testing.assert_array_equal(batch.thresholds, model.thresholds)
    np.testing.assert_array_equal(batch.counts, np.bincount(labels[later], minlength=5))
    expected = cleanlab.count.calibrate_confident_joint(
        model.joint_state.confident_joint, labels[later]
    )
    np.testing.assert_array_equal(batch.confident_joint, expected)
    same = model_of(labels[earlier], pred_probs[earlier], model.thresholds)
    assert_equal(
        model.merge(batch), same.merge(model_of(labels[later], pred_probs[later], model.thresholds))
    )


def test_a_class_that_a_model_never_saw_has_no_known_noise():
    labels, pred_probs, _ = corpus(2, n_classes=4, n_rows=400, kind="continuous")
    seen = labels != 3
    batch = batch_of(model_of(labels[seen], pred_probs[seen]), labels, pred_probs)
    assert batch.confident_joint[3].tolist() == [0, 0, 0, (labels == 3).sum()]
    np.testing.assert_array_equal(batch.confident_joint.sum(axis=1), np.bincount(labels))


def test_models_of_other_classes_do_not_merge():
    labels, pred_probs, _ = corpus(2, n_classes=3)
    model = model_of(labels, pred_probs)
    with pytest.raises(DataError) as error:
        model.merge(model_of(labels, pred_probs, classes=["a", "b", "c"]))
    assert error.value.code == "other_classes"
    assert str(error.value).endswith("3 classes in their order, 'class 0' at 0, got 'a'")
    with pytest.raises(DataError) as error:
        model.check_classes(model.classes[:2], "classes")
    assert str(error.value).endswith("'class 2' at 2, got none")


def test_a_model_of_no_rows_is_refused():
    with pytest.raises(DataError) as error:
        NoiseModel.estimate(["a", "b"], ThresholdState.zero(2), JointState.zero(2))
    assert error.value.code == "no_rows"


def test_another_file_is_not_a_model():
    with pytest.raises(DataError) as error:
        NoiseModel.from_dict({"classes": ["a"]})
    assert error.value.code == "not_a_noise_model"
    assert "'state'" in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 3},
        {"classes": ["class 0", "class 1"]},
        {"thresholds": [0.5]},
        {"joint": "none"},
        {"state": []},
        {"state": {"thresholds": [[7, 0, 0, 0, 1]], "joint": []}},
        {"state": {"thresholds": [[0, 0, 0, 0, 1]], "joint": [[5, 5, 5]]}},
    ],
    ids=str,
)
def test_a_changed_file_is_not_a_model(change):
    content = model_of(*corpus(2, n_classes=3)[:2]).to_dict()
    with pytest.raises(DataError) as error:
        NoiseModel.from_dict(content | change)
    assert error.value.code == "not_a_noise_model"


def test_a_list_is_not_a_model_and_another_version_says_so():
    with pytest.raises(DataError) as error:
        NoiseModel.from_dict([])
    assert error.value.code == "not_a_noise_model"
    with pytest.raises(DataError) as error:
        NoiseModel.from_dict({"format_version": 2})
    assert error.value.code == "other_format_version"
