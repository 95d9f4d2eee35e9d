"""Rows that are alike: of each set one stays, and `clean` says what happens to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CleanConfig
from lakewinnow.lake.inputs import decisions
from lakewinnow.plan.check import Check
from lakewinnow.stages.decide.strength import rank, strongest


@dataclass(frozen=True)
class Kind:
    """How rows are alike."""

    name: str  # of the check
    set_of: str  # the column of a row's set
    copy_of: str  # the column of the row that stays for this one; null for that one itself
    action: str  # what happens to the others
    said: str  # in a reason, before the row that stays

    @property
    def kept_label(self) -> str:
        """The column of the label of the row that stays."""
        return f"{self.copy_of}_label"

    @property
    def acts(self) -> bool:
        """Whether the others do not stay as they are."""
        return self.action != "keep"


def decision_of(check: Check[Any], config: CleanConfig) -> str:
    """Return what becomes of a row that has a check's issue: one that is rewritten stays."""
    action = config.action(check)
    return "keep" if action in check.rewriting else action


def kinds(config: CleanConfig, others: Sequence[Check[Any]]) -> list[Kind]:
    """Return the kinds of rows that are alike, the most alike first."""
    found = []
    for check in others:
        if check.set_of is not None and check.copy_of is not None:
            said = f"{check.name.removesuffix('s').replace('_', ' ')} of"
            action = decision_of(check, config)
            found.append(Kind(check.name, check.set_of, check.copy_of, action, said))
    return found


def with_acting(rows: DataFrame, found: list[Kind]) -> DataFrame:
    """Add, for each kind that acts, which row stays for this one; and `by_set`, `is_twin`.

    `is_twin`: a row is taken for a copy of one that has the same label, no loss to the class.
    """
    by, is_twin = [F.lit("keep")], F.lit(col=False)
    for kind in found:
        rows = _with_kept(rows, kind, strongest(F.col("by_row"), *by))
        is_copy = F.col(kind.copy_of).isNotNull()
        by.append(F.when(is_copy, F.lit(kind.action)).otherwise("keep"))
        same_label = F.col(kind.kept_label) == F.col(c.GIVEN_LABEL)
        is_twin = is_twin | (is_copy & F.coalesce(same_label, F.lit(col=False)))
    return rows.withColumns({"by_set": strongest(*by), "is_twin": is_twin})


def with_others(rows: DataFrame, found: list[Kind]) -> DataFrame:
    """Add, for each kind that does not act, which row would stay for this one."""
    for kind in found:
        rows = _with_kept(rows, kind, F.col("by_checks"))
    return rows


def _with_kept(rows: DataFrame, kind: Kind, by_others: Column) -> DataFrame:
    return rows.join(_kept(rows, kind, by_others), c.ROW_ID, "left")


def _kept(rows: DataFrame, kind: Kind, by_others: Column) -> DataFrame:
    """For each row that is not the one of its set which stays, that one.

    It is one which the user keeps; else, of those which other checks do not drop or send to review,
    the one with the best label score; ties go to the smallest row id.
    """
    decided = F.when(F.col("own_decision") == "drop", "drop").otherwise(by_others)
    is_wanted = F.col("own_decision").isin(decisions.KEEP, decisions.RELABEL)
    best_first = [
        F.coalesce(is_wanted, F.lit(col=False)).desc(),
        rank(decided).desc(),
        F.col(c.LABEL_SCORE).desc(),
        F.col(c.ROW_ID),
    ]
    in_set = Window.partitionBy(kind.set_of).orderBy(*best_first)
    kept = {
        kind.copy_of: F.first(c.ROW_ID).over(in_set),
        kind.kept_label: F.first(c.GIVEN_LABEL).over(in_set),
    }
    in_sets = rows.where(F.col(kind.set_of).isNotNull()).withColumns(kept)
    return in_sets.where(F.col(kind.copy_of) != F.col(c.ROW_ID)).select(c.ROW_ID, *kept)


def why(found: list[Kind]) -> list[Column]:
    """Return, for each kind, what says which row stays for this one; null where none does."""
    return [F.concat(F.lit(f"{kind.said} "), F.col(kind.copy_of)) for kind in found]
