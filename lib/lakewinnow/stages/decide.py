"""Decide: what happens to each row, and why.

The user's own decisions come first, then what the checks found, the strongest first. Of what the
checks would take out of a class the worst go, and `clean.max_class_fraction` is the most that may.

Reads    checks/label_issues/, checks/label_ranks/, checks/exact_duplicates/, corpus/, the user's
         decisions
Writes   issues/, one row per accepted row
Passes   2 over the checks (one counts what leaves each class), 1 over the corpus, and one over the
         duplicates
Shuffle  one by row id (the text preview); duplicates and decisions broadcast when they are few. One
         more, of the rows that would leave a class, for classes that too much of would go
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, Final

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
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake import decisions
from lakewinnow.lake.decisions import Decisions
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
        StructField(c.GIVEN_LABEL_PROB, DoubleType(), nullable=False),
        StructField(c.IS_LABEL_ISSUE, BooleanType(), nullable=False),
        StructField(c.LABEL_SCORE, DoubleType(), nullable=False),  # lower is worse
        StructField(c.LABEL_RANK, IntegerType(), nullable=True),  # 1 = worst; null: not an issue
        StructField(c.IS_EXACT_DUPLICATE_ISSUE, BooleanType(), nullable=False),
        StructField(c.EXACT_DUPLICATE_SET, StringType(), nullable=True),
        StructField(c.DECISION, StringType(), nullable=False),
        StructField(c.NEW_LABEL, StringType(), nullable=True),  # null: the given one stays
        StructField(c.DECIDED_BY, StringType(), nullable=True),  # null: not by the user
        StructField(c.REASON, StringType(), nullable=True),  # null: nothing is wrong with the row
    ]
)
PREVIEW_LENGTH = 200
NOT_SAID: Final = "the user"  # who decided, where the decisions do not say

_STRONGEST_FIRST = ("drop", "review", "fix")
_SHOWN: Final = 3  # row ids or classes in a warning


def run(
    lake: Lake, config: CleanConfig, checks: ChecksConfig, own: Decisions | None = None
) -> StageReport:
    """Combine what the checks found, and what the user decided, into one decision a row.

    Parameters
    ----------
    own : the user's decisions

    Raises
    ------
    DataError
        ``"unknown_label"`` in the user's decisions, or ``"decisions_match_nothing"``.
    """
    rows = lake.read("checks/label_issues")
    n_rows = lake.rows("checks/label_issues")
    if own is not None:
        decisions.check_labels(own, lake.details("ingest")["classes"])
    rows, warnings = _with_own(rows, own)
    rows = rows.withColumn("by_label", _by_label(config))
    rows = _with_duplicates(lake, rows, config, checks)
    rows = rows.withColumn("by_checks", _strongest(F.col("by_label"), F.col("by_duplicate")))
    budget = _budget(rows, config)
    rows = _within(rows, budget)
    decision = F.coalesce(
        F.col("own_decision"), F.when(F.col("is_kept_for_class"), "keep"), F.col("by_checks")
    )
    preview = F.substring(c.TEXT, 1, PREVIEW_LENGTH).alias(c.TEXT_PREVIEW)
    suggested = F.when(F.col(c.DECISION) == "fix", F.col(c.SUGGESTED_LABEL))
    issues = (
        rows.withColumn(c.DECISION, decision)
        .withColumn(c.NEW_LABEL, F.coalesce(F.col("own_label"), suggested))
        .withColumn(c.DECIDED_BY, F.col("own_by"))
        .withColumn(c.REASON, _reason(config))
        .withColumn(c.IS_EXACT_DUPLICATE_ISSUE, F.col(c.EXACT_DUPLICATE_SET).isNotNull())
        .join(lake.read("checks/label_ranks").select(c.ROW_ID, c.LABEL_RANK), c.ROW_ID, "left")
        .join(lake.read("corpus").select(c.ROW_ID, preview), c.ROW_ID)
    )
    lake.publish("issues", issues, schema=ISSUES)
    return StageReport(
        rows_in=n_rows,
        rows_out=lake.rows("issues"),
        reads={"checks/label_issues": 3 if checks.exact_duplicates is not None else 2, "corpus": 1},
        writes=("issues",),
        details={
            **_figures(lake.read("issues"), config),
            "kept_for_class": budget.kept,
            "warnings": [*warnings, *budget.warnings(config.max_class_fraction)],
        },
    )


# --- the user's own -----------------------------------------------------------------------------


def _with_own(rows: DataFrame, own: Decisions | None) -> tuple[DataFrame, list[str]]:
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
            "without input.id a row's id is made from its content: another content, another id",
        )
    what = "1 row" if n_unknown == 1 else f"{n_unknown:,} rows"
    return [f"{decisions.KEY}: {what} not in the input, or in quarantine: {first} for one"]


# --- what the checks say ------------------------------------------------------------------------


def _by_label(config: CleanConfig) -> Column:
    decision = F.lit(config.label_issues)
    if config.label_issues == "fix":
        if config.fix_above is not None:
            is_sure = F.col(c.SUGGESTED_PROB) >= config.fix_above
            decision = F.when(is_sure, "fix").otherwise(config.else_)
        decision = F.when(_is_confirmed(), "keep").otherwise(decision)
    return F.when(F.col(c.IS_LABEL_ISSUE), decision).otherwise("keep")


def _is_confirmed() -> Column:
    """Whether the label is still the likeliest, given which labels go wrong and how often."""
    return F.col(c.SUGGESTED_LABEL) == F.col(c.GIVEN_LABEL)


def _with_duplicates(
    lake: Lake, rows: DataFrame, config: CleanConfig, checks: ChecksConfig
) -> DataFrame:
    """Add the set of equal texts, which row of it stays, that row's label, and what follows."""
    if checks.exact_duplicates is None:
        names = (c.EXACT_DUPLICATE_SET, "kept_row", "kept_label")
        rows = rows.withColumns({name: F.lit(None).cast("string") for name in names})
    else:
        rows = rows.join(_duplicates(lake, rows), c.ROW_ID, "left")
    is_extra = F.col("kept_row").isNotNull() & (F.col("kept_row") != F.col(c.ROW_ID))
    by_duplicate = F.when(is_extra, F.lit(config.exact_duplicates)).otherwise("keep")
    return rows.withColumns({"is_extra": is_extra, "by_duplicate": by_duplicate})


def _duplicates(lake: Lake, rows: DataFrame) -> DataFrame:
    """For each duplicated row, its set and which row of the set stays.

    That is one which the user keeps; else, of those which their label does not drop or send to
    review, the one with the best label score; ties go to the smallest row id.
    """
    by_label = F.when(F.col("own_decision") == "drop", "drop").otherwise(F.col("by_label"))
    strength = F.array_position(F.array(*map(F.lit, _STRONGEST_FIRST)), by_label)
    best_first = [
        F.coalesce(
            F.col("own_decision").isin(decisions.KEEP, decisions.RELABEL), F.lit(col=False)
        ).desc(),
        F.when(strength == 0, len(_STRONGEST_FIRST)).otherwise(strength).desc(),
        F.col(c.LABEL_SCORE).desc(),
        F.col(c.ROW_ID),
    ]
    in_set = Window.partitionBy(c.EXACT_DUPLICATE_SET).orderBy(*best_first)
    duplicates = lake.read("checks/exact_duplicates").join(rows, c.ROW_ID)
    return duplicates.select(
        c.ROW_ID,
        c.EXACT_DUPLICATE_SET,
        F.first(c.ROW_ID).over(in_set).alias("kept_row"),
        F.first(c.GIVEN_LABEL).over(in_set).alias("kept_label"),
    )


def _strongest(*decisions_: Column) -> Column:
    either = [
        (reduce(Column.__or__, (decision == name for decision in decisions_)), name)
        for name in _STRONGEST_FIRST
    ]
    return reduce(lambda chain, pair: chain.when(*pair), either[1:], F.when(*either[0])).otherwise(
        "keep"
    )


# --- no class is emptied ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Budget:
    """Classes that more would leave than may: how many may, and how many therefore stay."""

    allowed: Mapping[str, int]
    kept: Mapping[str, int]

    def warnings(self, most: float) -> list[str]:
        return [
            f"clean.max_class_fraction: {n:,} rows of {name!r} stay that checks would take, as no"
            f" more than {most:g} of a class may go"
            for name, n in list(self.kept.items())[:_SHOWN]
        ]


def _leaves() -> Column:
    """Whether checks take a row away from its class, and do not leave the class an equal one."""
    is_decided = F.col("own_decision").isNotNull()
    return ~is_decided & (F.col("by_checks") != "keep") & ~_is_twin()


def _is_twin() -> Column:
    """Whether a row is taken for a copy of one that has the same label: no loss to the class."""
    is_copy = F.col("is_extra") & (F.col("by_duplicate") != "keep")
    return is_copy & (F.col("kept_label") == F.col(c.GIVEN_LABEL))


def _budget(rows: DataFrame, config: CleanConfig) -> _Budget:
    """Count what would leave each class: of copies of one text with one label, one counts."""
    share = Fraction(str(config.max_class_fraction))
    counted = (
        rows.where(F.col("own_decision").isNull() & ~_is_twin())
        .groupBy(c.GIVEN_LABEL)
        .agg(F.count("*").alias("n"), F.count_if(_leaves()).alias("n_leaving"))
        .collect()
    )
    allowed = {row[c.GIVEN_LABEL]: int(share * row["n"]) for row in counted}
    kept = {row[c.GIVEN_LABEL]: row["n_leaving"] - allowed[row[c.GIVEN_LABEL]] for row in counted}
    over = sorted(name for name, n in kept.items() if n > 0)
    return _Budget({name: allowed[name] for name in over}, {name: kept[name] for name in over})


def _within(rows: DataFrame, budget: _Budget) -> DataFrame:
    """Add whether a row stays because more than may go of its class are worse."""
    if not budget.allowed:
        return rows.withColumn("is_kept_for_class", F.lit(col=False))
    allowed = F.create_map(*(F.lit(part) for pair in budget.allowed.items() for part in pair))
    leaving = rows.where(_leaves() & F.col(c.GIVEN_LABEL).isin(list(budget.allowed)))
    worst_first = Window.partitionBy(c.GIVEN_LABEL).orderBy(c.LABEL_SCORE, c.ROW_ID)
    ranked = leaving.select(
        c.ROW_ID, c.GIVEN_LABEL, F.row_number().over(worst_first).alias("worst")
    )
    best = ranked.where(F.col("worst") > allowed[F.col(c.GIVEN_LABEL)])
    stays = best.select(c.ROW_ID, F.lit(col=True).alias("stays"))
    rows = rows.join(stays, c.ROW_ID, "left")
    return rows.withColumn("is_kept_for_class", F.coalesce("stays", F.lit(col=False)))


# --- what is said of it -------------------------------------------------------------------------


def _reason(config: CleanConfig) -> Column:
    """Say what decided: the user, or every check that found something, and what held it back."""
    by = F.concat(F.lit("decided by "), F.col("own_by"), F.lit(": "))
    own = F.when(F.col("own_label").isNotNull(), F.concat(F.lit("label "), F.col("own_label")))
    decided = F.concat(by, F.coalesce(own, F.col("own_decision")))
    duplicate = F.concat(F.lit("exact duplicate of "), F.col("kept_row"))
    kept = F.format_string(
        f"kept: at most {config.max_class_fraction:g} of a class may go, and worse rows of %s do",
        c.GIVEN_LABEL,
    )
    reasons = F.concat_ws(
        "; ",
        F.when(F.col("own_decision").isNotNull(), decided),
        F.when(F.col(c.IS_LABEL_ISSUE), _label_reason(config)),
        F.when(F.col("is_extra"), duplicate),
        F.when(F.col("is_kept_for_class"), kept),
    )
    return F.nullif(reasons, F.lit(""))


def _label_reason(config: CleanConfig) -> Column:
    predicted = F.format_string(
        "label issue: given %s, predicted %s (%.2f)",
        c.GIVEN_LABEL,
        c.PREDICTED_LABEL,
        c.PREDICTED_PROB,
    )
    suggested = F.format_string(
        "label issue: given %s, suggested %s (%.2f)",
        c.GIVEN_LABEL,
        c.SUGGESTED_LABEL,
        c.SUGGESTED_PROB,
    )
    if config.label_issues != "fix":
        is_predicted = F.col(c.PREDICTED_LABEL) != F.col(c.GIVEN_LABEL)
        return F.when(is_predicted, predicted).otherwise(suggested)
    confirmed = F.format_string(
        "%s, but %s is still the likeliest (%.2f)", predicted, c.GIVEN_LABEL, c.GIVEN_LABEL_PROB
    )
    reason = F.when(_is_confirmed(), confirmed)
    if config.fix_above is not None:
        is_unsure = F.col(c.SUGGESTED_PROB) < config.fix_above
        unsure = F.concat(suggested, F.lit(f", below {config.fix_above:g}"))
        reason = reason.when(is_unsure, unsure)
    return reason.otherwise(suggested)


def _figures(issues: DataFrame, config: CleanConfig) -> dict[str, Any]:
    """Count decisions, the user's, and the dropped rows by what dropped them (label first)."""
    is_own = F.col(c.DECIDED_BY).isNotNull()
    cause = (
        F.when(is_own, "own decisions")
        .when(_by_label(config) == "drop", "label issues")
        .otherwise("exact duplicates")
    )
    counted: Counter[str] = Counter()
    own: Counter[str] = Counter()
    dropped_for: Counter[str] = Counter()
    for decision, why, n in issues.groupBy(c.DECISION, cause.alias("cause")).count().collect():
        counted[decision] += n
        if why == "own decisions":
            own[decision] += n
        if decision == "drop":
            dropped_for[why] += n
    return {
        "decisions": dict(sorted(counted.items())),
        "own_decisions": dict(sorted(own.items())),
        "dropped_for": dict(dropped_for),
    }
