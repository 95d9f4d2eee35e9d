"""The noise-model posterior where the rows are; `core` does the arithmetic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.noise.calibration import LossState
from lakewinnow.core.noise.confident_learning import JointState
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.states import State
from lakewinnow.core.types import FloatArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes import states
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.schemas import schema

SOFT_LABELS: Final = schema({c.ROW_ID: "string", c.SOFT_LABEL: "array<float>"})


@dataclass(frozen=True, eq=False)
class JointAndLosses(State):
    """Confident guesses, and what chooses the calibration."""

    joint: JointState
    losses: LossState


def joint_and_losses(rows: DataFrame, thresholds: FloatArray, priors: FloatArray) -> JointAndLosses:
    """Count confident guesses and sum what chooses the calibration, in one pass.

    Parameters
    ----------
    thresholds : float64, shape (K,)
    priors : float64, shape (priors, K), each of which may be the training prior
    """
    zero = JointAndLosses(JointState.zero(len(thresholds)), LossState.zero(*priors.shape))
    add = partial(_add, thresholds=thresholds, priors=priors)
    return states.summed(rows.select(c.LABEL, c.PRED_PROBS), zero, add)


def _add(
    found: JointAndLosses, batch: pa.RecordBatch, thresholds: FloatArray, priors: FloatArray
) -> JointAndLosses:
    (block,) = trusted_blocks([batch], len(thresholds))
    return JointAndLosses(
        found.joint.update(block.labels, block.pred_probs, thresholds),
        found.losses.update(block.labels, block.pred_probs, priors),
    )


def soft_labels(pred_probs: DataFrame, posterior: Posterior) -> DataFrame:
    """Return the posterior of every row of pred_probs/, a lazy frame of `SOFT_LABELS`."""
    rows = pred_probs.select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    return map_batches(rows, partial(_soft_batches, posterior=posterior), SOFT_LABELS)


def _soft_batches(
    batches: Iterable[pa.RecordBatch], posterior: Posterior
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        probs = probs_of(batch, posterior).astype(np.float32)
        columns = {c.ROW_ID: batch.column(c.ROW_ID), c.SOFT_LABEL: arrow.list_array(probs)}
        yield arrow.record_batch(SOFT_LABELS, columns)


def probs_of(batch: pa.RecordBatch, posterior: Posterior) -> FloatArray:
    """Return q of rows of pred_probs/, shape (n, K); of one without a given label the text's P."""
    labels = batch.column(c.LABEL)
    is_given = np.asarray(labels.is_valid())
    given = np.asarray(pc.fill_null(labels, 0), np.int64)
    by_text = arrow.matrix(batch.column(c.PRED_PROBS), posterior.n_classes).astype(np.float64)
    return np.where(is_given[:, None], posterior.probs(given, by_text), by_text)
