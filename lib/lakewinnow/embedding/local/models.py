"""The files of a model that runs here: where they are, what they say, and a name for them.

A model is a folder, or the name of one on the Hugging Face hub, which is looked for in the local
cache first. Vectors are filed under the folder's own name and the SHA-256 of what is in it, so a
model that was trained further never shares vectors with what it was before, and one that was moved,
or comes once from the hub and once from a disk, does not pay twice.
"""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lakewinnow.embedding.base import EMBEDDING, Keys
from lakewinnow.errors import ConfigError, ProviderError, Shown

_DECIDING: Final = {".json", ".txt", ".model", ".safetensors", ".bin"}
_FETCHED: Final = ["*.json", "*.txt", "*.model", "*.safetensors"]  # and *.bin in place of the last
_DIGITS: Final = 8  # of the digest; it tells apart folders of the same name


def folder_of(model: str, keys: Keys = EMBEDDING) -> Path:
    """Return the folder of a model, fetched from the hub if it is neither here nor in its cache.

    Raises
    ------
    ConfigError : there is no such folder, or no such model on the hub
    ProviderError : the hub cannot be reached
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise ConfigError(
            "unknown_model", keys.model, "an existing folder, or OWNER/NAME on the hub", model
        )
    return _snapshot(model, keys.model)


def name_of(folder: Path, called: str | None = None) -> str:
    """Return the folder's own name and the digest of the files that decide its vectors.

    All bytes are read, at about a gigabyte a second; the digest of a file that has not changed is
    kept for as long as the process lives.

    Parameters
    ----------
    called : the name, where the folder's own says nothing
    """
    whole = hashlib.sha256()
    for path in _deciding(folder):
        stat = path.stat()
        whole.update(path.relative_to(folder).as_posix().encode())
        whole.update(_digest(path.resolve(), stat.st_size, stat.st_mtime_ns))
    return f"{called or _own_name(folder)}-{whole.hexdigest()[:_DIGITS]}"


def unusable(folder: Path, error: Exception, keys: Keys = EMBEDDING) -> ProviderError:
    """Return what to raise where a library does not load a model's files."""
    first_line = str(error).partition("\n")[0]
    got = Shown(f"{type(error).__name__}: {first_line}")
    return ProviderError("model_unusable", keys.model, f"complete model files in {folder}", got)


def read_json(path: Path) -> Any:
    """Return what a JSON file says; an empty dict, where there is no such file."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor in a safetensors file, from its header alone."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: tuple(of["shape"]) for name, of in header.items() if name != "__metadata__"}


def package_folder(package: str) -> Path | None:
    """Return where an installed package lies, without importing it; None where it is not."""
    found = find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _deciding(folder: Path) -> list[Path]:
    """Those of the root and of its modules (0_Transformer, 1_Pooling), not exports to ONNX, say."""
    paths = [
        path
        for pattern in ("*", "[0-9]*/*")
        for path in folder.glob(pattern)
        if path.suffix in _DECIDING and path.is_file()
    ]
    if _has_weights(folder):  # they are loaded then, and a clone of the hub may have the others too
        paths = [path for path in paths if path.suffix != ".bin"]
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _has_weights(folder: Path, suffix: str = ".safetensors") -> bool:
    return any(folder.rglob(f"*{suffix}"))


@cache
def _digest(path: Path, size: int, mtime_ns: int) -> bytes:  # noqa: ARG001 - of the key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _own_name(folder: Path) -> str:
    """Of a snapshot in the hub's cache, models--OWNER--NAME/snapshots/REVISION, the NAME."""
    folder = folder.resolve()
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.rpartition("--")[2]
    return folder.name


def _snapshot(model: str, key: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # The cache first: a worker without a network asks nobody, and a run does not change its model
    # half way because a newer one was uploaded. Another program may have left only a part there.
    try:
        folder = Path(snapshot_download(model, local_files_only=True))
    except LocalEntryNotFoundError:
        folder = None
    except HFValidationError as error:
        raise ConfigError("unknown_model", key, "OWNER/NAME on the hub", model) from error
    if folder is not None and (_has_weights(folder) or _has_weights(folder, ".bin")):
        return folder
    try:
        folder = Path(snapshot_download(model, allow_patterns=_FETCHED))
        if not _has_weights(folder):
            snapshot_download(model, allow_patterns=["*.bin"])
    except GatedRepoError as error:
        raise ProviderError(
            "model_refused", key, "a model that you may use", model, "set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError("unknown_model", key, "OWNER/NAME on the hub", model) from error
    except Exception as error:
        expected = f"{model} in this machine's Hugging Face cache, or a network to fetch it"
        got = Shown(f"neither: {str(error).partition(chr(10))[0]}")
        hint = f"run `hf download {model}` where there is a network, and give its folder here"
        raise ProviderError("model_missing", key, expected, got, hint) from error
    return folder
