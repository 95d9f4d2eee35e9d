"""Pairs of texts that are alike: those that share a bucket are compared.

A text is known by the 64-bit hash of its normal form, so texts that differ in case or punctuation
alone are one from the start.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.near_duplicates import NearDuplicatesConfig
from lakewinnow.core.checks import minhash
from lakewinnow.core.checks import shingles as core
from lakewinnow.core.checks.minhash import Bands, BucketPairs
from lakewinnow.core.checks.shingles import Unit
from lakewinnow.core.types import IntArray
from lakewinnow.lake.graphs.components import ONE, OTHER
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

THRESHOLD: Final = 0.8
RECALL: Final = 0.97  # of pairs at the threshold, at least
WIDTH: Final = 8  # texts before it in a bucket that a text is compared with
TEXT_ID: Final = "text_id"
SIMILARITY: Final = "similarity"
_AT_ONCE: Final = 1_000_000  # characters: 50 bytes each in a task
_REMEMBERED: Final = 500_000  # texts that a task knows again: 50 MB
_BUCKET: Final = "bucket"
_ORDER: Final = "order"

_BUCKETS = schema({_BUCKET: "bigint", _ORDER: "bigint", TEXT_ID: "bigint"})
_CANDIDATES = schema({OTHER: "bigint", ONE: "bigint"})
_TEXTS = schema({TEXT_ID: "bigint", c.TEXT: "string"})
PAIRS = schema({ONE: "bigint", OTHER: "bigint", SIMILARITY: "double"})


def shingle_size(config: NearDuplicatesConfig, mean_length: float) -> int:
    """Return how long shingles are: as configured, else by the mean length of the texts.

    Long texts hold most short runs of characters, so unrelated ones would be compared; of short
    texts few long runs outlast an edit.
    """
    if config.shingle_size is not None:
        return config.shingle_size
    if config.shingle == "word":
        return 2
    return 3 if mean_length <= 200 else 5 if mean_length <= 2000 else 8


def publish_pairs(
    lake: Lake,
    texts: DataFrame,
    several: DataFrame,
    name: str,
    config: NearDuplicatesConfig,
    size: int,
) -> dict[str, Any]:
    """Publish the pairs of texts that are as similar as the threshold.

    Parameters
    ----------
    texts : row_id, text; any number of copies of a text
    several : text_id, of texts that have several versions: each makes a pair with itself
    name : of the table of pairs; beside it, meanwhile, the candidates
    size : of shingles

    Returns
    -------
    figures
    """
    threshold = THRESHOLD if config.threshold is None else config.threshold
    bands = minhash.choose_bands(threshold, config.permutations, RECALL)
    unit = config.shingle
    sketch = partial(_bucket_batches, unit=unit, size=size, bands=bands, seed=config.seed)
    in_buckets = map_batches(texts.select(c.TEXT), sketch, _BUCKETS)
    dealt = cluster.colocated(in_buckets, [_BUCKET])
    in_order = cluster.colocated_in_order(dealt, [_BUCKET], [_BUCKET, _ORDER, TEXT_ID])
    candidates = f"{name}.candidates"
    lake.publish(candidates, map_batches(in_order, _pair_batches, _CANDIDATES).distinct())
    # Few bytes and much work: as many tasks as there are cores.
    pairs = lake.read(candidates).repartition(cluster.parallelism(lake.spark))
    ends = pairs.select(F.explode(F.array(ONE, OTHER)).alias(TEXT_ID)).distinct()
    normal = map_batches(texts.select(c.TEXT), _normal_batches, _TEXTS)
    compared = cluster.first_of_group(normal.join(ends, TEXT_ID, "left_semi"), [TEXT_ID])
    for end in (ONE, OTHER):
        pairs = pairs.join(compared.toDF(end, f"{end}_text"), end)
    compare = partial(_compare_batches, unit=unit, size=size, threshold=threshold)
    alike = map_batches(pairs, compare, PAIRS)
    of_one = several.select(
        F.col(TEXT_ID).alias(ONE), F.col(TEXT_ID).alias(OTHER), F.lit(1.0).alias(SIMILARITY)
    )
    lake.publish(name, alike.unionByName(of_one), schema=PAIRS)
    return {
        "shingle_size": size,
        "bands": bands.n,
        "rows_per_band": bands.rows,
        "recall_at_threshold": round(bands.recall(threshold), 4),
        "candidates": lake.rows(candidates),
        "pairs": lake.rows(name),
    }


def normal_texts(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[pa.RecordBatch, list[str], IntArray]]:
    """Yield some rows at a time, their texts' normal forms, and the ids of these."""
    for batch in batches:
        lengths = np.asarray(pc.utf8_length(batch.column(c.TEXT)), np.int64)
        for rows in core.pieces(lengths, _AT_ONCE):
            piece = batch.slice(rows.start, rows.stop - rows.start)
            normal = core.normal_forms(piece.column(c.TEXT).to_pylist())
            yield piece, normal, core.text_ids(normal)


def _new_texts(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[list[str], IntArray]]:
    """Yield normal forms that a task has not had lately, without those that hold nothing."""
    seen: set[int] = set()
    for _, normal, ids in normal_texts(batches):
        if len(seen) > _REMEMBERED:
            seen.clear()
        new = []
        for i, text_id in enumerate(ids.tolist()):
            if normal[i] and text_id not in seen:
                seen.add(text_id)
                new.append(i)
        if new:
            yield [normal[i] for i in new], ids[new]


def _bucket_batches(
    batches: Iterable[pa.RecordBatch], unit: Unit, size: int, bands: Bands, seed: int
) -> Iterator[pa.RecordBatch]:
    for normal, ids in _new_texts(batches):
        found, order = minhash.buckets(core.shingles(normal, unit, size), bands, seed)
        for band in range(bands.n):
            columns = {_BUCKET: found[:, band], _ORDER: order[:, band], TEXT_ID: ids}
            yield arrow.record_batch(_BUCKETS, columns)


def _pair_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    pairs = BucketPairs(WIDTH)
    for batch in batches:
        other, one = pairs.update(*(np.asarray(batch.column(n)) for n in (_BUCKET, TEXT_ID)))
        if len(one):
            yield arrow.record_batch(_CANDIDATES, {ONE: one, OTHER: other})


def _normal_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for normal, ids in _new_texts(batches):
        yield arrow.record_batch(_TEXTS, {TEXT_ID: ids, c.TEXT: normal})


def _compare_batches(
    batches: Iterable[pa.RecordBatch], unit: Unit, size: int, threshold: float
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        texts = [batch.column(f"{end}_text").to_pylist() for end in (ONE, OTHER)]
        lengths = np.array([len(a) + len(b) for a, b in zip(*texts, strict=True)], np.int64)
        for rows in core.pieces(lengths, _AT_ONCE):
            similarity = core.jaccard(*(core.shingles(side[rows], unit, size) for side in texts))
            alike = similarity >= threshold
            found = batch.slice(rows.start, rows.stop - rows.start).filter(pa.array(alike))
            columns = {ONE: found.column(ONE), OTHER: found.column(OTHER)}
            yield arrow.record_batch(PAIRS, {**columns, SIMILARITY: similarity[alike]})
