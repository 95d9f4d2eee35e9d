"""Static embeddings: the mean of a text's token vectors, from a table that a wheel ships.

No download, no GPU, thousands of texts a second on one core. The 32,000 × 256 table and its
tokenizer come with the wheel `wordllama` (whose own loader wants a network); `model2vec` averages.
The table was trained so that the first 128 or 64 dimensions also stand alone (Matryoshka).
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.config import EmbeddingConfig
from lakewinnow.embedding.base import Embedder
from lakewinnow.errors import ConfigError, ProviderError, did_you_mean

if TYPE_CHECKING:
    from model2vec import StaticModel

MODEL: Final = "wordllama-l2-supercat-256"
DIMENSIONS: Final = (256, 128, 64)
MAX_TOKENS: Final = 512  # a longer text is represented by its beginning


class StaticEmbedder(Embedder):
    """Unit-length means of token vectors.

    Parameters
    ----------
    config : EmbeddingConfig

    Raises
    ------
    ConfigError
        The model is not there, or not in these dimensions.
    """

    name = "static"

    def __init__(self, config: EmbeddingConfig) -> None:
        self.model = config.model or MODEL
        self.dimensions = config.dimensions or DIMENSIONS[0]
        if self.model != MODEL:
            near = did_you_mean(self.model, [MODEL])
            raise ConfigError("unknown_model", "embedding.model", MODEL, self.model, near)
        if self.dimensions not in DIMENSIONS:
            choices = " | ".join(map(str, DIMENSIONS))
            raise ConfigError(
                "unknown_dimensions", "embedding.dimensions", choices, self.dimensions
            )

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n_texts, dimensions); zeros where no token is known."""
        vectors = _model(self.dimensions).encode(texts, use_multiprocessing=False)
        return np.asarray(vectors, dtype=np.float32)


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
