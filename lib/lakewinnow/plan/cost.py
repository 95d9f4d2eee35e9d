"""What a stage takes, before it has ever run here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much there is to do; None where that is not known yet."""

    # N, D, K
    rows: int | None = None
    features: int | None = None
    classes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a stage takes."""

    passes: int = 1  # over its largest table, most often
    rows_per_second: float | None = None  # measured on two cores, on Sail; None: not measured
    # in place of that rate, where more than rows counts
    seconds: "Callable[[Config, Sizes], float | None] | None" = None
    # bytes of a task, where they grow with what the configuration allows
    task_memory: "Callable[[Config, Sizes], float | None] | None" = None


UNKNOWN: Final = Cost()


def product(*factors: float | None) -> float | None:
    """Return the product, None where a factor is not known."""
    found = 1.0
    for factor in factors:
        if factor is None:
            return None
        found *= factor
    return found
