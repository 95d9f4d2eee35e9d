"""Near duplicates: sets of rows whose texts are alike, and which of them have differing labels.

Reads    corpus/; by embedding also checks/neighbors/
Writes   checks/near_duplicates/, one row per accepted row; meanwhile, in near_duplicates/, the
         rows' text ids, the candidates, the pairs that are alike and the sets they make
Passes   by text: 3 over the corpus (ids; signatures; the texts that are compared)
         by embedding: 1 over the corpus, 3 over the neighbours (median; pairs; scores)
Shuffle  by text: 24 bytes × bands a text, by bucket; the candidates, to be counted once, and with
         their texts to be compared
         both: ids of rows; the pairs that are alike, where they are too many for one task, in each
         round of `lake.graphs.components`
Memory   a task: 50 MB for texts in work, 50 MB for what it knows again, and once 100 bytes for each
         pair that is alike, of at most 5 million

A set is a connected component: each row in it is alike to another one, not to all. Copies of a text
are one text: rows that have an equal text, and no other in their set, are exact duplicates only.
However many texts share a bucket, each is compared with the few before it in an order that keeps
like near like, and with the bucket's first: work is in proportion to texts × bands.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.near_duplicates import (
    CHECK,
    IS_ISSUE,
    LABELS_DIFFER,
    SCORE,
    SET,
    NearDuplicateFigures,
    NearDuplicatesConfig,
    by_embedding,
    by_text,
)
from lakewinnow.checks.near_duplicates.by_text import SIMILARITY, TEXT_ID
from lakewinnow.lake import check_tables
from lakewinnow.lake.check_tables import WHY
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.graphs.components import IN_ONE_TASK, NODE, ONE, OTHER, ROOT, publish_roots
from lakewinnow.lake.observed import SUM, Observed
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.schemas import schema

_FOLDER: Final = "near_duplicates"  # of the workspace, meanwhile
_ROWS, _PAIRS, _SETS = (f"{_FOLDER}/{name}" for name in ("rows", "pairs", "sets"))
_VERSION: Final = "version"  # a hash of a row's text as it is
_LENGTH: Final = "length"  # of its normal form
_SHOWN_LABELS: Final = 3
_KEYED = schema(
    {
        c.ROW_ID: "string",
        c.GIVEN_LABEL: "string",
        _VERSION: "bigint",
        TEXT_ID: "bigint",
        _LENGTH: "int",
    }
)


def run(
    run: Run, config: NearDuplicatesConfig, most_in_one_task: int = IN_ONE_TASK
) -> StageReport[NearDuplicateFigures]:
    """Find the sets of rows that are alike; by embedding, after the stage of neighbours."""
    lake = run.lake
    texts = accepted(lake).select(
        c.ROW_ID, c.GIVEN_LABEL, F.xxhash64(c.TEXT_KEY).alias(_VERSION), c.TEXT
    )
    if config.by == "text":
        seen = Observed(lake, map_batches(texts, _keyed_batches, _KEYED), {_LENGTH: SUM})
        lake.publish(_ROWS, seen.rows, schema=_KEYED)
        mean_length = (seen.figures()[_LENGTH] or 0) / max(lake.rows(_ROWS), 1)
        several = _of_several_versions(lake.read(_ROWS))
        size = by_text.shingle_size(config, mean_length)
        figures = by_text.publish_pairs(lake, texts, several, _PAIRS, config, size)
        nearest = _nearest_in_pairs(lake)
    else:
        lake.publish(_ROWS, texts.withColumn(TEXT_ID, F.col(_VERSION)))
        figures = by_embedding.publish_pairs(lake, _PAIRS, config)
        nearest = by_embedding.nearest(lake, figures["median"])
    figures["rounds"] = publish_roots(lake, _PAIRS, _SETS, most_in_one_task)
    roots = lake.read(_SETS).withColumnRenamed(NODE, TEXT_ID)
    check_tables.publish(lake, CHECK, _found(lake, nearest, roots))
    lake.files.delete(_FOLDER)
    reads = {"corpus": 3} if config.by == "text" else {"corpus": 1, "checks/neighbors": 3}
    found = NearDuplicateFigures(by=config.by, **_figures(lake), **figures)
    return check_tables.report(lake, CHECK, reads, found)


def _keyed_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for rows, normal, ids in by_text.normal_texts(batches):
        kept = {name: rows.column(name) for name in (c.ROW_ID, c.GIVEN_LABEL, _VERSION)}
        lengths = pa.array(map(len, normal), pa.int32())
        yield arrow.record_batch(_KEYED, {**kept, TEXT_ID: ids, _LENGTH: lengths})


def _of_several_versions(rows: DataFrame) -> DataFrame:
    """Return the ids of texts that some rows have with another case or other punctuation."""
    versions = rows.where(F.col(_LENGTH) > 0).groupBy(TEXT_ID)
    ends = versions.agg(F.min(_VERSION).alias("least"), F.max(_VERSION).alias("greatest"))
    return ends.where("least < greatest").select(TEXT_ID)


def _nearest_in_pairs(lake: Lake) -> DataFrame:
    """Return the greatest similarity of each text that is like another one."""
    ends = F.explode(F.array(ONE, OTHER)).alias(TEXT_ID)
    pairs = lake.read(_PAIRS).select(ends, SIMILARITY)
    return pairs.groupBy(TEXT_ID).agg(F.max(SIMILARITY).alias(SIMILARITY))


def _found(lake: Lake, nearest: DataFrame, roots: DataFrame) -> DataFrame:
    """Return one row per accepted row: its set, if any, and how like its nearest text is.

    Parameters
    ----------
    nearest : text_id, similarity; of each text that is in a set, or of more
    roots : text_id, root; of each text that is in a set
    """
    rows = lake.read(_ROWS)
    counted = (
        rows.join(roots, TEXT_ID)
        .groupBy(ROOT, c.GIVEN_LABEL)
        .agg(F.count("*").alias("n"), F.min(c.ROW_ID).alias("first"))
    )
    most_first = F.sort_array(F.collect_list(F.struct(-F.col("n"), F.col(c.GIVEN_LABEL))))
    sets = counted.groupBy(ROOT).agg(
        F.min("first").alias(SET),
        F.when(F.count("*") > 1, F.transform(most_first, lambda of: of[c.GIVEN_LABEL])).alias(
            "labels"
        ),
    )
    texts = nearest.join(roots.join(sets, ROOT), TEXT_ID, "left")
    return rows.join(texts, TEXT_ID, "left").select(
        c.ROW_ID,
        F.col(SET).isNotNull().alias(IS_ISSUE),
        (1 - F.coalesce(SIMILARITY, F.lit(0.0))).alias(SCORE),
        SET,
        F.when(F.col(SET).isNotNull(), F.col("labels").isNotNull()).alias(LABELS_DIFFER),
        _why(F.col("labels")).alias(WHY),
    )


def _why(labels: Column) -> Column:
    """Say which labels a set has, the most frequent first; null for one label."""
    more = F.when(F.size(labels) > _SHOWN_LABELS, ", …").otherwise("")
    shown = F.array_join(F.slice(labels, 1, _SHOWN_LABELS), ", ")
    return F.concat(F.lit("near duplicates have differing labels: "), shown, more)


def _figures(lake: Lake) -> dict[str, Any]:
    in_sets = lake.read(CHECK.table).where(IS_ISSUE)
    sets = in_sets.groupBy(SET).agg(
        F.count("*").alias("n"), F.bool_or(LABELS_DIFFER).alias("differ")
    )
    n_sets, n_rows, largest, n_differ = sets.agg(
        F.count("*"), F.sum("n"), F.max("n"), F.count_if("differ")
    ).collect()[0]
    return {
        "sets": n_sets,
        "rows": n_rows or 0,
        "largest_set": largest or 0,
        "sets_whose_labels_differ": n_differ,
    }
