"""Missing values: rows of which nothing is filled in but the label."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from lakewinnow.config.types import ColumnName
from lakewinnow.plan.check import Check
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.words import counted

IS_ISSUE: Final = "is_null_issue"
SCORE: Final = "null_score"  # the share of values that are there


@dataclass(frozen=True, kw_only=True)
class NullsConfig:
    """Rows with no value in any of these columns, and each column's share of missing values."""

    columns: tuple[ColumnName, ...] | None = None
    """null: input.features, or all columns but text and label."""


@dataclass(frozen=True, kw_only=True)
class MissingTogether:
    """The columns that most often are missing together."""

    columns: list[str]
    rows: int


@dataclass(frozen=True, kw_only=True)
class NullFigures:
    """Missing values."""

    rows: Annotated[int, "rows without any value but the label"]
    columns: Annotated[dict[str, float], "share of the rows in which each is missing"]
    most_often: Annotated[MissingTogether | None, "null: nothing is missing"]


def _sentences(found: NullFigures, _: int) -> Iterator[str]:
    missing = sorted(found.columns.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{share:.1%} of {name}" for name, share in missing[:3] if share)
    if shares:
        yield f"{shares}; {counted(found.rows, 'row', 'has')} no value at all"


CHECK: Final = Check(
    name="nulls",
    title="Missing values",
    purpose="finds rows that have nothing but a label",
    run="lakewinnow.checks.nulls.stage:run",
    section=NullsConfig,
    is_issue=IS_ISSUE,
    score=SCORE,
    cost=Cost(passes=2, rows_per_second=200_000),
    figures=NullFigures,
    sentences=_sentences,
    nothing_found="no value is missing",
)
