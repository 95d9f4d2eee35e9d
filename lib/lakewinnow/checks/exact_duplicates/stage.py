"""Duplicates: rows that have the same text.

Reads    corpus/
Writes   checks/exact_duplicates/, one row per row that is not alone with its text
Passes   2: texts counted; their rows found
Shuffle  one, by text key
"""

from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.schemas import schema

EXACT_DUPLICATES = schema(
    {
        c.ROW_ID: "string",
        c.EXACT_DUPLICATE_SET: "string",  # smallest row_id of the set
        "labels_differ": "boolean",
    }
)


def run(lake: Lake) -> StageReport:
    """Find the sets of rows with equal text keys."""
    corpus = accepted(lake)
    sets = (
        corpus.groupBy(c.TEXT_KEY)
        .agg(
            F.count("*").alias("n"),
            F.min(c.ROW_ID).alias(c.EXACT_DUPLICATE_SET),
            (F.min(c.LABEL) != F.max(c.LABEL)).alias("labels_differ"),
        )
        .where("n > 1")
    )
    rows = corpus.select(c.ROW_ID, c.TEXT_KEY).join(sets, c.TEXT_KEY)
    lake.publish("checks/exact_duplicates", rows, schema=EXACT_DUPLICATES)
    found = lake.read("checks/exact_duplicates")
    one_a_set = found.where(F.col(c.ROW_ID) == F.col(c.EXACT_DUPLICATE_SET))
    n_sets, n_differ = one_a_set.agg(F.count("*"), F.count_if("labels_differ")).collect()[0]
    n_rows = lake.rows("checks/exact_duplicates")
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=n_rows,
        reads={"corpus": 2},
        writes=("checks/exact_duplicates",),
        details={"sets": n_sets, "rows": n_rows, "sets_whose_labels_differ": n_differ},
    )
