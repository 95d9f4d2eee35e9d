"""What the JSON files of a transformer model say of it, without loading torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lakewinnow.embedding.local import models

_WIDTH: Final = ("hidden_size", "d_model", "dim", "n_embd")
_N_LAYERS: Final = ("num_hidden_layers", "num_layers", "n_layers", "n_layer")
_PLAIN: Final = [{"type": "Transformer"}]  # what there is where modules.json is not
_UNCHANGED: Final = {"Normalize", "Dropout", "LayerNorm"}  # modules that keep the dimensions
_OLD_WIDTH: Final = "word_embedding_dimension"  # as versions before 6 wrote it
_OLD_MODES: Final = "pooling_mode_"  # and a key for each way to pool, true or false


@dataclass(frozen=True)
class TransformerFiles:
    """A folder as sentence-transformers writes it, or a plain transformer, which it mean-pools."""

    folder: Path

    @cached_property
    def modules(self) -> list[tuple[str, Path]]:
        """The type and the folder of each module, in their order."""
        listed: list[dict[str, str]] = models.read_json(self.folder / "modules.json") or _PLAIN
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
            said = models.read_json(path).get("max_seq_length")
            if said is not None:
                return int(said)
        tokenizer = models.read_json(self.transformer / "tokenizer_config.json")
        limits = (tokenizer.get("model_max_length"), self._config.get("max_position_embeddings"))
        known = [int(limit) for limit in limits if limit is not None]
        return min(known) if known else None

    @property
    def dimensions(self) -> int | None:
        """Of the vectors that the model makes; None, where only the loaded model knows."""
        size: int | None = None
        for module, folder in self.modules:
            config = models.read_json(folder / "config.json")
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
        config: dict[str, Any] = models.read_json(self.transformer / "config.json")
        return {**config, **config.get("text_config", {})}

    @cached_property
    def _own_config(self) -> dict[str, Any]:
        config: dict[str, Any] = models.read_json(self.folder / "config_sentence_transformers.json")
        return config


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((config[key] for key in keys if isinstance(config.get(key), int)), None)


def _n_modes(config: dict[str, Any]) -> int:
    """Return how many ways of pooling there are, whose vectors stand side by side."""
    modes = config.get("pooling_mode")
    if modes is None:
        return sum(bool(value) for key, value in config.items() if key.startswith(_OLD_MODES)) or 1
    return 1 if isinstance(modes, str) else len(modes)
