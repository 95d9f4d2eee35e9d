"""Nulls: rows of which nothing is filled in but the label, and how much of each column is.

Reads    corpus/
Writes   checks/nulls/, one row per accepted row
Passes   2 over the other columns of the corpus: counts by pattern; flag and score
Shuffle  the counts of the patterns

A null, a NaN and a text of nothing but white space are all missing: CSV tells none from another.
Datalab, which is given numbers, knows the first two; of what has no blank text its flags and scores
are the same.
"""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, FloatType, StringType, StructType

from lakewinnow import columns as c
from lakewinnow.checks.nulls import (
    CHECK,
    IS_ISSUE,
    SCORE,
    MissingTogether,
    NullFigures,
    NullsConfig,
)
from lakewinnow.config.sections import InputConfig
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.plan.words import counted

_BLANK: Final = r"^[\s\p{Z}]*$"
_PATTERN: Final = "pattern"  # a character a column: 1 where the value is missing


def run(run: Run, config: NullsConfig) -> StageReport[NullFigures]:
    """Find the rows that are empty; a row's score is the share of its values that are there."""
    lake = run.lake
    rows = accepted(lake)
    fields: StructType = rows.schema[c.SOURCE].dataType  # type: ignore[assignment]
    names = _columns(fields, run.config.input, config)
    missing = [_is_missing(F.col(c.SOURCE).getField(n), fields[n].dataType) for n in names]
    bits = [F.when(is_null, "1").otherwise("0") for is_null in missing]
    patterns = rows.select(c.ROW_ID, F.concat(F.lit(""), *bits).alias(_PATTERN))
    n_missing = F.length(F.replace(F.col(_PATTERN), F.lit("0"), F.lit("")))
    is_issue = (n_missing == len(names)) & F.lit(bool(names))
    scored = patterns.withColumn(SCORE, 1 - n_missing / max(len(names), 1))
    why = f"empty: none of {counted(len(names), 'column')} has a value"
    judged = check_tables.flagged(CHECK, scored, is_issue, why)
    check_tables.publish(lake, CHECK, judged)
    shares, together = _shares(patterns, names, lake.rows(CHECK.table))
    n_issues = lake.files.count_true(CHECK.table, IS_ISSUE)
    figures = NullFigures(rows=n_issues, columns=shares, most_often=together)
    return check_tables.report(lake, CHECK, {"corpus": 2}, figures)


def _columns(fields: StructType, source: InputConfig, config: NullsConfig) -> list[str]:
    """Return the columns that are looked at: of those whose rows go to quarantine, none."""
    if config.columns is not None:
        return [name for name in config.columns if name in fields.names]  # the text is never null
    names = fields.names if source.features is None else source.features
    return [name for name in names if name != source.label]


def _is_missing(value: Column, type_: DataType) -> Column:
    if isinstance(type_, StringType):
        return value.isNull() | value.rlike(_BLANK)
    if isinstance(type_, (FloatType, DoubleType)):
        return value.isNull() | F.isnan(value)
    return value.isNull()


def _shares(
    patterns: DataFrame, names: Sequence[str], n_rows: int
) -> tuple[dict[str, float], MissingTogether | None]:
    """Return which share of each column is missing, and which columns most often are together."""
    if not names:
        return {}, None
    counts = [F.count_if(F.substring(_PATTERN, i + 1, 1) == "1") for i in range(len(names))]
    n_missing = patterns.agg(*counts).collect()[0]
    some = patterns.where(F.col(_PATTERN).contains("1")).groupBy(_PATTERN).count()
    most = some.orderBy(F.desc("count"), _PATTERN).first()
    together = None
    if most is not None:
        missing = [name for name, bit in zip(names, most[0], strict=True) if bit == "1"]
        together = MissingTogether(columns=missing, rows=most[1])
    shares = {name: n / max(n_rows, 1) for name, n in zip(names, n_missing, strict=True)}
    return shares, together
