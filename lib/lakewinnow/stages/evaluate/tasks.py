"""What the evaluate stage runs on executors: a training set in, what its models say out.

A task takes rows in the order of their ids, so that nothing depends on how they were spread.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.tasks import to_schema
from lakewinnow.core.comparison import Outcome
from lakewinnow.core.posterior import Posterior
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.spark import arrow

# Of the rows that a task takes
VARIANT: Final = "variant"  # the training set
IS_TEST: Final = "is_test"
WEIGHT: Final = "weight"  # of a label that is one of several of its row; null: 1
AIM: Final = "aim"  # a label of the class mix that the rows are weighted to, or null
PARTS: Final = "parts"  # the part that a row is in, by seed

N_PARTS: Final = 5  # of the rows, one of which is left out at a time
LEAST_ROWS: Final = 50  # to train on
LEAST_SHARE: Final = 0.01  # of a row, that a label is worth learning for
MOST_LABELS: Final = 5  # of a row
SOFT_ROWS = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.TEXT_KEY, BinaryType(), nullable=False),
        StructField(c.LABEL, IntegerType(), nullable=False),
        StructField(WEIGHT, DoubleType(), nullable=False),
    ]
)

# Of what a task returns, a row a model
MODEL: Final = "model"  # 0: the one of all rows
N_ROWS: Final = "n_rows"
CONVERGED: Final = "converged"
PREDICTED: Final = "predicted"  # of the test rows, in the order of their ids
LOSSES: Final = "losses"
TRUE_LABELS: Final = "true_labels"  # of model 0 only
ANSWERS = StructType(
    [
        StructField(VARIANT, StringType(), nullable=False),
        StructField(MODEL, IntegerType(), nullable=False),
        StructField(N_ROWS, LongType(), nullable=False),
        StructField(CONVERGED, BooleanType(), nullable=False),
        StructField(PREDICTED, ArrayType(IntegerType(), containsNull=False), nullable=False),
        StructField(LOSSES, ArrayType(DoubleType(), containsNull=False), nullable=False),
        StructField(TRUE_LABELS, ArrayType(IntegerType(), containsNull=False), nullable=False),
    ]
)


def soften(batches: Iterable[pa.RecordBatch], posterior: Posterior) -> Iterator[pa.RecordBatch]:
    """Give each row the labels that it may have, weighted by how probable they are."""
    for batch in batches:
        labels, pred_probs = (
            batch.column(c.LABEL).to_numpy(),
            arrow.matrix(batch.column(c.PRED_PROBS)),
        )
        shares = posterior.probs(labels.astype(np.int64), pred_probs.astype(np.float64))
        likeliest = np.argsort(-shares, axis=1, kind="stable")[:, :MOST_LABELS]
        shares = np.take_along_axis(shares, likeliest, axis=1)
        shares[shares < LEAST_SHARE] = 0
        rows, places = np.nonzero(shares)
        weights = shares[rows, places] / shares.sum(axis=1)[rows]
        of_rows = {name: batch.column(name).take(pa.array(rows)) for name in (c.ROW_ID, c.TEXT_KEY)}
        yield arrow.record_batch(
            SOFT_ROWS, {**of_rows, c.LABEL: likeliest[rows, places], WEIGHT: weights}
        )


def train(table: pa.Table, classifier: Classifier, n_classes: int, n_threads: int) -> pa.Table:
    """Train the models of one training set and ask them about the test rows.

    Of fewer than `LEAST_ROWS` rows nothing is trained or returned.
    """
    order = pc.sort_indices(table, sort_keys=[(c.ROW_ID, "ascending"), (c.LABEL, "ascending")])
    table = table.take(order)
    is_test = table.column(IS_TEST).to_numpy()
    features, labels = arrow.matrix(table.column(c.VECTOR)), table.column(c.LABEL).to_numpy()
    rows = table.filter(pa.array(~is_test))
    variant = table.column(VARIANT)[0].as_py()
    n_rows = pc.count_distinct(rows.column(c.ROW_ID)).as_py()
    true_labels = labels[is_test].astype(np.int64)
    if n_rows < LEAST_ROWS:
        return pa.Table.from_batches([], to_schema(ANSWERS))
    said, converged = [], []
    weights = _weights(rows, n_classes)
    for seed, parts in enumerate(arrow.matrix(rows.column(PARTS)).T):
        wanted = [*range(N_PARTS)] if seed else [N_PARTS, *range(N_PARTS)]  # no row is in the last
        models, fit = classifier.fit_folds(
            features[~is_test], labels[~is_test], parts, n_classes, n_threads, wanted, weights
        )
        said += [models.predict(features[is_test], part) for part in wanted]
        converged += [part not in fit.not_converged for part in wanted]
    return _answers(variant, n_rows, Outcome.of(said, true_labels), true_labels, converged)


def _weights(rows: pa.Table, n_classes: int) -> FloatArray | None:
    """Return the rows' own weights, or those that give labels the class mix of `AIM`."""
    own, aim = rows.column(WEIGHT), rows.column(AIM)
    if aim.null_count:
        return None if own.null_count else own.to_numpy()
    labels = rows.column(c.LABEL).to_numpy()
    n_given, n_aimed = (np.bincount(of, minlength=n_classes) for of in (labels, aim.to_numpy()))
    weights: FloatArray = (n_aimed / np.maximum(n_given, 1))[labels]
    return weights


def _answers(
    variant: str, n_rows: int, outcome: Outcome, true_labels: IntArray, converged: list[bool]
) -> pa.Table:
    n_models = len(outcome.predicted)
    first = [true_labels.tolist(), *[[]] * n_models][:n_models]
    columns = {
        VARIANT: [variant] * n_models,
        MODEL: np.arange(n_models),
        N_ROWS: [n_rows] * n_models,
        CONVERGED: converged,
        PREDICTED: arrow.list_array(outcome.predicted),
        LOSSES: arrow.list_array(outcome.losses),
        TRUE_LABELS: pa.array(first, pa.list_(pa.int32())),
    }
    return pa.Table.from_batches([arrow.record_batch(ANSWERS, columns)])
