"""Duplicates: rows that have the same text.

Reads    corpus/
Writes   checks/exact_duplicates/, one row per row that is not alone with its text
Passes   2: texts counted; their rows found
Shuffle  one, by text key
"""

from typing import Final

from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.checks.exact_duplicates import CHECK, SET, ExactDuplicatesConfig
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.plan.words import AlikeRows
from lakewinnow.spark.schemas import schema

_LABELS_DIFFER: Final = "labels_differ"
_FOUND: Final = StructType(
    [*check_tables.schema(CHECK).fields, *schema({_LABELS_DIFFER: "boolean"}).fields]
)


def run(run: Run, _: ExactDuplicatesConfig) -> StageReport[AlikeRows]:
    """Find the sets of rows with equal text keys."""
    lake = run.lake
    corpus = accepted(lake)
    sets = (
        corpus.groupBy(c.TEXT_KEY)
        .agg(
            F.count("*").alias("n"),
            F.min(c.ROW_ID).alias(SET),
            (F.min(c.LABEL) != F.max(c.LABEL)).alias(_LABELS_DIFFER),
        )
        .where("n > 1")
    )
    rows = corpus.select(c.ROW_ID, c.TEXT_KEY).join(sets, c.TEXT_KEY)
    lake.publish(CHECK.table, rows, schema=_FOUND)
    found = lake.read(CHECK.table)
    one_a_set = found.where(F.col(c.ROW_ID) == F.col(SET))
    n_sets, n_differ = one_a_set.agg(F.count("*"), F.count_if(_LABELS_DIFFER)).collect()[0]
    n_rows = lake.rows(CHECK.table)
    figures = AlikeRows(sets=n_sets, rows=n_rows, sets_whose_labels_differ=n_differ)
    return check_tables.report(lake, CHECK, {"corpus": 2}, figures)
