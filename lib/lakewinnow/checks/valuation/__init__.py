"""Value of rows: those that do more harm than good to a classifier by nearest neighbours."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from lakewinnow.config.types import Fraction
from lakewinnow.plan.check import Check
from lakewinnow.plan.words import counted

IS_ISSUE: Final = "is_data_valuation_issue"
SCORE: Final = "data_valuation_score"  # 0 .. 1; below 0.5 the row does harm


@dataclass(frozen=True, kw_only=True)
class ValuationConfig:
    """Rows that harm a nearest-neighbour classifier."""

    threshold: Fraction = 0.5
    """Rows with a lower value are issues."""


@dataclass(frozen=True, kw_only=True)
class ValuationFigures:
    """What rows add to a classifier by nearest neighbours."""

    rows: Annotated[int, "rows that do more harm than good"]
    judged: Annotated[int, "rows that were valued"]
    mean: Annotated[float | None, "of their values"]
    threshold: Annotated[float, "value below which a row is an issue"]
    k: Annotated[int, "neighbours of each text"]


def _sentences(found: ValuationFigures, _: int) -> Iterator[str]:
    if found.rows:
        rows = counted(found.rows, "row", "does", of=found.judged)
        yield f"{rows} more harm than good to a nearest-neighbour classifier"


CHECK: Final = Check(
    name="valuation",
    title="Harmful rows",
    purpose="finds rows that do more harm than good to a nearest-neighbour classifier",
    run="lakewinnow.checks.valuation.stage:run",
    section=ValuationConfig,
    judges_vectors=True,
    is_issue=IS_ISSUE,
    score=SCORE,
    reads=("accepted", "checks/neighbors"),
    figures=ValuationFigures,
    sentences=_sentences,
    nothing_found="no row does more harm than good",
)
