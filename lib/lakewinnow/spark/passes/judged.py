"""Rows of pred_probs/ judged: doubtful or not, and which label is the likeliest."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.types import IntArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import Judge, trusted_blocks
from lakewinnow.spark.schemas import schema

JUDGED: Final = schema(
    {
        c.ROW_ID: "string",
        c.GIVEN_LABEL: "string",
        c.PREDICTED_LABEL: "string",
        c.PREDICTED_PROB: "double",
        c.SUGGESTED_LABEL: "string",
        c.SUGGESTED_PROB: "double",
        c.GIVEN_LABEL_PROB: "double",
        c.IS_LABEL_ISSUE: "boolean",
        c.LABEL_SCORE: "double",
    }
)


def judged(
    rows: DataFrame,
    classes: Sequence[str],
    counts: IntArray,
    posterior: Posterior,
    judge: Judge | Posterior,
) -> DataFrame:
    """Flag and score every row; a lazy frame of the schema `JUDGED`.

    Parameters
    ----------
    rows : (row_id, label, pred_probs) that this package wrote
    classes : names of the labels 0 .. K-1
    counts : int64, shape (K,), rows per given label
    posterior : for the suggested label; a row is never without one
    judge : what flags and scores; a posterior flags where it or the other suggests another label
        for a row that is not alone in its class, as `prune_by_noise_rate` leaves such rows, too
    """
    judge_batches = partial(
        _judge_batches, classes=classes, counts=counts, posterior=posterior, judge=judge
    )
    return map_batches(rows.select(c.ROW_ID, c.LABEL, c.PRED_PROBS), judge_batches, JUDGED)


def _judge_batches(
    batches: Iterable[pa.RecordBatch],
    classes: Sequence[str],
    counts: IntArray,
    posterior: Posterior,
    judge: Judge | Posterior,
) -> Iterator[pa.RecordBatch]:
    names = pa.array(classes)
    for batch in batches:
        (block,) = trusted_blocks([batch], len(classes))
        labels, suggested = block.labels, posterior.suggestions(block.labels, block.pred_probs)
        found = {
            c.ROW_ID: batch.column(c.ROW_ID),
            c.GIVEN_LABEL: names.take(pa.array(labels)),
            c.SUGGESTED_LABEL: names.take(pa.array(suggested.labels)),
            c.SUGGESTED_PROB: suggested.probs,
            c.GIVEN_LABEL_PROB: suggested.given_probs,
        }
        if isinstance(judge, Judge):
            found |= judge.of_block(block)
        else:
            doubted = judge.suggestions(labels, block.pred_probs)
            predicted = block.pred_probs.argmax(axis=1)
            found |= {
                c.PREDICTED_LABEL: names.take(pa.array(predicted)),
                c.PREDICTED_PROB: block.pred_probs[np.arange(len(labels)), predicted],
                c.IS_LABEL_ISSUE: ((doubted.labels != labels) | (suggested.labels != labels))
                & (counts[labels] > 1),
                c.LABEL_SCORE: doubted.given_probs,
            }
        yield arrow.record_batch(JUDGED, found)
