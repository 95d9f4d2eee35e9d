"""Confident joints of the sides, as counted."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.core.confident_learning import JointState
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark import states
from lakewinnow.spark.confident_learning import trusted_blocks
from lakewinnow.stages.drift.sides import GROUP, Groups

MOST_CELLS: Final = 4_000_000  # groups × classes²: 32 MB in a task

Joints = tuple[IntArray, IntArray]


def of_runs(model: NoiseModel, earlier: NoiseModel) -> tuple[list[str], Joints]:
    """Return the joints of two runs over the classes that both have; and these."""
    shared = [name for name in model.classes if name in earlier.classes]
    joints = []
    for of in (model, earlier):
        at = [of.classes.index(name) for name in shared]
        joints.append(of.joint_state.counts.T[np.ix_(at, at)])
    return shared, (joints[0], joints[1])


def of_groups(lake: Lake, groups: Groups, model: NoiseModel) -> list[Joints] | None:
    """Count the joints of groups of this run's rows, under its thresholds; None: too many cells."""
    n_classes = len(model.classes)
    shape = (groups.n_groups, n_classes, n_classes)
    if np.prod(shape) > MOST_CELLS:
        return None
    rows = lake.read("pred_probs").join(groups.rows.select(c.ROW_ID, GROUP), c.ROW_ID)
    scan = partial(scan_groups, thresholds=model.thresholds, n_groups=groups.n_groups)
    found = states.total(rows.select(c.LABEL, c.PRED_PROBS, GROUP), scan, {"joint": shape})["joint"]
    return [(found[pair.new], found[list(pair.reference)].sum(axis=0)) for pair in groups.pairs]


def scan_groups(
    batches: Iterable[pa.RecordBatch], thresholds: FloatArray, n_groups: int
) -> states.Arrays:
    """Count the joint of each group, rows = given label, columns = true label."""
    found: Sequence[JointState] = [JointState.zero(len(thresholds)) for _ in range(n_groups)]
    for batch in batches:
        (block,) = trusted_blocks([batch], len(thresholds))
        of_group = batch.column(GROUP).to_numpy()
        found = [
            state.update(block.labels[rows], block.pred_probs[rows], thresholds)
            for state, rows in ((found[i], of_group == i) for i in range(n_groups))
        ]
    return {"joint": np.array([state.counts.T for state in found])}
