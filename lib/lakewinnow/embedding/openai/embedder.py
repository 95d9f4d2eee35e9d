"""Embeddings by OpenAI, Azure OpenAI, or any server that speaks the same protocol.

Vectors are filed under the name of the model alone, not under the server's address: the same model
behind a proxy, in another region or on another port is not paid for twice. Two servers that give
one name to two models need two stores, or two names.
"""

import base64
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from json import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import openai
from numpy.typing import NDArray
from openai.types import CreateEmbeddingResponse

from lakewinnow.config.sections import EmbeddingConfig, OpenAIConfig
from lakewinnow.embedding.base import Limits, TryLater, unit_length
from lakewinnow.embedding.openai.access import Access, outcome_of
from lakewinnow.embedding.openai.service import ServiceEmbedder
from lakewinnow.errors import ConfigError

if TYPE_CHECKING:
    from tiktoken import Encoding

_MAX_INPUTS: Final = 2048
_SMALL_SERVER_INPUTS: Final = 128  # without a batch_size: on a few cores it takes seconds as it is
BATCH_DISCOUNT: Final = 0.5

_MODELS: Final = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")
_ENCODING: Final = "cl100k_base"  # of all three
_URL: Final = f"https://openaipublic.blob.core.windows.net/encodings/{_ENCODING}.tiktoken"
_SHA256: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"


@dataclass(frozen=True)
class _Model:
    dimensions: int
    usd_per_million_tokens: float
    has_fewer_dimensions: bool


MODELS: Final = {  # list prices as of May 2026; embedding.openai.price_per_million_tokens wins
    "text-embedding-3-small": _Model(1536, 0.02, has_fewer_dimensions=True),
    "text-embedding-3-large": _Model(3072, 0.13, has_fewer_dimensions=True),
    "text-embedding-ada-002": _Model(1536, 0.10, has_fewer_dimensions=False),
}


class OpenAIEmbedder(ServiceEmbedder):
    """A client of an embeddings service.

    Pickled, it is its configuration: the client, and the key in it, are made where it is used.

    Raises
    ------
    ConfigError : the number of dimensions is not known, or the model does not have it; or the
        endpoint is not known
    """

    name = "openai"
    endpoint = "/v1/embeddings"

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__(_access(config.openai))
        self._config = config
        if config.openai.api_version is not None and config.openai.base_url is None:
            where, expected = "embedding.openai.base_url", "the endpoint of Azure OpenAI"
            raise ConfigError("endpoint_missing", where, expected, None, "as api_version is set")
        self._sent_model = config.model or "text-embedding-3-small"
        self._known = MODELS.get(self._sent_model)
        self.dimensions = _dimensions(self._sent_model, self._known, config.dimensions)
        # Theirs have unit length as they come; of other models nothing is known.
        self._normalizes = self._known is None and config.normalize
        is_raw = self._known is None and not config.normalize
        self.model = f"{self._sent_model}+raw" if is_raw else self._sent_model
        self.asks_for_dimensions = bool(self._known and self.dimensions != self._known.dimensions)
        self.limits = _limits(config, self._known)
        self._vocabulary = Vocabulary(self._sent_model)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._config,)

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Return what the service answers, shape (n_texts, dimensions).

        A row that is missing from the answer, or has not as many numbers as the others, is NaN.
        """
        parameters = self.parameters
        try:
            answer = self.client.embeddings.create(input=texts, **parameters)
        except openai.OpenAIError as error:
            # Not chained: the client's error holds the request, and that the key.
            raise outcome_of(error, [self.access.key, *texts]) from None
        except JSONDecodeError:
            raise TryLater("no JSON in the answer", is_lost=True) from None
        if not isinstance(answer, CreateEmbeddingResponse) or answer.data is None:
            raise TryLater("no embeddings in the answer", is_lost=True)
        with self._lock:
            # As it came: the client does not check what servers leave out, or call something else.
            said = answer.usage
            usage = dict(said) if isinstance(said, openai.BaseModel) else said
            self.tokens_used += self.billed(usage)
        items = [(item.index, item.embedding) for item in answer.data]
        return self._vectors_of(items, len(texts), is_asked="dimensions" in parameters)

    @property
    def parameters(self) -> dict[str, Any]:
        """What a request says beside its texts."""
        # Base64 takes a quarter of the bytes, and has no digits to parse.
        said: dict[str, Any] = {"model": self._sent_model, "encoding_format": "base64"}
        if self.asks_for_dimensions:
            said["dimensions"] = self.dimensions
        return said

    def body(self, text: str) -> dict[str, Any]:
        """Return a request of one text, whole."""
        return {**self.parameters, "input": [text]}

    def answered(
        self, answer: Mapping[str, Any], n_texts: int, *, is_asked: bool
    ) -> NDArray[np.float32]:
        """Return the vectors in the body of an answer; see `ServiceEmbedder`."""
        items = [(item.get("index"), item.get("embedding")) for item in answer.get("data") or ()]
        return self._vectors_of(items, n_texts, is_asked=is_asked)

    def _vectors_of(
        self, items: Sequence[tuple[int, Any]], n_texts: int, *, is_asked: bool
    ) -> NDArray[np.float32]:
        """Return the vectors of an answer, a row a text, NaN where there is none.

        Parameters
        ----------
        items : the index of a text, and its vector, as they come: in any order
        is_asked : whether the request said how many dimensions are wanted

        Raises
        ------
        TryLater : the vectors are of other dimensions, and those wanted were not asked for
        """
        rows = [(index, _vector(embedding)) for index, embedding in items]
        lengths = {len(vector) for _, vector in rows}
        if self.dimensions not in lengths and len(lengths) == 1 and len(rows) == n_texts:
            if not is_asked and self._config.dimensions is not None:
                self.asks_for_dimensions = True  # from now on: not all servers know how
                raise TryLater(f"other dimensions than {self.dimensions}, not asked for", after=0)
            return np.stack([vector for _, vector in rows])  # of other dimensions: fatal
        vectors = np.full((n_texts, self.dimensions), np.nan, dtype=np.float32)
        for index, vector in rows:
            fits = len(vector) == self.dimensions and index is not None and 0 <= index < n_texts
            if fits and np.isfinite(vector).all():
                vectors[index] = vector
        return unit_length(vectors) if self._normalizes else vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has: by tiktoken if it can tell, else an estimate."""
        return self._vocabulary.count(texts) or super().count_tokens(texts)

    def split(self, text: str, n_tokens: int) -> list[str]:
        """Return the text in pieces of at most `n_tokens` tokens."""
        return self._vocabulary.split(text, n_tokens) or super().split(text, n_tokens)


def _dimensions(model: str, known: _Model | None, dimensions: int | None) -> int:
    where = "embedding.dimensions"
    if known is None:
        if dimensions is None:
            hint = f"give the length of its vectors; known models are {', '.join(MODELS)}"
            raise ConfigError("dimensions_unknown", where, f"a number, for {model}", None, hint)
        return dimensions
    if dimensions is None or dimensions == known.dimensions:
        return known.dimensions
    if dimensions > known.dimensions or not known.has_fewer_dimensions:
        bound = "at most " if known.has_fewer_dimensions else ""
        expected = f"{bound}{known.dimensions}, for {model}"
        raise ConfigError("unknown_dimensions", where, expected, dimensions)
    return dimensions


def _access(service: OpenAIConfig) -> Access:
    return Access(service.base_url, service.api_version, service.timeout_s)


def _limits(config: EmbeddingConfig, known: _Model | None) -> Limits:
    service = config.openai
    is_openai = _access(service).is_openai
    n_inputs = _MAX_INPUTS if is_openai or service.api_version else _SMALL_SERVER_INPUTS
    price = service.price_per_million_tokens
    if price is None and known and is_openai:
        price = known.usd_per_million_tokens
        price *= BATCH_DISCOUNT if service.mode == "batch" else 1
    return Limits(
        inputs=min(config.batch_size or n_inputs, _MAX_INPUTS),
        tokens_per_input=8191,  # one fewer than they say: ada-002 was once held to this
        tokens_per_request=300_000,
        concurrency=service.concurrency,
        requests_per_minute=service.max_requests_per_minute,
        tokens_per_minute=service.max_tokens_per_minute,
        usd_per_million_tokens=price,
    )


def _vector(embedding: Any) -> NDArray[np.float32]:
    """Return a vector from base64, or from the numbers that some servers send regardless."""
    try:
        if isinstance(embedding, str):
            return np.frombuffer(base64.b64decode(embedding), dtype="<f4").astype(np.float32)
        return np.array(embedding or [], dtype=np.float32)
    except ValueError:  # not base64, not of four bytes each, no numbers
        return np.empty(0, dtype=np.float32)


class Vocabulary:
    """Counts and cuts as a model does, by tiktoken, or says that it cannot.

    tiktoken downloads a vocabulary on first use, and waits for the network as long as that takes.
    So it is asked only when the file is in its cache, whole: see TIKTOKEN_CACHE_DIR in its manual.
    """

    def __init__(self, model: str) -> None:
        self._model = model

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Return the number of tokens of each text; None where they cannot be counted."""
        if self._encoding is None:
            return None
        return [len(self._encoding.encode_ordinary(text)) for text in texts]

    def split(self, text: str, n_tokens: int) -> list[str] | None:
        """Return the text in pieces of at most `n_tokens` tokens, cut at white space if any."""
        if self._encoding is None:
            return None
        pieces, rest = [], text
        while rest:
            tokens = self._encoding.encode_ordinary(rest)
            head = rest
            if len(tokens) > n_tokens:
                # A token may end within a character, which then belongs to the next piece.
                whole = self._encoding.decode_bytes(tokens[:n_tokens]).decode(errors="ignore")
                cut = max(whole.rfind(" "), whole.rfind("\n"))
                head = (whole[:cut] if cut > len(whole) // 2 else whole) or rest[0]
            pieces.append(head)
            rest = rest[len(head) :]
        return pieces

    @cached_property
    def _encoding(self) -> "Encoding | None":
        if self._model not in _MODELS or not _is_at_hand():
            return None
        try:
            import tiktoken
        except ModuleNotFoundError:
            return None
        return tiktoken.get_encoding(_ENCODING)


def _is_at_hand() -> bool:
    """Whether tiktoken would find the vocabulary in its cache, and not be put off by it."""
    named = (os.environ.get(name) for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"))
    default = str(Path(tempfile.gettempdir(), "data-gym-cache"))
    folder = next((name for name in named if name is not None), default)
    file = Path(folder, hashlib.sha1(_URL.encode()).hexdigest())  # noqa: S324 - as tiktoken does
    if not folder or not file.is_file():
        return False
    return hashlib.sha256(file.read_bytes()).hexdigest() == _SHA256
