"""Noise: how given labels and true labels depend on each other, over the whole corpus.

Reads    pred_probs/
Writes   noise_model.json
Passes   2: thresholds and calibration figures; confident joint. Only integer sums leave a task.
Shuffle  none but those sums
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.confident_learning import JointState, ThresholdState
from lakewinnow.core.metrics import CalibrationState
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import arrow, states

_NO_BETTER = (
    "the classifier is no better than the class shares (log loss {log_loss:.3f} against"
    " {prior_log_loss:.3f}): its label issues mean little"
)


def run(lake: Lake) -> StageReport:
    """Estimate the noise model and the quality of the probabilities it rests on."""
    classes = tuple(lake.details("ingest")["classes"])
    pred_probs = lake.read("pred_probs").select(c.LABEL, c.PRED_PROBS)
    thresholds, calibration = _thresholds(pred_probs, len(classes))
    joint = _joint(pred_probs, thresholds)
    model = NoiseModel.estimate(classes, thresholds, joint)
    lake.files.write_json("noise_model.json", model.to_dict())
    figures = calibration.figures()
    n_rows = int(thresholds.counts.sum())
    return StageReport(
        rows_in=n_rows,
        rows_out=len(classes) ** 2,
        reads={"pred_probs": 2},
        writes=("noise_model.json",),
        details={
            "crossval": figures,
            "warnings": [_NO_BETTER.format(**figures)] if _is_no_better(figures) else [],
        },
    )


def _is_no_better(figures: Mapping[str, float]) -> bool:
    """Whether neither the plain nor the class-balanced loss beats that of guessing."""
    plain = figures["log_loss"] >= figures["prior_log_loss"]
    return plain and figures["balanced_log_loss"] >= figures["balanced_prior_log_loss"]


def _thresholds(pred_probs: DataFrame, n_classes: int) -> tuple[ThresholdState, CalibrationState]:
    zero, calibration = ThresholdState.zero(n_classes), CalibrationState.zero(n_classes)
    shapes = {
        "limbs": zero.limbs.shape,
        "counts": zero.counts.shape,
        "bins": calibration.bins.shape,
        "losses": calibration.losses.shape,
    }
    sums = states.total(pred_probs, partial(_scan_thresholds, n_classes=n_classes), shapes)
    return (
        ThresholdState(sums["limbs"], sums["counts"]),
        CalibrationState(sums["bins"], sums["losses"]),
    )


def _scan_thresholds(batches: Iterable[pa.RecordBatch], n_classes: int) -> states.Arrays:
    state, calibration = ThresholdState.zero(n_classes), CalibrationState.zero(n_classes)
    for labels, pred_probs in _blocks(batches, n_classes):
        state = state.update(labels, pred_probs)
        calibration = calibration.update(labels, pred_probs)
    return {
        "limbs": state.limbs,
        "counts": state.counts,
        "bins": calibration.bins,
        "losses": calibration.losses,
    }


def _joint(pred_probs: DataFrame, thresholds: ThresholdState) -> JointState:
    n_classes = len(thresholds.counts)
    scan = partial(_scan_joint, thresholds=thresholds.thresholds())
    shapes = {"counts": (n_classes, n_classes), "n_label_issues": (1,)}
    sums = states.total(pred_probs, scan, shapes)
    return JointState(sums["counts"], int(sums["n_label_issues"][0]))


def _scan_joint(batches: Iterable[pa.RecordBatch], thresholds: FloatArray) -> states.Arrays:
    state = JointState.zero(len(thresholds))
    for labels, pred_probs in _blocks(batches, len(thresholds)):
        state = state.update(labels, pred_probs, thresholds)
    return {"counts": state.counts, "n_label_issues": np.array([state.n_label_issues])}


def _blocks(
    batches: Iterable[pa.RecordBatch], n_classes: int
) -> Iterator[tuple[IntArray, FloatArray]]:
    for batch in batches:
        labels = batch.column(c.LABEL).to_numpy().astype(np.int64)
        yield labels, arrow.matrix(batch.column(c.PRED_PROBS), n_classes).astype(np.float64)
