"""Which checks there are: our own, in the order of their columns in issues/."""

from functools import cache
from importlib import import_module
from typing import Any, Final

from lakewinnow.plan.check import Check

# A folder of checks/ each. Listed, for a zip on --py-files has no folder to look into.
OWN: Final = (
    "exact_duplicates",
    "outliers",
    "imbalance",
    "nulls",
    "non_iid",
    "groups",
    "valuation",
    "near_duplicates",
    "text",
    "pii",
    "drift",
)


@cache
def own_checks() -> tuple[Check[Any], ...]:
    """Return our own checks."""
    return tuple(import_module(f"lakewinnow.checks.{name}").CHECK for name in OWN)
