"""What the evaluate stage runs on executors: a training set in, what its models say out.

A task takes rows in the order of their ids, so that nothing depends on how they were spread.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow import columns as c
from lakewinnow.classifiers.base import Classifier, TrainingRows
from lakewinnow.classifiers.tasks import to_schema
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.types import IntArray
from lakewinnow.lake.training.training_sets import LEAST_ROWS, VARIANT, weights_of
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

# Of the rows that a task takes, beside those of `training_sets`
IS_TEST: Final = "is_test"
PARTS: Final = "parts"  # the part that a row is in, by seed

N_PARTS: Final = 5  # of the rows, one of which is left out at a time

# Of what a task returns, a row a model
MODEL: Final = "model"  # 0: the one of all rows
N_ROWS: Final = "n_rows"
CONVERGED: Final = "converged"
PREDICTED: Final = "predicted"  # of the test rows, in the order of their ids
LOSSES: Final = "losses"
TRUE_LABELS: Final = "true_labels"  # of model 0 only
ANSWERS = schema(
    {
        VARIANT: "string",
        MODEL: "int",
        N_ROWS: "bigint",
        CONVERGED: "boolean",
        PREDICTED: "array<int>",
        LOSSES: "array<double>",
        TRUE_LABELS: "array<int>",
    }
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
    weights = weights_of(rows, n_classes)
    for seed, parts in enumerate(arrow.matrix(rows.column(PARTS)).T):
        wanted = [*range(N_PARTS)] if seed else [N_PARTS, *range(N_PARTS)]  # no row is in the last
        learnt = TrainingRows(features[~is_test], labels[~is_test], parts, n_classes, n_threads)
        models, fit = classifier.fit_folds(learnt, wanted, weights)
        said += [models.predict(features[is_test], part) for part in wanted]
        converged += [part not in fit.not_converged for part in wanted]
    return _answers(variant, n_rows, Outcome.of(said, true_labels), true_labels, converged)


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
    return arrow.table(ANSWERS, columns)
