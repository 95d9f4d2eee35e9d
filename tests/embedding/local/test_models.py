"""A model's files: found, and named by what is in them."""

import json
import shutil

import pytest

from lakewinnow.embedding.local import models
from lakewinnow.errors import ConfigError, ProviderError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a" / "my-model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    return folder


def test_a_copy_elsewhere_has_the_same_name(folder, tmp_path):
    name = models.name_of(folder)
    assert name.startswith("my-model-")
    copy = shutil.copytree(folder, tmp_path / "b" / "my-model")
    (copy / "README.md").write_text("what it is for")
    (copy / "pytorch_model.bin").write_bytes(b"the same, for older versions")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    assert models.name_of(copy) == name


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "1_Pooling/config.json"])
def test_another_file_is_another_name(folder, file):
    before = models.name_of(folder)
    (folder / file).write_bytes(b'{"x": 1}')
    assert models.name_of(folder) != before


def test_a_folder_of_the_hub_cache_is_called_as_on_the_hub(tmp_path):
    snapshot = tmp_path / "models--owner--some-model" / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert models.name_of(snapshot).startswith("some-model-")


def test_shapes_are_read_from_the_header(tmp_path):
    header = {
        "__metadata__": {},
        "table": {"dtype": "F32", "shape": [5, 3], "data_offsets": [0, 60]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(60))
    assert models.shapes(path) == {"table": (5, 3)}


@pytest.mark.parametrize(
    "model", ["./nowhere", "/no/where", "~/nowhere", "a/b/c", "no spaces/here"]
)
def test_what_can_be_no_model_is_a_config_error(model):
    with pytest.raises(ConfigError) as caught:
        models.folder_of(model)
    assert (caught.value.code, caught.value.where) == ("unknown_model", "embedding.model")


def test_a_model_that_is_not_cached_and_cannot_be_fetched_is_a_provider_error(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def unreachable(_, *, local_files_only=False, **__):
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("Name or service not known\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(ProviderError) as caught:
        models.folder_of("owner/name")
    assert (caught.value.code, caught.value.where) == ("model_missing", "embedding.model")
    assert "neither: Name or service not known" in str(caught.value)
    assert "hf download owner/name" in caught.value.hint
    assert asked == [True, False]  # no second try


def test_the_cache_is_enough_once_the_weights_are_there(tmp_path, monkeypatch):
    asked = []

    def download(_, *, local_files_only=False, **__):
        asked.append(local_files_only)
        if not local_files_only:
            (tmp_path / "model.safetensors").write_bytes(b"weights")
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert models.folder_of("owner/name") == tmp_path  # another program left a part of it there
    assert asked == [True, False]
    assert models.folder_of("owner/name") == tmp_path
    assert asked == [True, False, True]
