"""The noise-model posterior where the rows are; `core` does the arithmetic."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.noise.calibration import GRID, LossState
from lakewinnow.core.noise.confident_learning import JointState
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.types import FloatArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes import states
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.schemas import schema

SOFT_LABELS: Final = schema({c.ROW_ID: "string", c.SOFT_LABEL: "array<float>"})


def joint_and_losses(
    rows: DataFrame, thresholds: FloatArray, priors: FloatArray
) -> tuple[JointState, LossState]:
    """Count confident guesses and sum what chooses the calibration, in one pass.

    Parameters
    ----------
    thresholds : float64, shape (K,)
    priors : float64, shape (priors, K), each of which may be the training prior
    """
    n_priors, n_classes = priors.shape
    shapes = {
        "counts": (n_classes, n_classes),
        "n_label_issues": (1,),
        "ticks": (n_priors, n_classes, len(GRID)),
        "rows": (n_classes,),
    }
    scan = partial(_scan, thresholds=thresholds, priors=priors)
    sums = states.total(rows.select(c.LABEL, c.PRED_PROBS), scan, shapes)
    joint = JointState(sums["counts"], int(sums["n_label_issues"][0]))
    return joint, LossState(sums["ticks"], sums["rows"])


def _scan(
    batches: Iterable[pa.RecordBatch], thresholds: FloatArray, priors: FloatArray
) -> states.Arrays:
    joint, losses = JointState.zero(len(thresholds)), LossState.zero(*priors.shape)
    for block in trusted_blocks(batches, len(thresholds)):
        joint = joint.update(block.labels, block.pred_probs, thresholds)
        losses = losses.update(block.labels, block.pred_probs, priors)
    return {
        "counts": joint.counts,
        "n_label_issues": np.array([joint.n_label_issues]),
        "ticks": losses.ticks,
        "rows": losses.counts,
    }


def soft_labels(pred_probs: DataFrame, posterior: Posterior) -> DataFrame:
    """Return the posterior of every row of pred_probs/, a lazy frame of `SOFT_LABELS`."""
    rows = pred_probs.select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    return map_batches(rows, partial(_soft_batches, posterior=posterior), SOFT_LABELS)


def _soft_batches(
    batches: Iterable[pa.RecordBatch], posterior: Posterior
) -> Iterator[pa.RecordBatch]:
    n_classes = len(posterior.calibration.training_prior)
    for batch in batches:
        for block in trusted_blocks([batch], n_classes):
            probs = posterior.probs(block.labels, block.pred_probs).astype(np.float32)
            yield arrow.record_batch(
                SOFT_LABELS,
                {c.ROW_ID: batch.column(c.ROW_ID), c.SOFT_LABEL: arrow.list_array(probs)},
            )
