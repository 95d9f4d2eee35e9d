"""Probabilities of several classifiers as one, where the rows are; `core` does the arithmetic."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.evaluation.pooling import PoolState
from lakewinnow.core.types import FloatArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes import states
from lakewinnow.spark.schemas import schema

_OF: Final = "of_"  # begins the names of the members' columns
POOLED = schema({c.ROW_ID: "string", c.LABEL: "int", c.PRED_PROBS: "array<float>"})


def side_by_side(rows: DataFrame, members: Sequence[DataFrame]) -> DataFrame:
    """Return rows with what each member says of them, in columns of their own.

    Parameters
    ----------
    rows : row_id, label, fold
    members : row_id, pred_probs
    """
    for i, member in enumerate(members):
        said = member.select(c.ROW_ID, F.col(c.PRED_PROBS).alias(f"{_OF}{i}"))
        rows = rows.join(said, c.ROW_ID)
    return rows


def losses(together: DataFrame, n_folds: int, n_classes: int, points: FloatArray) -> PoolState:
    """Sum the losses of all rows at the points of a grid."""
    own = [
        F.element_at(f"{_OF}{i}", F.col(c.LABEL) + 1).alias(f"{_OF}{i}")
        for i in range(points.shape[1])
    ]
    zero = PoolState.zero(n_folds, n_classes, len(points))
    return states.summed(together.select(c.FOLD, c.LABEL, *own), zero, partial(_add, points=points))


def _add(found: PoolState, batch: pa.RecordBatch, points: FloatArray) -> PoolState:
    folds, labels = (batch.column(name).to_numpy() for name in (c.FOLD, c.LABEL))
    own = [batch.column(f"{_OF}{i}").to_numpy() for i in range(points.shape[1])]
    return found.update(folds, labels, np.stack(own, axis=1).astype(np.float64), points)


def pool(together: DataFrame, weights: FloatArray) -> DataFrame:
    """Return the weighted mean of what members say, `POOLED`.

    Parameters
    ----------
    weights : shape (F, members), for rows of each fold
    """
    return map_batches(together, partial(_pool_batches, weights=weights), POOLED)


def _pool_batches(
    batches: Iterable[pa.RecordBatch], weights: FloatArray
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        mine = weights[batch.column(c.FOLD).to_numpy()]
        pooled: FloatArray = sum(
            mine[:, i, np.newaxis] * arrow.matrix(batch.column(f"{_OF}{i}")).astype(np.float64)
            for i in range(weights.shape[1])
        )
        yield arrow.record_batch(
            POOLED,
            {
                c.ROW_ID: batch.column(c.ROW_ID),
                c.LABEL: batch.column(c.LABEL),
                c.PRED_PROBS: arrow.list_array(pooled.astype(np.float32)),
            },
        )
