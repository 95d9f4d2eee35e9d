"""Fine-tuning: a head over the mean of a text's tokens, trained together with the layers below it.

The recipe is the usual one for small transformers: AdamW, a learning rate that rises over the first
tenth of the steps and then falls to 0, and batches of texts of like lengths. A seed decides the
head that training begins with, the order of the batches and what dropout leaves out; two training
sets of the same seed begin with the same head.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.local import threads
from lakewinnow.embedding.local.models import TransformerFiles
from lakewinnow.embedding.local.sentence_transformers import device, find_model, package_missing
from lakewinnow.finetuning.local.body import (
    Body,
    Inputs,
    Texts,
    in_batches,
    inputs_of,
    prepared,
)

if TYPE_CHECKING:
    from torch import nn

_ON_CPU: Final = 3  # layers that learn
_WARM_UP: Final = 0.1  # of the steps
_WEIGHT_DECAY: Final = 0.01
_LARGEST_GRADIENT: Final = 1.0  # its norm
_OTHERS_AT_ONCE: Final = 2_048  # texts
_SORTED_BATCHES: Final = 20  # among the rows of so many, those of like lengths share a batch


@dataclass(frozen=True)
class TrainingRecipe:
    """How a transformer is fine-tuned."""

    model: str | None  # a folder, or a name on the Hugging Face hub; None: all-MiniLM-L6-v2
    # that learn, from the top; None: `_ON_CPU` of them on a CPU, all on a GPU
    layers: int | Literal["all"] | None
    epochs: int
    learning_rate: float
    batch_size: int


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A body and a head that have learnt."""

    body: Body
    head: "nn.Module"
    known: Texts  # that they were given, to learn from or not

    def probs(self, rows: IntArray) -> FloatArray:
        """Return the probabilities of some of the texts known, float64 of shape (n, K)."""
        return _probs(self.body, self.head, [self.known.inputs[row] for row in rows])

    def probs_of(self, texts: Sequence[str]) -> FloatArray:
        """Return the probabilities of other texts, float64 of shape (n, K)."""
        found = [np.zeros((0, self.head.out_features))]
        for start in range(0, len(texts), _OTHERS_AT_ONCE):
            some = texts[start : start + _OTHERS_AT_ONCE]
            of, is_cut = self.body, self.known.is_cut
            inputs = inputs_of(of.folder, of.n_layers, some, is_cut=is_cut)
            found.append(_probs(self.body, self.head, inputs))
        return np.concatenate(found)


def train(
    recipe: TrainingRecipe, texts: tuple[str, ...], rows: IntArray, targets: FloatArray, seed: int
) -> tuple[int, FloatArray]:
    """Train on some texts; return how many layers learnt, and the probabilities of all texts.

    See `trained`.
    """
    with trained(recipe, texts, rows, targets, seed) as model:
        return model.body.n_learning, model.probs(np.arange(len(texts)))


@contextmanager
def trained(
    recipe: TrainingRecipe, texts: tuple[str, ...], rows: IntArray, targets: FloatArray, seed: int
) -> Iterator[TrainedModel]:
    """Give the model that has learnt from some texts, while chance goes by the seed.

    Parameters
    ----------
    texts : also those that nothing is learnt from
    rows : int64, shape (n,), which of them to learn from
    targets : shape (n, K), weight of each class; their sum is the weight of the row

    Raises
    ------
    ConfigError, ProviderError : as `Body`; there is no such model
    """
    threads.limit()
    try:
        import torch
        import transformers  # noqa: F401 - `body` has use for it
    except ImportError as error:
        raise package_missing(str(error), FINE_TUNING) from error
    folder, _ = find_model(recipe.model, FINE_TUNING)
    n_layers = _n_layers(recipe.layers, folder)
    known = prepared(folder, n_layers, texts)
    with _by_seed(seed):
        body = Body(folder, n_layers, is_cut=known.is_cut)
        head = torch.nn.Linear(body.width, targets.shape[1]).to(body.model.device)
        learning = [p for p in (*body.model.parameters(), *head.parameters()) if p.requires_grad]
        wanted = torch.from_numpy(targets.astype(np.float32)).to(body.model.device)
        batches = list(_batches(known.inputs, rows, recipe, np.random.default_rng(seed)))
        optimizer = torch.optim.AdamW(
            learning, recipe.learning_rate, weight_decay=_WEIGHT_DECAY, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _share_of_rate(len(batches)))
        body.model.train()
        for batch in batches:
            means = body.means([known.inputs[row] for row in rows[batch]])
            loss = -(wanted[batch] * head(means).log_softmax(1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, _LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
        yield TrainedModel(body, head, known)


def _n_layers(wanted: int | Literal["all"] | None, folder: Path) -> int | None:
    if wanted is None and device() == "cpu":
        return min(_ON_CPU, TransformerFiles(folder).n_layers or _ON_CPU)
    return None if wanted in (None, "all") else int(wanted)


def _batches(
    inputs: Inputs, rows: IntArray, recipe: TrainingRecipe, random: np.random.Generator
) -> Iterator[IntArray]:
    """Yield what to learn from at once, as positions in `rows`, for all epochs."""
    n_tokens = np.array([len(inputs[row]) for row in rows])
    size = recipe.batch_size
    for _ in range(recipe.epochs):
        order = random.permutation(len(rows))
        batches = []
        for start in range(0, len(rows), size * _SORTED_BATCHES):
            some = order[start : start + size * _SORTED_BATCHES]
            some = some[np.argsort(n_tokens[some], kind="stable")]
            batches += [some[at : at + size] for at in range(0, len(some), size)]
        yield from (batches[at] for at in random.permutation(len(batches)))


def _share_of_rate(n_steps: int) -> Any:
    n_warm = max(1, round(_WARM_UP * n_steps))

    def share(step: int) -> float:
        return min((step + 1) / n_warm, (n_steps - step) / max(1, n_steps - n_warm))

    return share


def _probs(body: Body, head: "nn.Module", inputs: Inputs) -> FloatArray:
    import torch

    body.model.eval()
    probs = np.empty((len(inputs), head.out_features))
    with torch.inference_mode():
        for some in in_batches(inputs):
            means = body.means([inputs[row] for row in some])
            probs[some] = head(means).double().softmax(1).cpu().numpy()
    return probs


@contextmanager
def _by_seed(seed: int) -> Iterator[None]:
    """Have chance go by a seed, and sums on a GPU have one order, here and not in what follows.

    Products are of numbers in half precision where the processor multiplies these, summed in
    single: 1.7 times as fast.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # asked for by what is below
    was = torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003
        torch.set_float32_matmul_precision("medium")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was[0])
            torch.set_float32_matmul_precision(was[1])
