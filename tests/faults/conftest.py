"""Counts of what was done to runs, printed at the end; places where runs are disturbed."""

from collections import Counter

import pytest

from faults.places import beginning

COUNTS = Counter()


@pytest.fixture(scope="session")
def counts():
    return COUNTS


@pytest.fixture(scope="session")
def before(tmp_path_factory):
    """A place whose next run is to be disturbed, and what the undisturbed one comes to: on Sail."""
    return beginning(tmp_path_factory.mktemp("before"))


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        terminalreporter.section("faults")
        for fault, n in sorted(COUNTS.items()):
            terminalreporter.line(f"{n:>6,}  {fault}")
