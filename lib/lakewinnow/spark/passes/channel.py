"""The channel that labels come through, fitted in one task to a sample of the rows."""

import json
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from threadpoolctl import threadpool_limits

from lakewinnow import columns as c
from lakewinnow.core.noise.channel import Channel
from lakewinnow.core.noise.second_look import MISSED, missed
from lakewinnow.core.types import BoolArray, FloatArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.schemas import schema

_CELLS: Final = 600_000  # probabilities in the sample
_ROWS: Final = (2_000, 20_000)  # least and most rows
_FOUND: Final = schema({"found": "string"})


class Fitted(NamedTuple):
    """A channel, and of which classes the classifier has missed what the vectors tell."""

    channel: Channel
    is_missed: BoolArray  # shape (K,)
    n_rows: int


def sample_size(n_classes: int) -> int:
    """Return how many rows the channel is fitted to, at most."""
    return int(np.clip(_CELLS // n_classes, *_ROWS))


def fit(rows: DataFrame, near: FloatArray) -> Fitted | None:
    """Fit the channel; None where there is no row.

    Parameters
    ----------
    rows : row_id, label, pred_probs and, where there are vectors, vector; some rows may come twice
    near : float64, shape (K, K), confident learning's noise matrix
    """
    found = apply_to_groups(rows, (), partial(_fit, near=near), _FOUND).collect()
    if not found:
        return None
    said = json.loads(found[0][0])
    channel = Channel.from_dict(said["channel"], len(near))
    return Fitted(channel, np.array(said["is_missed"], bool), said["n_rows"])


def _fit(rows: pa.Table, near: FloatArray) -> pa.Table:
    if not rows.num_rows:  # Sail calls for a group without rows
        return pa.table({"found": pa.array([], pa.string())})
    order = arrow.order_of_ids(rows.column(c.ROW_ID))
    labels = rows.column(c.LABEL).to_numpy()[order].astype(np.int64)
    pred_probs = arrow.matrix_in_order(rows.column(c.PRED_PROBS), order).astype(np.float64)
    is_missed = np.zeros(len(near), bool)
    # Sums of BLAS depend on the number of its threads
    with threadpool_limits(1, user_api="blas"):
        if c.VECTOR in rows.column_names:
            vectors = arrow.matrix_in_order(rows.column(c.VECTOR), order)
            is_missed = missed(labels, pred_probs, vectors) > MISSED
        channel = Channel.fit(labels, pred_probs, near, ~is_missed)
    found = {
        "channel": channel.to_dict(),
        "is_missed": is_missed.tolist(),
        "n_rows": len(labels),
    }
    return pa.table({"found": [json.dumps(found)]})
