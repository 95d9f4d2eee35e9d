"""Static embeddings: the mean of a text's token vectors, looked up in a table.

No GPU, and tens of thousands of short texts a second on one core. The default table, 32,000 × 256,
and its tokenizer come with the wheel `wordllama` (whose own loader wants a network), so nothing is
downloaded; any other is a model of `model2vec`, by its folder or its name on the Hugging Face hub.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding.base import EMBEDDING, Embedder, Limits, unit_length
from lakewinnow.embedding.local import models, threads
from lakewinnow.embedding.local.tokens import Tokens
from lakewinnow.errors import ConfigError, ProviderError, Shown, did_you_mean

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL: Final = "wordllama-l2-supercat-256"
DIMENSIONS: Final = (256, 128, 64)  # trained so that the first 128 or 64 also stand alone
MAX_TOKENS: Final = 512  # a longer text is represented by its beginning
_CHUNK_TOKENS: Final = 2**23  # some 10 s
_TABLES: Final = {"embeddings", "embedding.weight"}  # as model2vec, sentence-transformers call it


class StaticEmbedder(Embedder):
    """Means of token vectors, of unit length unless the configuration says otherwise.

    Fewer dimensions can be had where the first ones stand alone: the default table was trained for
    it, and those of a model2vec table are in order of variance if its config.json has `apply_pca`.

    Raises
    ------
    ConfigError : the model is not there, or not in these dimensions
    ProviderError : the hub cannot be reached
    """

    name = "static"

    def __init__(self, config: EmbeddingConfig) -> None:
        self._normalize = config.normalize
        # Truncating is done here, without counting first.
        most = None if config.long_texts == "truncate" else MAX_TOKENS
        self.limits = Limits(tokens_per_input=most, chunk_tokens=_CHUNK_TOKENS)
        self._folder = None if config.model in (None, MODEL) else _folder_of(str(config.model))
        self.dimensions = _dimensions(self._folder, config.dimensions)

    @cached_property
    def model(self) -> str:  # type: ignore[override]  # read only by the driver: reads all bytes
        """The bundled table's name, or a folder's with its digest; ``+raw`` if not normalized."""
        named = MODEL if self._folder is None else models.name_of(self._folder)
        return named if self._normalize else f"{named}+raw"

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Return vectors, shape (n_texts, dimensions); zeros where no token is known."""
        vectors = _means(self._folder, self.dimensions).of(texts)
        return unit_length(vectors) if self._normalize else vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, or one too many where its end is not looked at.

        As estimated for any provider where long texts are truncated: the count decides nothing, and
        would take as long as the vectors.
        """
        if self.limits.tokens_per_input is None:
            return super().count_tokens(texts)
        means = _means(self._folder, self.dimensions)
        return [
            max(n, MAX_TOKENS + 1) if len(text) > means.max_characters else n
            for n, text in zip(means.tokens.count(texts), texts, strict=True)
        ]

    def split(self, text: str, n_tokens: int) -> list[str]:
        """Return the text in pieces of at most `n_tokens` tokens, all of which is looked at."""
        return _means(self._folder, self.dimensions).tokens.split(text, n_tokens)


@dataclass(eq=False)
class _Means:
    """A table of token vectors and a tokenizer: means without a loop over texts.

    `StaticModel.encode` gathers the vectors of texts of one length at a time. Here each text is a
    row of a sparse matrix that counts its tokens, and its product with the table is all sums at
    once, the same but for the order of additions. It takes a sixth less time with the tokenizer,
    which has 85% of what is left.
    """

    table: NDArray[np.floating]  # shape (n_vectors, dimensions)
    tokenizer: "Tokenizer"  # of this object alone: it is told to truncate
    # id of the token that stands for what the tokenizer does not know, which has no vector
    unknown: int | None
    median_token_length: int  # characters
    # by token; default: a token's own row, and 1
    rows: NDArray[np.integer] | None = None
    weights: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        # model2vec's own bound on what it hands to the tokenizer
        self.max_characters = MAX_TOKENS * self.median_token_length
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.table = np.ascontiguousarray(self.table, dtype=np.float32)

    @cached_property
    def tokens(self) -> Tokens:
        """What counts tokens and cuts texts, which few configurations ask for."""
        from tokenizers import Tokenizer

        own = Tokenizer.from_str(self.tokenizer.to_str())
        return Tokens(own, special=False, max_characters=self.max_characters)

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        from scipy.sparse import csr_array

        cut = self.tokenizer.encode_batch_fast(
            [text[: self.max_characters] for text in texts], add_special_tokens=False
        )
        ids = [encoding.ids for encoding in cut]
        n_tokens = np.fromiter(map(len, ids), np.int64, len(ids))
        tokens = np.fromiter(chain.from_iterable(ids), np.int64, n_tokens.sum())
        if self.unknown is not None:
            known = tokens != self.unknown
            text_of = np.repeat(np.arange(len(ids)), n_tokens)[known]
            tokens, n_tokens = tokens[known], np.bincount(text_of, minlength=len(ids))
        rows = tokens if self.rows is None else self.rows[tokens]
        weights = np.ones(len(tokens)) if self.weights is None else self.weights[tokens]
        bounds = np.concatenate([[0], np.cumsum(n_tokens)])
        counts = csr_array(
            (weights.astype(np.float32), rows, bounds), shape=(len(ids), len(self.table))
        )
        sums: NDArray[np.float32] = counts @ self.table
        sums /= np.maximum(n_tokens, 1).astype(np.float32)[:, np.newaxis]
        return sums


@cache  # a worker process embeds many batches
def _means(folder: Path | None, dimensions: int) -> _Means:
    threads.limit()
    return _bundled(dimensions) if folder is None else _loaded(folder, dimensions)


def _bundled(dimensions: int) -> _Means:
    """Load the wheel's table, in a fifth of a second: `StaticModel` takes three times as long."""
    from safetensors.numpy import load as load_safetensors
    from tokenizers import Tokenizer

    wheel = models.package_folder("wordllama")
    if wheel is None:
        expected, hint = "the package wordllama to be installed", "pip install wordllama"
        raise ProviderError("model_missing", "embedding.provider", expected, "static", hint)
    try:
        weights = (wheel / "weights" / "l2_supercat_256.safetensors").read_bytes()
        parts = (wheel / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text("utf-8")
    except FileNotFoundError as error:  # of another version of the wheel
        raise models.unusable(wheel, error) from error
    (table,) = load_safetensors(weights).values()
    tokenizer = Tokenizer.from_str(parts)
    tokenizer.no_padding()
    return _Means(
        table[:, :dimensions],
        tokenizer,
        unknown=tokenizer.token_to_id(tokenizer.model.unk_token),
        median_token_length=int(np.median([len(token) for token in tokenizer.get_vocab()])),
    )


def _loaded(folder: Path, dimensions: int) -> _Means:
    from model2vec import StaticModel

    # Neither length nor normalization are given here: where config.json differs, that is logged.
    try:
        model = StaticModel.from_pretrained(folder)
    except Exception as error:
        raise models.unusable(folder, error) from error
    return _Means(
        model.embedding[:, :dimensions],
        model.tokenizer,
        unknown=model.unk_token_id,
        median_token_length=model.median_token_length,
        rows=model.token_mapping,
        weights=model.weights,
    )


def _folder_of(model: str) -> Path:
    if "/" not in model and not Path(model).is_dir():
        expected = f"{MODEL}, or a model2vec model's folder or OWNER/NAME"
        hint = did_you_mean(model, [MODEL])
        raise ConfigError("unknown_model", EMBEDDING.model, expected, model, hint)
    return models.folder_of(model)


def _dimensions(folder: Path | None, wanted: int | None) -> int:
    """Return how many there are to be, after a look at the folder's files, not at the vectors."""
    if folder is None:
        choices: Sequence[int] = DIMENSIONS
        said = " | ".join(map(str, DIMENSIONS))
    else:
        own = _width(folder)
        cut = models.read_json(folder / "config.json").get("apply_pca")
        choices = range(own, 0, -1) if cut else (own,)
        said = f"{own}, or fewer" if cut else f"{own}, as this model's vectors cannot be shortened"
    if wanted is not None and wanted not in choices:
        raise ConfigError("unknown_dimensions", "embedding.dimensions", said, wanted)
    return wanted or choices[0]


def _width(folder: Path) -> int:
    for part in (folder, folder / "0_StaticEmbedding"):  # both layouts of sentence-transformers
        weights = part / "model.safetensors"
        if weights.is_file() and (part / "tokenizer.json").is_file():
            found = models.shapes(weights)
            for name in found.keys() & _TABLES:
                return found[name][1]
    expected = "the folder of a model2vec model: model.safetensors with a table, tokenizer.json"
    raise ConfigError("unknown_model", EMBEDDING.model, expected, Shown(str(folder)))
