"""Static embeddings: the mean of a text's token vectors, from a table that a wheel ships.

No download, no GPU, thousands of texts a second on one core. The 32,000 × 256 table and its
tokenizer come with the wheel `wordllama` (whose own loader wants a network); `model2vec` averages.
The table was trained so that the first 128 or 64 dimensions also stand alone (Matryoshka).
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.config import EmbeddingConfig
from lakewinnow.errors import ConfigError, ProviderError, did_you_mean

if TYPE_CHECKING:
    from model2vec import StaticModel

MODEL: Final = "wordllama-l2-supercat-256"
DIMENSIONS: Final = (256, 128, 64)
MAX_TOKENS: Final = 512  # a longer text is represented by its beginning


class StaticEmbedder:
    """Unit-length means of token vectors.

    Parameters
    ----------
    dimensions : {256, 128, 64}
    """

    def __init__(self, dimensions: int) -> None:
        self._model = _model(dimensions)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n_texts, dimensions); zeros where no token is known."""
        vectors = self._model.encode(list(texts), use_multiprocessing=False)
        return np.asarray(vectors, dtype=np.float32)


def identify(config: EmbeddingConfig) -> tuple[str, int]:
    """Return the model's name and dimensions, or raise ConfigError for one that is not there."""
    model, dimensions = config.model or MODEL, config.dimensions or DIMENSIONS[0]
    if model != MODEL:
        raise ConfigError(
            "unknown_model", "embedding.model", MODEL, model, did_you_mean(model, [MODEL])
        )
    if dimensions not in DIMENSIONS:
        raise ConfigError(
            "unknown_dimensions",
            "embedding.dimensions",
            " | ".join(map(str, DIMENSIONS)),
            dimensions,
        )
    return model, dimensions


def load(model: str, dimensions: int) -> StaticEmbedder:  # noqa: ARG001 - there is one model
    """Load the table, or raise ProviderError when the wheel is not installed."""
    return StaticEmbedder(dimensions)


@cache  # a worker process embeds many batches
def _model(dimensions: int) -> "StaticModel":
    # Only here: the driver and the other stages' workers do without these second-long imports.
    from model2vec import StaticModel
    from safetensors.numpy import load as load_safetensors
    from tokenizers import Tokenizer

    try:
        wheel = _wheel()
        weights = (wheel / "weights" / "l2_supercat_256.safetensors").read_bytes()
        tokenizer = (wheel / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text("utf-8")
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise ProviderError(
            "model_missing",
            "embedding.provider",
            "the wheel wordllama beside lakewinnow",
            "static",
            "pip install wordllama",
        ) from error
    (table,) = load_safetensors(weights).values()
    vectors = np.ascontiguousarray(table[:, :dimensions], dtype=np.float32)
    return StaticModel(
        vectors, Tokenizer.from_str(tokenizer), normalize=True, max_length=MAX_TOKENS
    )


def _wheel() -> Path:
    """Return the folder of the wheel, without importing it: that would set up the root logger."""
    found = find_spec("wordllama")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("wordllama")
    return Path(found.origin).parent
