"""The user's own decisions, beside the rows that they are about."""

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.inputs import decisions
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.plan.words import counted

NOT_SAID: Final = "the user"  # who decided, where the decisions do not say


def with_own_decisions(rows: DataFrame, own: Decisions | None) -> tuple[DataFrame, list[str]]:
    """Add own_decision, own_label and own_by, null where the user has not decided."""
    if own is None:
        names = ("own_decision", "own_label", "own_by")
        return rows.withColumns({name: F.lit(None).cast("string") for name in names}), []
    decided = own.rows.select(
        c.ROW_ID,
        F.col(c.DECISION).alias("own_decision"),
        F.col(c.LABEL).alias("own_label"),
        F.coalesce(F.col(decisions.BY), F.lit(NOT_SAID)).alias("own_by"),
    )
    warnings = _of_unknown_rows(decided, rows)
    rows = rows.join(decided, c.ROW_ID, "left")
    is_given = F.col("own_label") == F.col(c.GIVEN_LABEL)
    confirmed = F.when(is_given, decisions.KEEP).otherwise(F.col("own_decision"))
    rows = rows.withColumn("own_decision", confirmed)
    return rows.withColumn("own_label", F.when(~is_given, F.col("own_label"))), warnings


def _of_unknown_rows(decided: DataFrame, rows: DataFrame) -> list[str]:
    """Warn of decisions about rows that the input does not have, or no longer."""
    unknown = decided.join(rows.select(c.ROW_ID), c.ROW_ID, "left_anti")
    [[n_unknown, first]] = unknown.select(F.count("*"), F.min(c.ROW_ID)).collect()
    if not n_unknown:
        return []
    if n_unknown == decided.count():
        raise DataError(
            "decisions_match_nothing",
            decisions.KEY,
            "row ids of the input, as in issues/",
            Shown(f"{first!r} and no other" if n_unknown == 1 else f"{n_unknown:,} like {first!r}"),
            "without input.id, ids are made from each row's content and change with it",
        )
    what = counted(n_unknown, "row")
    return [f"{decisions.KEY}: {what} not in the input, or in quarantine: {first} for one"]
