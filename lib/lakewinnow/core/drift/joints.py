"""Confident joints of two sets of rows by the same models, so that only the rows can differ.

Two runs have a classifier each, and one that has learnt from a tenth of the rows errs more: its
joint then looks like that of noisier labels (in 8 of 8 splits of Banking77 a test of the two joints
took it for that). So the vectors of both sets are cross-validated together, as many of either.
"""

import numpy as np
import numpy.typing as npt

from lakewinnow.core.drift.domain import FOLDS, STRENGTH, is_to_be_scaled
from lakewinnow.core.logistic.crossval import cross_val_predict
from lakewinnow.core.noise.confident_learning import JointState, ThresholdState
from lakewinnow.core.sparse import dense
from lakewinnow.core.types import BoolArray, IntArray


def joints(
    vectors: npt.NDArray[np.floating],
    labels: IntArray,
    is_new: BoolArray,
    chances: IntArray,
    n_classes: int,
    n_threads: int = 1,
) -> tuple[IntArray, IntArray]:
    """Count the confident joints of the new rows and of the reference's, under one threshold.

    Parameters
    ----------
    vectors : shape (n, D)
    labels : int64, shape (n,), in 0 .. n_classes - 1
    is_new : shape (n,)
    chances : int64, shape (n,), see `domain.classify`

    Returns
    -------
    int64, shape (K, K) each, as counted, rows = given label, columns = true label
    """
    pred_probs = cross_val_predict(
        vectors,
        labels,
        chances // 2 % FOLDS,
        n_classes,
        C=STRENGTH,
        standardize=is_to_be_scaled(vectors),
        n_threads=n_threads,
    ).pred_probs.astype(np.float64)
    thresholds = ThresholdState.zero(n_classes).update(labels, pred_probs).thresholds()
    new, reference = (
        dense(JointState.zero(n_classes).update(labels[of], pred_probs[of], thresholds).counts).T
        for of in (is_new, ~is_new)
    )
    return new, reference
