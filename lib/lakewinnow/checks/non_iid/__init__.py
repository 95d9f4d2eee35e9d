"""Row order: whether similar rows come one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from lakewinnow.config.types import ColumnName
from lakewinnow.plan.check import Check

IS_ISSUE: Final = "is_non_iid_issue"
SCORE: Final = "non_iid_score"  # 0 .. 1, lower is worse


@dataclass(frozen=True, kw_only=True)
class NonIidConfig:
    """Whether similar rows come together when sorted by a column."""

    by: ColumnName
    """Column to sort by; a table has no order of its own."""


@dataclass(frozen=True, kw_only=True)
class OrderFigures:
    """Whether rows that are alike come together."""

    by: Annotated[str, "the column that rows were sorted by"]
    significant: Annotated[float, "p below which their order matters"]
    rows: Annotated[int, "1 where it matters: the row that shows it most"]
    judged: Annotated[int, "rows that were compared"]
    statistic: Annotated[float | None, "of the Kolmogorov-Smirnov test"]
    p_value: float | None


def _sentences(found: OrderFigures, _: int) -> Iterator[str]:
    if found.rows:
        yield f"sorted by {found.by}, similar rows come together (p = {found.p_value:.3f})"


CHECK: Final = Check(
    name="non_iid",
    title="Row order",
    purpose="tests whether similar rows come one after the other",
    run="lakewinnow.checks.non_iid.stage:run",
    section=NonIidConfig,
    judges_vectors=True,
    is_issue=IS_ISSUE,
    score=SCORE,
    reads=("accepted", "checks/neighbors"),
    figures=OrderFigures,
    sentences=_sentences,
    nothing_found="similar rows do not come together",
)
