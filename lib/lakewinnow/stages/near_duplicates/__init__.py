"""Near duplicates: sets of rows whose texts are alike, and which of them have differing labels.

Reads    corpus/
Writes   checks/near_duplicates/, one row per accepted row; meanwhile, in near_duplicates/, the
         rows' text ids, the candidates, the pairs that are alike and the sets they make
Passes   3 over the corpus (ids; signatures; the texts that are compared), 2 over the ids
Shuffle  by bucket, 24 bytes × bands a text; the candidates, once to be counted once, and with their
         texts to be compared; the pairs that are alike, where they are too many for one task, in
         each round of `lake.components`; ids of rows
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
from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType

from lakewinnow import columns as c
from lakewinnow.config import NearDuplicatesConfig
from lakewinnow.lake.components import IN_ONE_TASK, NODE, ONE, OTHER, ROOT, publish_roots
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.row_checks import NEAR_DUPLICATES, WHY
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import arrow
from lakewinnow.stages.near_duplicates import by_text
from lakewinnow.stages.near_duplicates.by_text import SIMILARITY, TEXT_ID

_FOLDER: Final = "near_duplicates"  # of the workspace, meanwhile
_ROWS, _PAIRS, _SETS = (f"{_FOLDER}/{name}" for name in ("rows", "pairs", "sets"))
_VERSION: Final = "version"  # a hash of a row's text as it is
_SHOWN_LABELS: Final = 3
_KEYED = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.GIVEN_LABEL, StringType(), nullable=False),
        StructField(_VERSION, LongType(), nullable=False),
        StructField(TEXT_ID, LongType(), nullable=False),
        StructField("length", IntegerType(), nullable=False),
    ]
)


def run(
    lake: Lake, config: NearDuplicatesConfig, most_in_one_task: int = IN_ONE_TASK
) -> StageReport:
    """Find the sets of rows that are alike."""
    version = F.xxhash64(c.TEXT_KEY).alias(_VERSION)
    texts = accepted(lake).select(c.ROW_ID, c.GIVEN_LABEL, version, c.TEXT)
    lake.publish(_ROWS, texts.mapInArrow(_keyed_batches, _KEYED), schema=_KEYED)
    mean_length = lake.read(_ROWS).agg(F.avg("length")).collect()[0][0] or 0.0
    size = by_text.shingle_size(config, mean_length)
    figures = by_text.publish_pairs(lake, texts, _PAIRS, config, size)
    figures["rounds"] = publish_roots(lake, _PAIRS, _SETS, most_in_one_task)
    lake.publish(NEAR_DUPLICATES.table, _found(lake), schema=NEAR_DUPLICATES.schema)
    lake.files.delete(_FOLDER)
    n_rows = lake.rows(NEAR_DUPLICATES.table)
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=n_rows,
        reads={"corpus": 3},
        writes=(NEAR_DUPLICATES.table,),
        details={**_figures(lake), **figures},
    )


def _keyed_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for rows, normal, ids in by_text.normal_texts(batches):
        kept = {name: rows.column(name) for name in (c.ROW_ID, c.GIVEN_LABEL, _VERSION)}
        lengths = pa.array(map(len, normal), pa.int32())
        yield arrow.record_batch(_KEYED, {**kept, TEXT_ID: ids, "length": lengths})


def _found(lake: Lake) -> DataFrame:
    """Return one row per accepted row: its set, if any, and how like its nearest text is."""
    rows = lake.read(_ROWS)
    texts = _texts_in_sets(lake)
    members = rows.join(texts, TEXT_ID)
    counted = members.groupBy(ROOT, c.GIVEN_LABEL).agg(
        F.count("*").alias("n"), F.min(c.ROW_ID).alias("first")
    )
    most_first = F.sort_array(F.collect_list(F.struct(-F.col("n"), F.col(c.GIVEN_LABEL))))
    sets = counted.groupBy(ROOT).agg(
        F.min("first").alias(c.NEAR_DUPLICATE_SET),
        F.slice(most_first, 1, _SHOWN_LABELS)[c.GIVEN_LABEL].alias("labels"),
        F.count("*").alias("n_labels"),
    )
    members = members.join(sets, ROOT).select(
        c.ROW_ID,
        c.NEAR_DUPLICATE_SET,
        (1 - F.col(SIMILARITY)).alias(c.NEAR_DUPLICATE_SCORE),
        F.when(F.col("n_labels") > 1, _why()).alias(WHY),
        (F.col("n_labels") > 1).alias(c.NEAR_DUPLICATE_LABELS_DIFFER),
    )
    found = rows.select(c.ROW_ID).join(members, c.ROW_ID, "left")
    return found.withColumns(
        {
            c.IS_NEAR_DUPLICATE_ISSUE: F.col(c.NEAR_DUPLICATE_SET).isNotNull(),
            c.NEAR_DUPLICATE_SCORE: F.coalesce(c.NEAR_DUPLICATE_SCORE, F.lit(1.0)),
        }
    )


def _texts_in_sets(lake: Lake) -> DataFrame:
    """Return the texts that are alike to others: the set's root, and the greatest similarity.

    Texts of several versions, which differ in case or punctuation alone, are alike to themselves.
    """
    pairs = lake.read(_PAIRS)
    ends = F.explode(F.array(ONE, OTHER)).alias(TEXT_ID)
    nearest = pairs.select(ends, SIMILARITY).groupBy(TEXT_ID).agg(F.max(SIMILARITY).alias("paired"))
    roots = lake.read(_SETS).withColumnRenamed(NODE, TEXT_ID)
    versions = (
        lake.read(_ROWS)
        .where("length > 0")
        .groupBy(TEXT_ID)
        .agg((F.min(_VERSION) != F.max(_VERSION)).alias("is_several"))
    )
    several = versions.where("is_several")
    joined = nearest.join(roots, TEXT_ID).join(several, TEXT_ID, "full")
    return joined.select(
        TEXT_ID,
        F.coalesce(ROOT, TEXT_ID).alias(ROOT),
        F.when(F.col("is_several"), 1.0).otherwise(F.col("paired")).alias(SIMILARITY),
    )


def _why() -> Column:
    more = F.when(F.col("n_labels") > _SHOWN_LABELS, ", …").otherwise("")
    return F.concat(
        F.lit("near duplicates have differing labels: "), F.array_join("labels", ", "), more
    )


def _figures(lake: Lake) -> dict[str, Any]:
    in_sets = lake.read(NEAR_DUPLICATES.table).where(c.IS_NEAR_DUPLICATE_ISSUE)
    sets = in_sets.groupBy(c.NEAR_DUPLICATE_SET).agg(
        F.count("*").alias("n"), F.bool_or(c.NEAR_DUPLICATE_LABELS_DIFFER).alias("differ")
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
