"""Exact duplicates: rows that have the same text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lakewinnow.plan.check import Check
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.words import AlikeRows, rows_in_groups

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

IS_ISSUE: Final = "is_exact_duplicate_issue"
SET: Final = "exact_duplicate_set"  # smallest row_id among the rows of equal text
COPY_OF: Final = "exact_duplicate_of"  # the row of the set that stays for this one


@dataclass(frozen=True, kw_only=True)
class ExactDuplicatesConfig:
    """Rows with the same text (after Unicode NFC)."""


def _without_text(config: "Config") -> ExactDuplicatesConfig | None:
    """Return the default: equal probabilities alone do not make two rows the same."""
    return ExactDuplicatesConfig() if config.input.has_own_vectors else None


CHECK: Final = Check(
    name="exact_duplicates",
    title="Exact duplicates",
    purpose="finds rows that have the same text",
    run="lakewinnow.checks.exact_duplicates.stage:run",
    section=ExactDuplicatesConfig,
    default=ExactDuplicatesConfig(),
    without_text=_without_text,
    is_issue=IS_ISSUE,
    set_of=SET,
    copy_of=COPY_OF,
    action="drop",
    about_action="One row of each set stays.",
    cost=Cost(passes=2, rows_per_second=300_000),
    figures=AlikeRows,
    sentences=rows_in_groups,
    nothing_found="no two rows have the same text",
)
