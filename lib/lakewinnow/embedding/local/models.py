"""The files of a model that runs here: where they are, what they say, and a name for them.

A model is a folder, or the name of one on the Hugging Face hub, which is looked for in the local
cache first. Vectors are filed under the folder's own name and the SHA-256 of what is in it, so a
model that was trained further never shares vectors with what it was before, and one that was moved,
or comes once from the hub and once from a disk, does not pay twice. What its JSON files say of a
transformer is read without loading torch.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lakewinnow.embedding.base import EMBEDDING, Keys
from lakewinnow.errors import ConfigError, ProviderError, Shown

_DECIDING: Final = {".json", ".txt", ".model", ".safetensors", ".bin"}
_FETCHED: Final = ["*.json", "*.txt", "*.model", "*.safetensors"]  # and *.bin in place of the last
_DIGITS: Final = 8  # of the digest; it tells apart folders of the same name

_WIDTH: Final = ("hidden_size", "d_model", "dim", "n_embd")
_N_LAYERS: Final = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
_PLAIN: Final = [{"type": "Transformer"}]  # what there is where modules.json is not
_UNCHANGED: Final = {"Normalize", "Dropout", "LayerNorm"}  # modules that keep the dimensions
_OLD_WIDTH: Final = "word_embedding_dimension"  # as versions before 6 wrote it
_OLD_MODES: Final = "pooling_mode_"  # and a key for each way to pool, true or false


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


@dataclass(frozen=True)
class TransformerFiles:
    """A folder as sentence-transformers writes it, or a plain transformer, which it mean-pools."""

    folder: Path

    @cached_property
    def modules(self) -> list[tuple[str, Path]]:
        """The type and the folder of each module, in their order."""
        listed: list[dict[str, str]] = read_json(self.folder / "modules.json") or _PLAIN
        return [
            (module["type"].rpartition(".")[2], self.folder / module.get("path", ""))
            for module in listed
        ]

    @property
    def transformer(self) -> Path:
        """The folder of the transformer, with its tokenizer."""
        return self.modules[0][1]

    @property
    def width(self) -> int | None:
        """Of a hidden layer; None, where it is not said."""
        return _first(self._config, _WIDTH)

    @property
    def n_layers(self) -> int | None:
        """Hidden layers after the embedding of the tokens; None, where it is not said."""
        return _first(self._config, _N_LAYERS)

    @property
    def max_tokens(self) -> int | None:
        """Tokens that the model looks at, special ones included; None, where it is not said."""
        for path in sorted(self.transformer.glob("sentence_*_config.json")):
            said = read_json(path).get("max_seq_length")
            if said is not None:
                return int(said)
        tokenizer = read_json(self.transformer / "tokenizer_config.json")
        limits = (tokenizer.get("model_max_length"), self._config.get("max_position_embeddings"))
        known = [int(limit) for limit in limits if limit is not None]
        return min(known) if known else None

    @property
    def dimensions(self) -> int | None:
        """Of the vectors that the model makes; None, where only the loaded model knows."""
        size: int | None = None
        for module, folder in self.modules:
            config = read_json(folder / "config.json")
            match module:
                case "Transformer":
                    size = self.width
                case "Pooling":
                    of_a_token = config.get("embedding_dimension", config.get(_OLD_WIDTH))
                    size = of_a_token and of_a_token * _n_modes(config)
                case "Dense":
                    size = config.get("out_features")
                case _ if module not in _UNCHANGED:
                    return None
        kept = self._own_config.get("truncate_dim")
        return size if size is None or kept is None else min(size, kept)

    @property
    def prompt(self) -> str:
        """What the model puts before a text when nothing else is asked for."""
        prompts, default = (self._own_config.get(key) for key in ("prompts", "default_prompt_name"))
        return (prompts or {}).get(default) or ""

    @cached_property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = read_json(self.transformer / "config.json")
        return {**config, **config.get("text_config", {})}

    @cached_property
    def _own_config(self) -> dict[str, Any]:
        config: dict[str, Any] = read_json(self.folder / "config_sentence_transformers.json")
        return config


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[key] for key in keys if isinstance(config.get(key), int)), None)


def _n_modes(config: dict[str, Any]) -> int:
    """Return how many ways of pooling there are, whose vectors stand side by side."""
    modes = config.get("pooling_mode")
    if modes is None:
        return sum(bool(value) for key, value in config.items() if key.startswith(_OLD_MODES)) or 1
    return 1 if isinstance(modes, str) else len(modes)
