"""What the checks beside label issues found, in words: the same on the terminal and on a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakewinnow.plan.check import Check


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    title: str  # of the check
    is_any: bool  # whether it found something
    lines: tuple[str, ...]  # sentences; the first says it all, the others more of it


def of_checks(
    checks: Iterable[Check[Any]], figures: Mapping[str, Any], n_rows: int
) -> list[Finding]:
    """Return what each check found that the run made.

    Parameters
    ----------
    figures : by check
    n_rows : accepted
    """
    findings = []
    for check in checks:
        if check.name in figures:
            lines = tuple(check.sentences(figures[check.name], n_rows))
            shown = lines or (check.nothing_found,)
            findings.append(Finding(check.name, check.title, bool(lines), shown))
    return findings
