"""Confident joints of groups of one run's rows, by the probabilities that the run has."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from lakewinnow import columns as c
from lakewinnow.checks.drift.sides import GROUP, Groups
from lakewinnow.checks.drift.vectors import Joints
from lakewinnow.core.drift.comparison import ComparedRows
from lakewinnow.core.noise.confident_learning import JointState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.sparse import dense
from lakewinnow.core.states import Arrays
from lakewinnow.core.types import FloatArray
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.passes import states
from lakewinnow.spark.passes.confident_learning import trusted_blocks

MOST_CELLS: Final = 4_000_000  # groups × classes²: 32 MB in a task


def of_groups(
    lake: Lake,
    groups: Groups,
    model: NoiseModel,
    counted: Sequence[tuple[ComparedRows, ComparedRows]],
) -> list[Joints | None] | None:
    """Count both joints of each pair, under this run's thresholds; None: too many cells.

    They are effective counts, like those of the labels.
    """
    n_classes = len(model.classes)
    shape = (groups.n_groups, n_classes, n_classes)
    if np.prod(shape) > MOST_CELLS:
        return None
    rows = lake.read("pred_probs").join(groups.rows.select(c.ROW_ID, GROUP), c.ROW_ID)
    scan = partial(scan_groups, thresholds=model.thresholds, n_groups=groups.n_groups)
    found = states.total(
        rows.select(c.LABEL, c.PRED_PROBS, GROUP), scan, {"joint": np.zeros(shape, np.int64)}
    )["joint"]
    return [
        (found[pair.new] * new.weight, found[list(pair.reference)].sum(axis=0) * reference.weight)
        for pair, (new, reference) in zip(groups.pairs, counted, strict=True)
    ]


def scan_groups(batches: Iterable[pa.RecordBatch], thresholds: FloatArray, n_groups: int) -> Arrays:
    """Count the joint of each group, rows = given label, columns = true label."""
    found: Sequence[JointState] = [JointState.zero(len(thresholds)) for _ in range(n_groups)]
    for batch in batches:
        (block,) = trusted_blocks([batch], len(thresholds))
        of_group = batch.column(GROUP).to_numpy()
        found = [
            state.update(block.labels[rows], block.pred_probs[rows], thresholds)
            for state, rows in ((found[i], of_group == i) for i in range(n_groups))
        ]
    return {"joint": np.array([dense(state.counts).T for state in found])}
