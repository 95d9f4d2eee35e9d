"""Noise models on file: read back, added up, and refused with a reason."""

import hashlib
import json
from functools import reduce

import pytest

from core.generate import corpus
from core.noise.test_noise_model import batch_of, model_of
from lakewinnow import merge_noise_models
from lakewinnow.errors import ConfigError, DataError
from lakewinnow.lake.inputs import noise_models


@pytest.fixture(scope="module")
def models():
    """A model, and two of later rows judged with it."""
    labels, pred_probs, _ = corpus(2, n_classes=5, n_rows=600)
    first, *later = (
        (labels[part], pred_probs[part]) for part in (slice(300), slice(300, 450), slice(450, None))
    )
    model = model_of(*first)
    return [model, *(batch_of(model, *rows) for rows in later)]


def test_a_model_is_read_back_with_the_hash_of_its_file(models, tmp_path):
    path = tmp_path / "model.json"
    noise_models.write(models[0], str(path))
    found = noise_models.read(path, "noise_model")
    assert found.model.to_dict() == models[0].to_dict()
    assert found.path == str(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_models_add_up_however_they_are_given_and_in_any_order(models, tmp_path):
    path = tmp_path / "model.json"
    noise_models.write(models[1], str(path))
    expected = reduce(lambda a, b: a.merge(b), models).to_dict()
    assert merge_noise_models([models[0], path, models[2].to_dict()]).to_dict() == expected
    assert merge_noise_models([models[2], str(path), models[0]]).to_dict() == expected
    assert merge_noise_models(models[:1]).counts.tolist() == models[0].counts.tolist()
    assert sum(expected["counts"]) == 600


def test_a_model_that_does_not_add_up_is_named(models):
    labels, pred_probs, _ = corpus(3, n_classes=5, n_rows=300)
    other_classes = model_of(labels, pred_probs, classes=list("abcde"))
    for other, code in (
        (model_of(labels, pred_probs), "other_thresholds"),
        (other_classes, "other_classes"),
    ):
        with pytest.raises(DataError) as caught:
            merge_noise_models([*models, other])
        assert (caught.value.code, caught.value.where) == (code, "models[3]")
    with pytest.raises(ConfigError) as caught:
        merge_noise_models([])
    assert caught.value.code == "no_noise_models"


@pytest.mark.parametrize(
    ("content", "error", "code"),
    [
        (None, ConfigError, "noise_model_not_found"),
        (b"", DataError, "not_a_noise_model"),
        (b"\xff\xfe", DataError, "not_a_noise_model"),
        (b"[1]", DataError, "not_a_noise_model"),
        (b'{"format_version": 99}', DataError, "other_format_version"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, content, error, code):
    path = tmp_path / "model.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error) as caught:
        noise_models.read(path, "here")
    assert (caught.value.code, caught.value.where) == (code, "here")
    assert caught.value.hint


def test_content_that_is_no_model_is_named():
    with pytest.raises(DataError) as caught:
        noise_models.model_of({}, "models[1]")
    assert (caught.value.code, caught.value.where) == ("not_a_noise_model", "models[1]")


def test_no_file_is_replaced(models, tmp_path):
    path = tmp_path / "model.json"
    noise_models.write(models[0], str(path))
    with pytest.raises(DataError) as caught:
        noise_models.write(models[1], str(path))
    assert caught.value.code == "output_exists"
    assert json.loads(path.read_text())["counts"] == models[0].counts.tolist()
