"""What an embedding provider is, and how it says that something went wrong.

A provider is a class derived from `Embedder`, registered as an entry point of the group
``lakewinnow.embedders`` under the name that ``embedding.provider`` gives. Its constructor takes the
`EmbeddingConfig` and must be cheap, as the driver calls it to learn the identity of the vectors;
models and clients are made on first use, in the worker process that keeps the embedder.

`embed` does one request and no more. Packing texts into requests, doing several at once, waiting,
trying again and finding the one text that a request is refused for is done for all providers by
`lakewinnow.embedding.requests.engine`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.core.text import BYTES_PER_TOKEN, most_tokens
from lakewinnow.errors import ProviderError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a provider takes."""

    inputs: int = 1024  # texts in a request
    # None where there is no such limit, or where the provider itself represents a long text by its
    # beginning
    tokens_per_input: int | None = None
    tokens_per_request: int | None = None
    concurrency: int = 1  # requests at once in one task
    # of all tasks together
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    # None where the price is not known, 0 where there is none
    usd_per_million_tokens: float | None = 0.0
    # of a task's first chunk, some seconds of work; later ones are as large as a minute allows
    chunk_tokens: int = 2**13


@dataclass(frozen=True)
class Keys:
    """What an error calls the settings it is about, which each user of a service has of its own."""

    provider: str = "embedding.provider"
    model: str = "embedding.model"
    base_url: str = "embedding.openai.base_url"
    mode: str = "embedding.openai.mode"
    max_cost: str = "embedding.openai.max_cost_usd"
    price: str = "embedding.openai.price_per_million_tokens"


EMBEDDING: Final = Keys()
FINE_TUNING: Final = Keys("finetune.provider", "finetune.model", "finetune.base_url")
OPINIONS: Final = Keys(
    provider="opinions.llm.base_url",
    model="opinions.llm.model",
    base_url="opinions.llm.base_url",
    mode="opinions.llm.mode",
    max_cost="opinions.llm.max_cost_usd",
    price="opinions.llm.input_price_per_million_tokens",
)


class TryLater(Exception):  # noqa: N818 - not an error yet
    """A request failed in a way that another try may not: too many requests, a lost connection.

    Parameters
    ----------
    reason : one line, without the texts and without secrets
    after : seconds that the provider asks to wait
    is_lost : whether only the answer is lost: the work may have been done, and is billed then
    """

    def __init__(self, reason: str, after: float | None = None, *, is_lost: bool = False) -> None:
        super().__init__(reason, after)
        self.reason, self.after, self.is_lost = reason, after, is_lost


class RefusedInput(Exception):  # noqa: N818 - of one text; the run goes on
    """A request is refused because of a text in it, which is not said.

    Parameters
    ----------
    reason : one line, without the texts and without secrets
    too_long : whether a shorter text would do
    """

    def __init__(self, reason: str, *, too_long: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.too_long = reason, too_long


class Embedder(ABC):
    """Turns texts into vectors.

    Attributes
    ----------
    name : of the provider
    model : what the vectors are filed under, beside name and dimensions: all that decides a vector
        but the text must be in these three
    dimensions : D
    tokens_used : that the provider says it has counted so far; 0 where it does not count
    keys : what errors call its settings
    """

    name: str
    model: str
    dimensions: int
    limits: Limits = Limits()
    tokens_used: int = 0
    keys: Keys = EMBEDDING

    @abstractmethod
    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Return one vector a text, in their order.

        Called from several threads at once where ``limits.concurrency`` is above 1.

        Returns
        -------
        ndarray of float32, shape (n_texts, dimensions)

        Raises
        ------
        TryLater, RefusedInput
        ProviderError : trying again is of no use: the run stops, and what was embedded by then is
            kept
        """

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has.

        Default: a third of its UTF-8 bytes, rounded up; see `core.text`.
        """
        return [*map(most_tokens, texts)]

    def split(self, text: str, n_tokens: int) -> list[str]:
        """Return the text in pieces of at most `n_tokens` tokens.

        Default: pieces of as many bytes as `count_tokens` takes for that many tokens, cut at white
        space where there is some.
        """
        pieces, rest, size = [], text, n_tokens * BYTES_PER_TOKEN
        while rest:
            head = rest.encode()[:size].decode(errors="ignore")
            if len(head) < len(rest):
                cut = max(head.rfind(" "), head.rfind("\n"))
                head = head[: cut + 1] if cut > len(head) // 2 else head
            pieces.append(head)
            rest = rest[len(head) :]
        return pieces


def unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors, one a row, scaled to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


__all__ = ["Embedder", "Limits", "ProviderError", "RefusedInput", "TryLater"]
