"""Counts of what was done to runs, printed at the end."""

from collections import Counter

import pytest

COUNTS = Counter()


@pytest.fixture(scope="session")
def counts():
    return COUNTS


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        terminalreporter.section("faults")
        for fault, n in sorted(COUNTS.items()):
            terminalreporter.line(f"{n:>6,}  {fault}")
