"""Decide: what happens to each row, and why.

Reads    checks/label_issues/, checks/label_ranks/, checks/exact_duplicates/, corpus/
Writes   issues/, one row per accepted row
Passes   1, and one over the duplicates
Shuffle  one by row id (the text preview); duplicates broadcast when they are few
"""

from collections import Counter
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.config import ChecksConfig, CleanConfig
from lakewinnow.lake.workspace import Lake, StageReport

ISSUES = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.TEXT_PREVIEW, StringType(), nullable=False),
        StructField(c.GIVEN_LABEL, StringType(), nullable=False),
        StructField(c.PREDICTED_LABEL, StringType(), nullable=False),
        StructField(c.PREDICTED_PROB, DoubleType(), nullable=False),
        StructField(c.SUGGESTED_LABEL, StringType(), nullable=False),
        StructField(c.SUGGESTED_PROB, DoubleType(), nullable=False),
        StructField(c.IS_LABEL_ISSUE, BooleanType(), nullable=False),
        StructField(c.LABEL_SCORE, DoubleType(), nullable=False),  # lower is worse
        StructField(c.LABEL_RANK, IntegerType(), nullable=True),  # 1 = worst; null: not an issue
        StructField(c.IS_EXACT_DUPLICATE_ISSUE, BooleanType(), nullable=False),
        StructField(c.EXACT_DUPLICATE_SET, StringType(), nullable=True),
        StructField(c.DECISION, StringType(), nullable=False),
        StructField(c.REASON, StringType(), nullable=True),  # null: nothing is wrong with the row
    ]
)
PREVIEW_LENGTH = 200

_STRONGEST_FIRST = ("drop", "review", "fix")


def run(lake: Lake, config: CleanConfig, checks: ChecksConfig) -> StageReport:
    """Combine what the checks found into one decision a row."""
    exact_duplicates = checks.exact_duplicates is not None
    rows = lake.read("checks/label_issues").withColumn("by_label", _by_label(config))
    if exact_duplicates:
        rows = rows.join(_duplicates(lake, rows), c.ROW_ID, "left")
    else:
        rows = rows.withColumn(c.EXACT_DUPLICATE_SET, F.lit(None)).withColumn(
            "kept_row", F.lit(None)
        )
    is_extra = F.col("kept_row").isNotNull() & (F.col("kept_row") != F.col(c.ROW_ID))
    by_duplicate = F.when(is_extra, F.lit(config.exact_duplicates)).otherwise("keep")
    preview = F.substring(c.TEXT, 1, PREVIEW_LENGTH).alias(c.TEXT_PREVIEW)
    issues = (
        rows.withColumn("by_duplicate", by_duplicate)
        .withColumn(c.SUGGESTED_LABEL, F.col(c.PREDICTED_LABEL))
        .withColumn(c.SUGGESTED_PROB, F.col(c.PREDICTED_PROB))
        .withColumn(c.DECISION, _strongest(F.col("by_label"), F.col("by_duplicate")))
        .withColumn(c.REASON, _reason(is_extra))
        .withColumn(c.IS_EXACT_DUPLICATE_ISSUE, F.col(c.EXACT_DUPLICATE_SET).isNotNull())
        .join(lake.read("checks/label_ranks"), c.ROW_ID, "left")
        .join(lake.read("corpus").select(c.ROW_ID, preview), c.ROW_ID)
    )
    lake.publish("issues", issues, schema=ISSUES)
    n_rows = lake.rows("issues")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={"checks/label_issues": 2 if exact_duplicates else 1, "corpus": 1},
        writes=("issues",),
        details=_figures(lake.read("issues")),
    )


def _figures(issues: DataFrame) -> dict[str, dict[str, int]]:
    """Count decisions, and the dropped rows by what dropped them (their label first)."""
    cause = F.when(F.col(c.IS_LABEL_ISSUE), "label issues").otherwise("exact duplicates")
    decisions: Counter[str] = Counter()
    dropped_for: Counter[str] = Counter()
    for decision, why, n in issues.groupBy(c.DECISION, cause.alias("cause")).count().collect():
        decisions[decision] += n
        if decision == "drop":
            dropped_for[why] += n
    return {"decisions": dict(sorted(decisions.items())), "dropped_for": dict(dropped_for)}


def _by_label(config: CleanConfig) -> Column:
    decision = F.lit(config.label_issues)
    if config.label_issues == "fix" and config.fix_above is not None:
        is_sure = F.col(c.PREDICTED_PROB) >= config.fix_above
        decision = F.when(is_sure, "fix").otherwise(config.else_)
    return F.when(F.col(c.IS_LABEL_ISSUE), decision).otherwise("keep")


def _duplicates(lake: Lake, rows: DataFrame) -> DataFrame:
    """For each duplicated row, its set and which row of the set stays.

    That is, of those which their label does not drop or send to review, the one with the best label
    score; ties go to the smallest row id.
    """
    strength = F.array_position(F.array(*map(F.lit, _STRONGEST_FIRST)), F.col("by_label"))
    best_first = [
        F.when(strength == 0, len(_STRONGEST_FIRST)).otherwise(strength).desc(),
        F.col(c.LABEL_SCORE).desc(),
        F.col(c.ROW_ID),
    ]
    in_set = Window.partitionBy(c.EXACT_DUPLICATE_SET).orderBy(*best_first)
    kept = F.first(c.ROW_ID).over(in_set)
    duplicates = lake.read("checks/exact_duplicates").join(rows, c.ROW_ID)
    return duplicates.select(c.ROW_ID, c.EXACT_DUPLICATE_SET, kept.alias("kept_row"))


def _strongest(*decisions: Column) -> Column:
    either = [
        (reduce(Column.__or__, (decision == name for decision in decisions)), name)
        for name in _STRONGEST_FIRST
    ]
    return reduce(lambda chain, pair: chain.when(*pair), either[1:], F.when(*either[0])).otherwise(
        "keep"
    )


def _reason(is_extra: Column) -> Column:
    label = F.format_string(
        "label issue: given %s, predicted %s (%.2f)",
        c.GIVEN_LABEL,
        c.PREDICTED_LABEL,
        c.PREDICTED_PROB,
    )
    duplicate = F.concat(F.lit("exact duplicate of "), F.col("kept_row"))
    both = F.concat_ws("; ", F.when(F.col(c.IS_LABEL_ISSUE), label), F.when(is_extra, duplicate))
    return F.nullif(both, F.lit(""))
