"""Which provider turns texts into vectors, and what its vectors are filed under."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lakewinnow.config import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.embedding import static


class Embedder(Protocol):
    """Turns texts into vectors. Lives in a worker process; made once there."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector a text, shape (n_texts, dimensions)."""


@dataclass(frozen=True)
class Provider:
    """A provider's two entry points; they raise ConfigError for a model or size it lacks."""

    identify: Callable[[EmbeddingConfig], tuple[str, int]]  # model, dimensions; cheap
    load: Callable[[str, int], Embedder]


_PROVIDERS = {"static": Provider(static.identify, static.load)}


def identify(config: EmbeddingConfig) -> EmbeddingIdentity:
    """Return what the configured embedding's vectors are filed under.

    Raises
    ------
    ConfigError
        The provider does not have the model, or not in these dimensions.
    """
    model, dimensions = _PROVIDERS[config.provider].identify(config)
    return EmbeddingIdentity(config.provider, model, dimensions)


def load(identity: EmbeddingIdentity) -> Embedder:
    """Load the model in this process.

    Raises
    ------
    ProviderError
        The provider's package or model is not installed.
    """
    return _PROVIDERS[identity.provider].load(identity.model, identity.dimensions)
