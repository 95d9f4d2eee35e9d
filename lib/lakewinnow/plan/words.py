"""Figures and sentences that several checks share, and numbers as a person would say them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class AlikeRows:
    """Rows that are alike, in sets."""

    sets: int
    rows: Annotated[int, "rows in them"]
    sets_whose_labels_differ: Annotated[int, "sets of rows with several labels"]


def counted(n: int, noun: str) -> str:
    """Return a number and what it counts, in the singular for one."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would give it in."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def rows_in_groups(found: AlikeRows, _: int) -> Iterator[str]:
    """Say how many rows a check has found to be alike, and how many groups have several labels."""
    if found.sets:
        n_differ = found.sets_whose_labels_differ
        labels = f"; in {counted(n_differ, 'group')} the labels differ" if n_differ else ""
        yield f"{counted(found.rows, 'row')} in {counted(found.sets, 'group')}{labels}"
