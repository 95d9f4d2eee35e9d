"""Rare classes: rows of a class that is too rare to be learnt."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from lakewinnow.config.types import Fraction
from lakewinnow.plan.check import Check
from lakewinnow.plan.cost import Cost

IS_ISSUE: Final = "is_class_imbalance_issue"
SCORE: Final = "class_imbalance_score"  # the share of the rarest class; of other rows 1


@dataclass(frozen=True, kw_only=True)
class ImbalanceConfig:
    """When a class is too rare."""

    threshold: Fraction = 0.1
    """A class is too rare if its share of the rows is below this / number of classes."""


@dataclass(frozen=True, kw_only=True)
class ImbalanceFigures:
    """Classes that are too rare."""

    rows: Annotated[int, "rows of the rarest class, where it is too rare"]
    rarest: Annotated[str, "the rarest class that has rows"]
    share: Annotated[float, "of the rows that it has"]
    limit: Annotated[float, "share below which a class is too rare"]
    rare: Annotated[list[str], "classes below it"]
    without_rows: Annotated[list[str], "classes of the configuration that no row has"]


def _sentences(found: ImbalanceFigures, _: int) -> Iterator[str]:
    if found.rare:
        yield f"{', '.join(found.rare)}; the rarest has {found.share:.2%} of the rows"


CHECK: Final = Check(
    name="imbalance",
    title="Rare classes",
    purpose="finds classes that are too rare to be learnt",
    run="lakewinnow.checks.imbalance.stage:run",
    section=ImbalanceConfig,
    default=ImbalanceConfig(),
    is_issue=IS_ISSUE,
    score=SCORE,
    reads=("accepted", "noise_model.json"),
    about_action="The rows of the rarest class, if it is too rare.",
    cost=Cost(rows_per_second=500_000),
    figures=ImbalanceFigures,
    sentences=_sentences,
    nothing_found="no class is too rare",
)
