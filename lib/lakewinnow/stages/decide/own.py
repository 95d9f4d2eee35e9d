"""The user's own decisions, beside the rows that they are about."""

from collections.abc import Iterator, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.evaluation.reviewing import Agreement
from lakewinnow.errors import DataError, Shown, did_you_mean
from lakewinnow.lake.inputs import decisions
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.inputs.source import text_of
from lakewinnow.lake.inputs.votes import BY, Votes, in_words
from lakewinnow.plan.words import counted

CHECKED_LABEL: Final = "checked_label"  # beside the user's decisions
NOT_SAID: Final = "the user"  # who decided, where the decisions do not say


def with_own_decisions(rows: DataFrame, own: Decisions | None) -> DataFrame:
    """Add own_decision, own_label and own_by, null where the user has not decided."""
    if own is None:
        names = ("own_decision", "own_label", "own_by")
        return rows.withColumns({name: F.lit(None).cast("string") for name in names})
    decided = own.rows.select(
        c.ROW_ID,
        F.col(c.DECISION).alias("own_decision"),
        F.col(c.LABEL).alias("own_label"),
        F.coalesce(F.col(BY), F.lit(NOT_SAID)).alias("own_by"),
    )
    rows = rows.join(decided, c.ROW_ID, "left")
    is_given = _is_given(F.col("own_label"))
    confirmed = F.when(is_given, decisions.KEEP).otherwise(F.col("own_decision"))
    rows = rows.withColumn("own_decision", confirmed)
    return rows.withColumn("own_label", F.when(~is_given, F.col("own_label")))


def _is_given(label: Column) -> Column:
    return F.coalesce(label == F.col(c.GIVEN_LABEL), F.lit(col=False))  # null: none was given


def with_checked_labels(
    rows: DataFrame, corpus: DataFrame, name: str | None, classes: Sequence[str]
) -> DataFrame:
    """Add checked_label, null where there is none, and decide by it what the user has not decided.

    Raises
    ------
    DataError : "unknown_label"
    """
    if name is None:
        return rows.withColumn(CHECKED_LABEL, F.lit(None).cast("string"))
    said = corpus.select(c.ROW_ID, F.col(c.SOURCE).getField(name).alias(CHECKED_LABEL))
    text = text_of(CHECKED_LABEL, said.schema)
    checked = said.withColumn(CHECKED_LABEL, text).where(F.trim(CHECKED_LABEL) != "")
    unknown = checked.where(~F.col(CHECKED_LABEL).isin(list(classes))).orderBy(c.ROW_ID).take(1)
    if unknown:
        row_id, label = unknown[0]
        got = Shown(f"{label!r} (row {row_id})")
        expected, hint = "labels that are classes of the input", did_you_mean(label, classes)
        raise DataError("unknown_label", "clean.checked_label", expected, got, hint)
    rows = rows.join(checked, c.ROW_ID, "left")
    label = F.col(CHECKED_LABEL)
    is_open = F.col("own_decision").isNull() & label.isNotNull()
    is_given = _is_given(label)
    by_it = F.when(is_given, decisions.KEEP).otherwise(decisions.RELABEL)
    return rows.withColumns(
        {
            "own_decision": F.when(is_open, by_it).otherwise(F.col("own_decision")),
            "own_label": F.when(is_open & ~is_given, label).otherwise(F.col("own_label")),
            "own_by": F.when(is_open, name).otherwise(F.col("own_by")),
        }
    )


def warnings_about(own: Decisions, known: Sequence[DataFrame]) -> list[str]:
    """Warn of decisions about rows that are none of the known ones, and of people who differ.

    Raises
    ------
    DataError : "decisions_match_nothing"
    """
    return [*_of_unknown_rows(own.rows, known), *_of_differing(own.several)]


def _of_differing(votes: Votes | None) -> Iterator[str]:
    """Tell how far several people agree, each with the others, and what has no majority."""
    agreement = None if votes is None else votes.agreement()
    if votes is None or agreement is None or not votes.differing():
        return
    n_differing, by = len(votes.differing()), in_words(votes.agreement_by())
    yield (
        f"{decisions.KEY}: several people decided {counted(agreement.rows, 'row')} and differ on"
        f" {n_differing:,}; they agree {agreement.share:.0%} of the time{_alpha(agreement)}: {by}"
    )
    undecided = sorted(votes.of_row.keys() - votes.agreed().keys())
    if undecided:
        what = counted(len(undecided), "row", "has")
        yield f"{decisions.KEY}: {what} no majority and no decision: {undecided[0]} for one"


def _alpha(agreement: Agreement) -> str:
    alpha = agreement.alpha
    return "" if alpha is None else f" (Krippendorff's alpha {alpha:.2f})"


def _of_unknown_rows(decided: DataFrame, known: Sequence[DataFrame]) -> list[str]:
    """Warn of decisions about rows that the input does not have, or no longer."""
    unknown = decided
    for rows in known:
        unknown = unknown.join(rows.select(c.ROW_ID), c.ROW_ID, "left_anti")
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
