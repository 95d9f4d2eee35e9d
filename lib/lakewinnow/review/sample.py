"""What is known of a sample for review: its strata, and how the flagged rows lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Stratum:
    """Rows that one of them stands for as well as another."""

    is_label_issue: bool
    label: str | None  # the class that they are given; None: any that has no stratum of its own
    # what the label score lies between
    score_above: float
    score_to: float
    # how many there are, and are in the sample
    rows: int
    drawn: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of a sample beside its rows; the content of sample.json."""

    id: str  # a hash of its rows
    rows: int
    decided: int  # rows that were left out, since the user had decided them
    classes: Sequence[str]
    strata: Sequence[Stratum]
    # [edge, rows] of the flagged rows by label score, and of those that have another label
    # suggested by the probability of that
    flagged_by_score: Sequence[tuple[float, int]]
    fixes_by_prob: Sequence[tuple[float, int]]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return what `asdict` made a mapping of."""
        return cls(**{**content, "strata": [Stratum(**of) for of in content["strata"]]})
