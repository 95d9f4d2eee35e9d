"""What the checks beside label issues found, in words: the same on the terminal and on a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lakewinnow.plan.check import Check

_LEAST_P: Final = 0.001
# By kind of a test of drift: what it looks at, and what it measures.
_TESTS: Final[Mapping[str, tuple[str, str]]] = {
    "labels": ("labels", "PSI"),
    "text": ("texts: {}", "gap"),
    "classifier": ("embeddings: classifier", "AUC"),
    "distance": ("embeddings: distance", "energy distance"),
    "noise": ("label noise", "share"),
}


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


def test_in_words(test: Any) -> tuple[str, str, str]:
    """Say what a test of drift looks at, what it has measured, and how likely that is by chance."""
    what, measure = _TESTS[test.kind]
    p = test.adjusted_p
    return (
        what.format(test.name.replace("_", " ")),
        f"{measure} {test.effect:.3f}",
        f"{p:.3f}" if p >= _LEAST_P else f"< {_LEAST_P}",
    )
