"""Decide: what happens to each row, and why.

The user's own decisions come first, then what the checks found, the strongest first. Of what the
checks would take out of a class the worst go, and `clean.max_class_fraction` is the most that may.

Reads    checks/label_issues/, checks/label_ranks/, those of the other checks, corpus/, the user's
         decisions
Writes   issues/, one row per accepted row, and one for each that came without a label and gets one;
         these leave quarantine/ for corpus/ and pred_probs/, and are in unlabelled/labels/
Passes   1 over the checks and the corpus; one more over those that take rows away (it counts what
         leaves each class), and one over these for each kind of rows that are alike; two over the
         label issues where something is to be promised about them
Shuffle  one by row id (the text preview, what the other checks say of each row); rows that are
         alike and decisions broadcast when they are few. One more, of the rows that would leave a
         class, for classes that too much of would go
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.config.sections import LLM, OPINION_TABLES, ChecksConfig, CleanConfig, InputConfig
from lakewinnow.figures.rows import Decided, Ingested, Promise
from lakewinnow.lake import check_tables, redaction
from lakewinnow.lake.check_tables import WHY
from lakewinnow.lake.corpus import LABELS_MADE, UNLABELLED, take_in
from lakewinnow.lake.inputs import decisions
from lakewinnow.lake.inputs.checked import Checked
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.check import Check
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema
from lakewinnow.stages.decide import alike, class_budget, promises, reasons, unlabelled
from lakewinnow.stages.decide.alike import Kind, decision_of
from lakewinnow.stages.decide.own import (
    warnings_about,
    with_checked_labels,
    with_own_decisions,
)
from lakewinnow.stages.decide.strength import strongest

Checks: TypeAlias = Sequence[Check[Any]]
_FIRST = schema(
    {
        c.ROW_ID: "string",
        c.TEXT_PREVIEW: "string",
        c.GIVEN_LABEL: "string?",  # null: it came without one and got one
        c.PREDICTED_LABEL: "string",
        c.PREDICTED_PROB: "double",
        c.SUGGESTED_LABEL: "string",
        c.SUGGESTED_PROB: "double",
        c.GIVEN_LABEL_PROB: "double?",
        c.IS_LABEL_ISSUE: "boolean",
        c.LABEL_SCORE: "double?",  # lower is worse
        c.LABEL_RANK: "int?",  # 1 = worst; null: not an issue
    }
).fields
_LAST = schema(
    {
        c.DECISION: "string",
        c.NEW_LABEL: "string?",  # null: the given one stays
        c.DECIDED_BY: "string?",  # null: not by the user
        c.REASON: "string?",  # null: nothing is wrong with the row
    }
).fields


def issues_schema(found: Checks) -> StructType:
    """Return the columns of issues/, of a run that makes these checks."""
    return StructType(
        [*_FIRST, *(field for check in found for field in check_tables.in_issues(check)), *_LAST]
    )


def run(
    lake: Lake,
    config: CleanConfig,
    checks: ChecksConfig,
    own: Decisions | None = None,
    chosen: str = "",
    sample: Checked | None = None,
    source: InputConfig | None = None,
    *,
    is_asked: bool = False,
) -> StageReport[Decided]:
    """Combine what the checks found, and what the user decided, into one decision a row.

    Parameters
    ----------
    own : the user's decisions
    chosen : why label issues are dealt with as they are, where that was to be chosen
    sample : the sample for review, where a promise rests on it
    source : says whether rows without a label may get one; None: they may not
    is_asked : whether a language model was asked about some of the texts

    Raises
    ------
    DataError : "unknown_label" in the user's decisions, or "decisions_match_nothing";
        "another_sample"
    """
    rows = lake.read("checks/label_issues")
    n_rows, has_opinions = lake.rows("checks/label_issues"), c.MOST_SAID in rows.columns
    others = checks.of_rows
    classes, warnings = lake.figures("ingest", Ingested).classes, list[str]()
    may_label = source is not None and source.unlabelled == "label"
    if own is not None:
        decisions.check_labels(own, classes)
        others_too = may_label and unlabelled.is_asked(config)
        known = [rows, lake.read(UNLABELLED)] if others_too else [rows]
        warnings = warnings_about(own, known)
    rows = with_own_decisions(rows, own)
    rows = with_checked_labels(rows, lake.read("corpus"), config.checked_label, classes)
    promise = promises.made(rows, config, sample)
    labelled = unlabelled.label(lake, rows, config, own) if may_label else None
    is_sure = promises.is_sure(config, promise)
    rows = rows.withColumn("by_label", reasons.by_label(config, is_sure))
    acting = [check for check in others if decision_of(check, config) != "keep"]
    rows = _with_checks(lake, rows, acting)
    by = (_wanted(check, config) for check in acting if check.set_of is None)
    rows = rows.withColumn("by_row", strongest(F.col("by_label"), *by))
    kinds = alike.kinds(config, others)
    rows = alike.with_acting(rows, [kind for kind in kinds if kind.acts])
    rows = rows.withColumn("by_checks", strongest(F.col("by_row"), F.col("by_set")))
    budget = class_budget.budget(rows, config)
    rows = class_budget.within(rows, budget)
    # What only tells comes after what decides, and what is alike first: those are read twice.
    telling = [check for check in others if check not in acting]
    rows = _with_checks(lake, rows, [check for check in telling if check.set_of is not None])
    rows = alike.with_others(rows, [kind for kind in kinds if not kind.acts])
    rows = _with_checks(lake, rows, [check for check in telling if check.set_of is None])
    decision = F.coalesce(
        F.col("own_decision"), F.when(F.col("is_kept_for_class"), "keep"), F.col("by_checks")
    )
    preview = redaction.preview(redaction.text(config, checks))
    if is_asked:
        flagged = lake.read(OPINION_TABLES[LLM]).select(c.ROW_ID, c.IS_SUSPICIOUS)
        rows = rows.join(flagged, c.ROW_ID, "left")
    reason = reasons.reason(
        config, others, kinds, is_sure, chosen, has_opinions=has_opinions, is_asked=is_asked
    )
    suggested = F.when(F.col(c.DECISION) == "fix", F.col(c.SUGGESTED_LABEL))
    issues = (
        rows.withColumn(c.DECISION, decision)
        .withColumn(c.NEW_LABEL, F.coalesce(F.col("own_label"), suggested))
        .withColumn(c.DECIDED_BY, F.col("own_by"))
        .withColumn(c.REASON, reason)
        .join(lake.read("checks/label_ranks").select(c.ROW_ID, c.LABEL_RANK), c.ROW_ID, "left")
        .join(lake.read("corpus").select(c.ROW_ID, preview), c.ROW_ID)
    )
    if labelled is not None and labelled.rows is not None:
        added = unlabelled.in_issues(lake, labelled.rows, others, preview)
        issues = union(issues.select(*issues_schema(others).names), added)
    lake.publish("issues", issues, schema=issues_schema(others))
    if source is not None and labelled is not None:
        take_in(lake, labelled.rows, source)
    figures = _figures(lake.read("issues"), config, others, kinds, is_sure, budget.kept, promise)
    return StageReport(
        rows_in=n_rows,
        rows_out=lake.rows("issues"),
        reads={
            "checks/label_issues": 2 + len(kinds) + (promise is not None),
            "corpus": 1 if config.checked_label is None else 3,
            **{check.table: 2 if check in acting else 1 for check in others},
        },
        writes=("issues", *([LABELS_MADE] if labelled and labelled.rows is not None else [])),
        figures=replace(figures, unlabelled=labelled.figures if labelled else None),
        warnings=[*warnings, *budget.warnings(config.max_class_fraction)],
    )


def _with_checks(lake: Lake, rows: DataFrame, found: Checks) -> DataFrame:
    """Add each check's columns and what it says."""
    for check in found:
        said = lake.read(check.table).select(*check_tables.schema(check).names)
        rows = rows.join(said.withColumnRenamed(WHY, f"why_{check.name}"), c.ROW_ID, "left")
        if check.score is None:
            rows = rows.withColumns(
                {
                    f"{check.is_issue}": F.col(f"{check.set_of}").isNotNull(),
                    f"why_{check.name}": F.lit(None).cast("string"),
                }
            )
        else:
            is_issue = F.coalesce(F.col(f"{check.is_issue}"), F.lit(col=False))
            rows = rows.withColumn(f"{check.is_issue}", is_issue)
    return rows


def _wanted(check: Check[Any], config: CleanConfig) -> Column:
    """Return what a check wants done with a row."""
    return F.when(F.col(f"{check.is_issue}"), F.lit(decision_of(check, config))).otherwise("keep")


def _figures(
    issues: DataFrame,
    config: CleanConfig,
    others: Checks,
    kinds: list[Kind],
    is_sure: Column | None,
    kept_for_class: dict[str, int],
    promise: Promise | None,
) -> Decided:
    """Count decisions, the user's, and the dropped rows by what dropped them (label first)."""
    cause = F.when(F.col(c.DECIDED_BY).isNotNull(), "own decisions").when(
        reasons.by_label(config, is_sure) == "drop", "label issues"
    )
    for check in others:
        if check.set_of is None and decision_of(check, config) == "drop":
            cause = cause.when(F.col(f"{check.is_issue}"), check.name.replace("_", " "))
    for kind in kinds:
        if kind.action == "drop":
            cause = cause.when(F.col(kind.copy_of).isNotNull(), kind.name.replace("_", " "))
    counted: Counter[str] = Counter()
    own: Counter[str] = Counter()
    dropped_for: Counter[str] = Counter()
    for decision, why, n in issues.groupBy(c.DECISION, cause.alias("cause")).count().collect():
        counted[decision] += n
        if why == "own decisions":
            own[decision] += n
        if decision == "drop":
            dropped_for[why] += n
    return Decided(
        decisions=dict(sorted(counted.items())),
        own_decisions=dict(sorted(own.items())),
        dropped_for=dict(sorted(dropped_for.items(), key=lambda of: (-of[1], of[0]))),
        kept_for_class=kept_for_class,
        promise=promise,
    )
