"""Cross-validation by fine-tuning, on executors: a fold and a seed in, its rows' probabilities out.

A task takes rows in the order of their ids and has one thread, so that nothing depends on how rows
were spread or on the machine's cores. All tasks have the whole sample that models learn from, so
that what lower layers make of it is computed once a worker; rows of the fold that are not in the
sample are scored by its model, too.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.classifiers.tasks import CPU_SECONDS, NOTE
from lakewinnow.core.text import normal_form
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.embedding.local import threads
from lakewinnow.embedding.local.sentence_transformers import device
from lakewinnow.finetuning.local.training import TrainedModel, TrainingRecipe, trained
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

ClassWeight = str | Mapping[int, float] | None

# Of the rows that a task takes
UNIT: Final = "unit"  # which fold and seed
IS_LEARNT: Final = "is_learnt"  # whether in the sample
# Of those that it returns
SEED: Final = "seed"
SCORED = schema(
    {
        c.ROW_ID: "string",
        c.LABEL: "int",
        c.PRED_PROBS: "array<float>",
        SEED: "int",
        CPU_SECONDS: "double",
        NOTE: "string?",
    }
)
SECONDS: Final = ("once", "learning", "asking")  # of a text
TIMED = schema({**dict.fromkeys(SECONDS, "double"), "device": "string"})
_STEPS: Final = 3  # that are timed


def score_unit(
    batches: Iterable[pa.RecordBatch],
    units: Sequence[tuple[int, int]],
    recipe: TrainingRecipe,
    class_weight: ClassWeight,
    n_classes: int,
) -> Iterator[pa.RecordBatch]:
    """Train the model of a fold and a seed on the rows of other folds, and score those of its own.

    Parameters
    ----------
    batches : the rows of one unit
    units : fold and seed of each number
    class_weight : balanced, weights by class index, or None
    """
    given = [batch for batch in batches if len(batch)]
    if not given:
        return
    started = time.process_time()
    threads.limit(1)
    rows = pa.Table.from_batches(given).sort_by(c.ROW_ID)
    fold, seed = units[rows.column(UNIT)[0].as_py()]
    labels, folds = (rows.column(name).to_numpy() for name in (c.LABEL, c.FOLD))
    is_learnt = rows.column(IS_LEARNT).to_numpy()
    texts = np.array([normal_form(text) for text in rows.column(c.TEXT).to_pylist()], object)
    distinct, place = np.unique(texts[is_learnt], return_inverse=True)
    places = np.full(len(texts), -1)
    places[is_learnt] = place
    learnt = is_learnt & (folds != fold)
    held = np.flatnonzero(folds == fold)
    present = np.bincount(labels[learnt], minlength=n_classes) > 0
    note: dict[str, Any] = {}
    if present.sum() < 2:  # nothing to tell apart
        probs = np.tile(present if present.any() else np.ones(n_classes), (len(held), 1))
    else:
        targets = _targets(labels[learnt], n_classes, class_weight)
        known = tuple(distinct.tolist())
        # Of each fold another seed, as the models are to differ in their chance, too
        with trained(recipe, known, places[learnt], targets, _seed_of(fold, seed)) as model:
            probs = _scores(model, places[held], texts[held])
            note = {"layers": model.body.n_learning, "device": device()}
        probs = probs * present  # a class that is not learnt from has none
    probs = (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    cpu_seconds = np.zeros(len(held))
    cpu_seconds[:1] = time.process_time() - started
    yield arrow.record_batch(
        SCORED,
        {
            c.ROW_ID: rows.column(c.ROW_ID).combine_chunks().take(pa.array(held)),
            c.LABEL: labels[held],
            c.PRED_PROBS: arrow.list_array(probs),
            SEED: np.full(len(held), seed, np.int32),
            CPU_SECONDS: cpu_seconds,
            NOTE: pa.array(([json.dumps(note)] + [None] * len(held))[: len(held)], pa.string()),
        },
    )


def time_sample(
    batches: Iterable[pa.RecordBatch], recipe: TrainingRecipe, n_classes: int
) -> Iterator[pa.RecordBatch]:
    """Train on a few texts, and say how many seconds each takes: once, in an epoch, and asked."""
    texts = [normal_form(text) for batch in batches for text in batch.column(c.TEXT).to_pylist()]
    if not texts:
        return
    threads.limit(1)
    known = tuple(dict.fromkeys(texts))
    rows = np.arange(len(known)).repeat(-(-_STEPS * recipe.batch_size // len(known)))
    rows = rows[: _STEPS * recipe.batch_size]
    targets = np.full((len(rows), n_classes), 1 / n_classes)
    short, one, first = replace(recipe, epochs=1), known[:1], rows[:1]
    seconds = []
    # Beside the steps, what is loaded comes with the first model and the lower layers of all texts
    # with the third
    for some, learnt in ((one, first), (one, first), (known, first), (known, rows)):
        started = time.monotonic()
        with trained(short, some, learnt, targets[: len(learnt)], 0):
            seconds.append(time.monotonic() - started)
    started = time.monotonic()
    with trained(short, known, first, targets[:1], 0) as model:
        model.probs(np.arange(len(known)))
    _, least, with_lower, with_steps = seconds
    asking = time.monotonic() - started - least
    taken = (with_lower - least, with_steps - least, asking)
    once, learning, asking = np.maximum(taken, 0) / [len(known), len(rows), len(known)]
    timed = dict(zip(SECONDS, ([once], [learning], [asking]), strict=True))
    yield arrow.record_batch(TIMED, {**timed, "device": [device()]})


def _scores(model: TrainedModel, places: IntArray, texts: FloatArray) -> FloatArray:
    is_known = places >= 0
    probs = np.empty((len(places), model.head.out_features))
    probs[is_known] = model.probs(places[is_known])
    probs[~is_known] = model.probs_of(texts[~is_known].tolist())
    return probs


def _targets(labels: IntArray, n_classes: int, class_weight: ClassWeight) -> FloatArray:
    """Return each row's weight at its label, shape (n, K); their mean is 1."""
    counts = np.bincount(labels, minlength=n_classes)
    weights = np.ones(n_classes)
    if class_weight == "balanced":
        weights = 1 / np.maximum(counts, 1)
    elif isinstance(class_weight, Mapping):
        for label, weight in class_weight.items():
            weights[label] = weight
    mean = float(weights @ counts) / len(labels)
    return np.eye(n_classes)[labels] * (weights / (mean or 1.0))


def _seed_of(fold: int, seed: int) -> int:
    return int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])
