"""Which of several decisions about a row wins."""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

_STRONGEST_FIRST: Final = ("drop", "review", "fix", "keep")


def rank(decision: Column) -> Column:
    """Return 1 for the decision that leaves least of a row, up to 4 for keep."""
    return F.array_position(F.array(*map(F.lit, _STRONGEST_FIRST)), decision)


def strongest(first: Column, *others: Column) -> Column:
    """Return, of what several checks want, what leaves least of a row."""
    ranks = [rank(decision) for decision in (first, *others)]
    least = F.least(*ranks) if others else ranks[0]
    return F.element_at(F.array(*map(F.lit, _STRONGEST_FIRST)), least.cast("int"))
