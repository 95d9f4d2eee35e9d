"""Groups: rows of a kind that the classifier does badly on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from lakewinnow.config.types import AtLeast, ColumnName, Count, Fraction
from lakewinnow.errors import ConfigError
from lakewinnow.plan.check import Check, Column, rewriting_settings
from lakewinnow.plan.stage import Names
from lakewinnow.plan.words import counted

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

IS_ISSUE: Final = "is_underperforming_group_issue"
SCORE: Final = "underperforming_group_score"  # ratio of mean confidences
GROUP: Final = "underperforming_group"  # the group that the score is of


@dataclass(frozen=True, kw_only=True)
class GroupsConfig:
    """Groups of rows that the classifier does badly on, by values of columns and by clusters."""

    columns: tuple[ColumnName, ...] = ()
    """Columns whose values make groups."""
    clusters: bool = True
    """Clusters of similar rows make groups too."""
    threshold: Fraction = 0.1
    """A group is an issue if its mean self-confidence is below this share of the overall mean."""
    min_rows: Count = 5
    """Smaller groups are never flagged."""
    max_distance: Annotated[float, AtLeast(0)] = 0.5
    """Largest distance between neighbours in a cluster."""


def _has_clusters(config: "Config") -> bool:
    section = config.checks.section(CHECK)
    return section is not None and section.clusters and config.has_vectors


def _reads(config: "Config") -> Names:
    neighbors = ("checks/neighbors",) if _has_clusters(config) else ()
    return ("pred_probs", "accepted", *neighbors)


def _writes(config: "Config") -> Names:
    return ("checks/group_members", *(("checks/clusters",) if _has_clusters(config) else ()))


def _problems(config: "Config") -> Iterator[ConfigError]:
    section = config.checks.section(CHECK)
    if section is not None and not section.columns and not _has_clusters(config):
        expected, hint = "at least one, as rows are not clustered", "for example [source]"
        yield ConfigError("no_groups", f"{CHECK.key}.columns", expected, [], hint)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that have a value of a column, or are near to each other."""

    by: Annotated[str, "the column, or cluster"]
    group: Annotated[str, "the value"]
    rows: int
    score: Annotated[float, "mean self-confidence as a share of all rows'"]
    is_issue: bool


@dataclass(frozen=True, kw_only=True)
class GroupFigures:
    """Groups that the classifier does badly on."""

    rows: Annotated[int, "rows of such groups"]
    worst: Annotated[list[Group], "the worst group of each column, and of the clusters"]
    threshold: Annotated[float, "score below which a group is an issue"]


def _sentences(found: GroupFigures, _: int) -> Iterator[str]:
    for group in found.worst:
        if group.is_issue:
            yield (
                f"{counted(group.rows, 'row')} of {group.by} {group.group}: the"
                f" classifier's confidence in their labels is {group.score:.0%} of the average"
            )


CHECK: Final = Check(
    name="groups",
    title="Weak groups",
    purpose="finds groups of rows that the classifier does badly on",
    run="lakewinnow.checks.groups.stage:run",
    section=GroupsConfig,
    is_issue=IS_ISSUE,
    score=SCORE,
    others=(Column(GROUP, "string"),),
    problems=_problems,
    reads=_reads,
    writes=_writes,
    settings=rewriting_settings,
    figures=GroupFigures,
    sentences=_sentences,
    nothing_found="the classifier does about as well on every group as on all rows",
)
