"""What embedders have in common that ask a service by OpenAI's protocol, at once or by batches."""

import threading
import weakref
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import openai
from numpy.typing import NDArray

from lakewinnow.embedding.base import Embedder
from lakewinnow.embedding.openai.access import Access


class ServiceEmbedder(Embedder):
    """A client of a service.

    Attributes
    ----------
    endpoint : what its requests are sent to, as a batch names it
    asks_for_dimensions : whether a request says how many are wanted, or need not
    """

    endpoint: ClassVar[str]
    asks_for_dimensions: bool = True

    def __init__(self, access: Access) -> None:
        self.access, self.tokens_used = access, 0
        self._client: openai.OpenAI | None = None
        self._lock = threading.Lock()  # guards the two above

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What a request says beside its texts."""

    @abstractmethod
    def body(self, text: str) -> dict[str, Any]:
        """Return a request of one text, whole."""

    @abstractmethod
    def answered(
        self, answer: Mapping[str, Any], n_texts: int, *, is_asked: bool
    ) -> NDArray[np.float32]:
        """Return what the body of an answer says, a row a text, NaN where it says nothing.

        Parameters
        ----------
        is_asked : what `asks_for_dimensions` was when it was asked

        Raises
        ------
        TryLater : another request may be answered otherwise
        """

    def billed(self, usage: object) -> int:
        """Return the tokens billed, as an answer says; 0 where it does not: servers differ."""
        if not isinstance(usage, Mapping):
            return 0
        said = (usage.get(name) for name in ("total_tokens", "prompt_tokens"))
        return next((n for n in said if isinstance(n, int) and n > 0), 0)

    @property
    def client(self) -> openai.OpenAI:
        """The client, made on first use."""
        with self._lock:
            if self._client is None:
                self._client = self.access.client()  # `Requests` tries again, in the budget
                weakref.finalize(self, self._client.close)  # its connections are not left open
            return self._client
