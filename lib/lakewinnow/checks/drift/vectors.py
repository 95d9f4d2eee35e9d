"""Vectors of both sides: a sample of the texts, compared in one task for each pair."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.drift.sides import CELL
from lakewinnow.core.drift.categories import Counts
from lakewinnow.core.drift.comparison import LEAST_ROWS, ComparedRows, Vectors
from lakewinnow.core.drift.domain import DomainClassifier, classify
from lakewinnow.core.drift.energy import EnergyDistance, energy_distance
from lakewinnow.core.drift.joints import joints
from lakewinnow.core.types import BoolArray, IntArray
from lakewinnow.lake.training.sample import stratified
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

N_DISTANCE: Final = 1000  # texts of a side, whose distances are taken
N_EXAMPLES: Final = 20  # of a pair
_ENOUGH: Final = 0.9  # of the reference's texts that have a vector
_FOUND = schema({"pair": "int", "found": "string"})


Joints: TypeAlias = tuple[Counts, Counts]


@dataclass(frozen=True, eq=False)
class Found:
    """What the vectors of a pair have shown; None of a reference that has too few."""

    vectors: Vectors | None = None
    # ids of the rows that are surest to be new, with their scores
    surest: Sequence[tuple[str, float]] = ()
    joints: Joints | None = None  # by models of both sides, where these were asked for

    @classmethod
    def of(cls, told: Any, n_classes: int) -> "Found":
        """Return what a task has told."""
        if told["vectors"] is None:
            return cls()
        vectors = Vectors(
            told["vectors"]["n_texts"],
            DomainClassifier(**told["vectors"]["classifier"]),
            EnergyDistance(**told["vectors"]["distance"]),
        )
        both = told["joints"]
        joints_ = both and (_joint(both[0], n_classes), _joint(both[1], n_classes))
        return cls(vectors, told["surest"], joints_)


def by_chance() -> Column:
    """Return what a sample of texts is the smallest of; the same for a text on either side."""
    return F.xxhash64(c.TEXT_KEY, F.lit("drift"))


def compare(
    on_sides: DataFrame,
    vectors: DataFrame,
    sides: Sequence[tuple[ComparedRows, ComparedRows]],
    max_texts: int,
    n_permutations: int,
    classes: Sequence[str] | None,
) -> tuple[list[Found], int]:
    """Compare a sample of each pair's texts.

    Parameters
    ----------
    on_sides : text_key, cell, row_id, given_label
    vectors : text_key, vector; more than those of the sides, and a text twice, do no harm
    max_texts : of either side
    classes : of the labels, for joints by common models; None: there are better ones

    Returns
    -------
    what was found of each pair, and how many vectors of new rows were missing
    """
    counts = np.array([side.n_texts for pair in sides for side in pair], np.int64)
    wanted = np.repeat(np.minimum(counts.reshape(-1, 2).min(axis=1), max_texts), 2)
    sample = stratified(on_sides, F.col(CELL), by_chance(), counts, wanted)
    rows = vectors.join(F.broadcast(sample), c.TEXT_KEY)
    pair = F.floor(F.col(CELL) / 2).cast("int")
    rows = rows.select(
        pair.alias("pair"),
        (F.col(CELL) % 2 == 0).alias("is_new"),
        *(c.TEXT_KEY, c.ROW_ID, c.GIVEN_LABEL, c.VECTOR),
    )
    compare_ = partial(
        compare_sample,
        wanted=wanted[::2].tolist(),
        n_permutations=n_permutations,
        n_threads=cluster.threads_per_task(on_sides.sparkSession, len(sides)),
        classes=classes,
    )
    grouped = apply_to_groups(rows, ["pair"], compare_, _FOUND)
    found = {row["pair"]: json.loads(row["found"]) for row in grouped.collect()}
    told = [found.get(i, _nothing(0)) for i in range(len(sides))]
    n_missing = sum(max(0, int(n) - of["n_new"]) for n, of in zip(wanted[::2], told, strict=True))
    return [Found.of(told_, len(classes or ())) for told_ in told], n_missing


def _nothing(n_new: int) -> dict[str, Any]:
    return {"n_new": n_new, "vectors": None, "surest": [], "joints": None}


def compare_sample(
    rows: pa.Table,
    wanted: Sequence[int],
    n_permutations: int,
    n_threads: int,
    classes: Sequence[str] | None,
) -> pa.Table:
    """Compare the vectors of one pair.

    Parameters
    ----------
    rows : pair, is_new, text_key, row_id, given_label, vector
    wanted : of each pair, how many texts of either side there should be
    """
    pair = rows.column("pair")[0].as_py()
    rows = _once(rows)
    is_new = rows.column("is_new").to_numpy().astype(np.bool_)
    n_new, n_reference = int(is_new.sum()), int((~is_new).sum())
    told = _nothing(n_new)
    if n_reference >= max(LEAST_ROWS, _ENOUGH * wanted[pair]) and n_new >= LEAST_ROWS:
        widths = pc.list_value_length(rows.column(c.VECTOR))
        if pc.count_distinct(widths).as_py() == 1:
            told |= _told(rows, is_new, n_permutations, n_threads, classes)
    found = arrow.record_batch(_FOUND, {"pair": [pair], "found": [json.dumps(told)]})
    return pa.Table.from_batches([found])


def _once(rows: pa.Table) -> pa.Table:
    """Return each text of a side once, in an order that is by chance."""
    rows = rows.sort_by([("is_new", "descending"), (c.TEXT_KEY, "ascending")])
    keys, is_new = rows.column(c.TEXT_KEY), rows.column("is_new")
    other_key = pc.not_equal(keys[1:], keys[:-1])
    differs = pc.or_(other_key, pc.not_equal(is_new[1:], is_new[:-1])).to_numpy()
    return rows.filter(pa.array(np.append(True, differs)))


def _told(
    rows: pa.Table,
    is_new: BoolArray,
    n_permutations: int,
    n_threads: int,
    classes: Sequence[str] | None,
) -> dict[str, Any]:
    vectors = arrow.matrix(rows.column(c.VECTOR))
    chances = _chances(rows.column(c.TEXT_KEY))
    classifier, scores = classify(vectors, is_new, chances, n_threads)
    some = np.concatenate([np.flatnonzero(of)[:N_DISTANCE] for of in (is_new, ~is_new)])
    distance = energy_distance(vectors[some], is_new[some], n_permutations)
    row_ids = rows.column(c.ROW_ID).to_pylist()
    of_new = zip(row_ids, scores.tolist(), is_new, strict=True)
    surest = sorted((-score, row_id) for row_id, score, is_own in of_new if is_own)[:N_EXAMPLES]
    told: dict[str, Any] = {
        "vectors": {
            "n_texts": min(int(is_new.sum()), int((~is_new).sum())),
            "classifier": asdict(classifier),
            "distance": asdict(distance),
        },
        "surest": [(row_id, -score) for score, row_id in surest],
    }
    if classes is not None:
        labels = pc.index_in(rows.column(c.GIVEN_LABEL), value_set=pa.array(classes, pa.string()))
        indexes = labels.to_numpy().astype(np.int64)
        found = joints(vectors, indexes, is_new, chances, len(classes), n_threads)
        told["joints"] = [_cells(joint) for joint in found]
    return told


def _cells(joint: IntArray) -> list[list[int]]:
    """Return the cells that are not empty, as lists of row, column and count."""
    given, true = np.nonzero(joint)
    return [given.tolist(), true.tolist(), joint[given, true].tolist()]


def _joint(cells: Sequence[Sequence[int]], n_classes: int) -> IntArray:
    joint = np.zeros((n_classes, n_classes), np.int64)
    given, true, counts = cells
    joint[given, true] = counts
    return joint


def _chances(keys: pa.ChunkedArray) -> IntArray:
    """Return a number of each text's key, a hash, that has nothing to do with the keys' order."""
    last = [int.from_bytes(key[-5:], "big") for key in keys.to_pylist()]
    return np.array(last, np.int64)
