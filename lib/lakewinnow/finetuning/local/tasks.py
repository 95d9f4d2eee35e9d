"""What fine-tuning here runs on executors: a training set and a seed in, a model's answers out.

A task takes rows in the order of their ids, so that nothing depends on how they were spread. All
tasks see the same texts, those that their training set leaves out included, so that what the lower
layers make of them is computed once for all tasks of a worker.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.text import normal_form
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.embedding.local.sentence_transformers import device
from lakewinnow.finetuning.local.training import TrainingRecipe, train
from lakewinnow.lake.training.training_sets import LEAST_ROWS, VARIANT, weights_of
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

# Of the rows that a task takes, beside those of `training_sets`
SEED: Final = "seed"
IS_TEST: Final = "is_test"

# Of what a task returns, one row
N_ROWS: Final = "n_rows"
N_LAYERS: Final = "n_layers"  # that learnt
DEVICE: Final = "device"
PREDICTED: Final = "predicted"  # of the test rows, in the order of their ids
LOSSES: Final = "losses"
TRUE_LABELS: Final = "true_labels"
ANSWERS = schema(
    {
        VARIANT: "string",
        SEED: "int",
        N_ROWS: "bigint",
        N_LAYERS: "int",
        DEVICE: "string",
        PREDICTED: "array<int>",
        LOSSES: "array<double>",
        TRUE_LABELS: "array<int>",
    }
)


def fine_tune(
    batches: Iterable[pa.RecordBatch], recipe: TrainingRecipe, n_classes: int
) -> Iterator[pa.RecordBatch]:
    """Train on the rows of a partition, which are one training set and seed, and ask the model.

    Of fewer than `LEAST_ROWS` rows nothing is trained or returned.
    """
    given = list(batches)
    if not given:
        return
    table = pa.Table.from_batches(given)
    table = table.sort_by([(c.ROW_ID, "ascending"), (c.LABEL, "ascending")])
    texts = np.array([normal_form(text) for text in table.column(c.TEXT).to_pylist()], object)
    distinct, place = np.unique(texts, return_inverse=True)
    is_test = table.column(IS_TEST).to_numpy()
    is_learnt = ~is_test & table.column(c.LABEL).is_valid().to_numpy()
    first, targets = _targets(table.filter(pa.array(is_learnt)), n_classes)
    if len(first) < LEAST_ROWS:
        return
    [seed] = set(table.column(SEED).to_pylist())
    rows = place[is_learnt][first]
    n_layers, probs = train(recipe, tuple(distinct.tolist()), rows, targets, seed)
    true_labels = table.filter(pa.array(is_test)).column(c.LABEL).to_numpy().astype(np.int64)
    outcome = Outcome.of([probs[place[is_test]]], true_labels)
    yield arrow.record_batch(
        ANSWERS,
        {
            VARIANT: [table.column(VARIANT)[0].as_py()],
            SEED: [seed],
            N_ROWS: [len(rows)],
            N_LAYERS: [n_layers],
            DEVICE: [device()],
            PREDICTED: arrow.list_array(outcome.predicted),
            LOSSES: arrow.list_array(outcome.losses),
            TRUE_LABELS: arrow.list_array(true_labels[None, :]),
        },
    )


def _targets(learnt: pa.Table, n_classes: int) -> tuple[IntArray, FloatArray]:
    """Return where each row is first, and the weight that it gives each class, shape (rows, K)."""
    weights = weights_of(learnt, n_classes)
    ids = learnt.column(c.ROW_ID).to_numpy()
    distinct, first, row = np.unique(ids, return_index=True, return_inverse=True)
    targets = np.zeros((len(distinct), n_classes))
    labels = learnt.column(c.LABEL).to_numpy()
    np.add.at(targets, (row, labels), 1.0 if weights is None else weights)
    return first, targets
