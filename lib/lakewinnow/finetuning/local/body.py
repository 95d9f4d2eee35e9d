"""A transformer whose top layers learn, while those below stay as they are.

What the lower layers make of a text does not change while the upper ones learn, so it is computed
once and kept, where it fits into `MOST_KEPT` bytes: the transformer is cut in two, and its upper
part takes what the lower one has made in place of the embeddings of tokens. Not every architecture
can be cut so; whether this one can is seen by whether some texts come out the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.core.types import IntArray
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.local import models
from lakewinnow.embedding.local.models import TransformerFiles
from lakewinnow.embedding.local.sentence_transformers import device
from lakewinnow.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Inputs = Sequence[NDArray[Any]]  # of a text: the ids of its tokens, or what is made of each

MOST_KEPT: Final = 2**30  # bytes
_AT_ONCE: Final = 4_096  # padded tokens of texts that nothing is learnt from
_TRIED: Final = 8  # texts
_CLOSE: Final = 1e-4
_LAYERS: Final = "finetune.layers"


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as a body takes them."""

    inputs: Inputs  # of each text
    is_cut: bool  # whether they are what the lower layers make of tokens


class Body:
    """All that comes before the head of a classifier.

    Parameters
    ----------
    folder : of a model, as sentence-transformers or transformers writes it
    n_layers : that learn, from the top; None: everything, the embeddings of tokens included
    is_cut : whether it takes what the layers below those make of a text

    Raises
    ------
    ConfigError : "unknown_layers"
    ProviderError : "model_unusable"
    """

    def __init__(self, folder: Path, n_layers: int | None, *, is_cut: bool) -> None:
        self.folder, self.n_layers = folder, n_layers
        self.model, self._is_cut = _load(folder).to(device()), is_cut
        self.width: int = self.model.config.hidden_size
        layers = _layers_of(self.model, folder)
        if n_layers is not None and n_layers > len(layers):
            expected = f"all, or at most {len(layers)}"
            raise ConfigError("unknown_layers", _LAYERS, expected, n_layers)
        self.n_learning = len(layers) if n_layers is None else n_layers
        self.n_frozen = len(layers) - self.n_learning
        if n_layers is not None:
            self.model.requires_grad_(False)  # noqa: FBT003
            layers[self.n_frozen :].requires_grad_()
        if is_cut:
            self.model.embeddings = _passing()
            del layers[: self.n_frozen]

    def means(self, inputs: Inputs) -> "Tensor":
        """Return the mean over the tokens of each text, shape (n_texts, width)."""
        padded, mask = self._padded(inputs)
        named = {"inputs_embeds" if self._is_cut else "input_ids": padded}
        made = self.model(**named, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(made.dtype)
        mean: Tensor = (made * weight).sum(1) / weight.sum(1)
        return mean

    def lower(self, tokens: Inputs) -> Inputs:
        """Return what the layers that do not learn make of each token, float32 (tokens, width)."""
        states: list[Any] = [None] * len(tokens)
        for rows in in_batches(tokens):
            ids, mask = self._padded([tokens[row] for row in rows])
            made = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            state = made.hidden_states[self.n_frozen].float().cpu().numpy()
            for row, of in zip(rows, state, strict=True):
                states[row] = of[: len(tokens[row])].copy()
        return states

    def _padded(self, inputs: Inputs) -> tuple["Tensor", "Tensor"]:
        import torch

        n_tokens = torch.tensor([len(of) for of in inputs])
        mask = torch.arange(int(n_tokens.max())) < n_tokens[:, None]
        rows = [torch.from_numpy(of) for of in inputs]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return padded.to(device()), mask.long().to(device())


@lru_cache(maxsize=1)  # a worker process trains many models on the same texts
def prepared(folder: Path, n_layers: int | None, texts: tuple[str, ...]) -> Texts:
    """Return texts as a body takes them whose top `n_layers` layers learn."""
    import torch

    tokens = _tokens_of(folder, texts)
    whole = Body(folder, n_layers, is_cut=False)
    n_bytes = 4 * whole.width * sum(map(len, tokens))
    if whole.n_frozen == 0 or n_bytes > MOST_KEPT:
        return Texts(tokens, is_cut=False)
    with torch.inference_mode():
        whole.model.eval()
        some = whole.lower(tokens[:_TRIED])
        if not _is_same(folder, n_layers, some, whole.means(tokens[:_TRIED])):
            return Texts(tokens, is_cut=False)
        return Texts(whole.lower(tokens), is_cut=True)


def inputs_of(folder: Path, n_layers: int | None, texts: Sequence[str], *, is_cut: bool) -> Inputs:
    """Return other texts as a body takes them that has learnt from such as `prepared` returns."""
    import torch

    tokens = _tokens_of(folder, texts)
    if not is_cut:
        return tokens
    whole = Body(folder, n_layers, is_cut=False)
    with torch.inference_mode():
        whole.model.eval()
        return whole.lower(tokens)


def in_batches(inputs: Inputs) -> Iterator[IntArray]:
    """Yield texts of like lengths together, as many as are computed at once."""
    n_tokens = np.array([len(of) for of in inputs], np.int64)
    order = np.argsort(n_tokens, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * n_tokens[order[end]] <= _AT_ONCE:
            end += 1
        yield order[start:end]
        start = end


def _is_same(folder: Path, n_layers: int | None, states: Inputs, expected: "Tensor") -> bool:
    import torch

    try:
        upper = Body(folder, n_layers, is_cut=True)
        upper.model.eval()
        return bool(torch.allclose(upper.means(states), expected, atol=_CLOSE))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return False  # what comes before the layers is not all in `embeddings`, say


def _tokens_of(folder: Path, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    from transformers import AutoTokenizer

    files = TransformerFiles(folder)
    tokenizer = AutoTokenizer.from_pretrained(files.transformer, local_files_only=True)
    cut = tokenizer(
        [files.prompt + text for text in texts], truncation=True, max_length=files.max_tokens
    )
    return [np.array(ids, np.int64) for ids in cut["input_ids"]]


def _load(folder: Path) -> Any:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    transformer = TransformerFiles(folder).transformer
    try:
        return AutoModel.from_pretrained(transformer, dtype=torch.float32, local_files_only=True)
    except Exception as error:  # of torch, transformers or safetensors
        raise models.unusable(folder, error, FINE_TUNING) from error


def _layers_of(model: Any, folder: Path) -> Any:
    """Return the list of the model's layers, wherever it keeps it."""
    from torch.nn import ModuleList

    n_layers = TransformerFiles(folder).n_layers
    for module in model.modules():
        if isinstance(module, ModuleList) and len(module) == n_layers:
            return module
    expected = "a model that keeps its layers in one list, as BERT does"
    raise ConfigError("unknown_layers", "finetune.model", expected, type(model).__name__)


def _passing() -> Any:
    from torch import nn

    class Passing(nn.Module):  # type: ignore[misc]
        """Takes what the lower layers have made for embeddings of tokens."""

        def forward(self, *_: Any, inputs_embeds: "Tensor", **__: Any) -> "Tensor":
            return inputs_embeds

    return Passing()
