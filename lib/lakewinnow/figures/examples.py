"""The examples that the report shows: what no other stage has written down."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Rows by label score, from 0 to 1 in equal bins."""

    kept: list[int]
    flagged: list[int]


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """Rows whose label was put right in the same way."""

    given: str
    new: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class LabelExample:
    """A label issue; its fields are columns of issues/."""

    row_id: str
    text_preview: str
    given_label: str
    predicted_label: str
    suggested_label: str
    suggested_prob: float
    label_score: float
    decision: str


@dataclass(frozen=True, kw_only=True)
class ListedExample:
    """A row of bad score by a check; its other fields are columns of issues/."""

    row_id: str
    text_preview: str
    given_label: str
    score: float
    decision: str


@dataclass(frozen=True, kw_only=True)
class DuplicateExample:
    """A row of a set of duplicates; its fields are columns of issues/."""

    row_id: str
    text_preview: str
    given_label: str
    decision: str


@dataclass(frozen=True, kw_only=True)
class DuplicateSet:
    """Rows that are duplicates of each other."""

    set: Annotated[str, "its name in issues/"]
    rows: int
    labels: Annotated[int, "different labels in it"]
    examples: list[DuplicateExample]


@dataclass(frozen=True, kw_only=True)
class GroupExample:
    """A row that a check of the whole input lists: drift, those least like the reference."""

    row_id: str
    group: str
    score: float
    given_label: str
    text_preview: str


@dataclass(frozen=True, kw_only=True)
class Examples:
    """All of them."""

    histogram: Histogram
    histograms: Annotated[dict[str, Histogram], "of the classes with most label issues"]
    changes: list[LabelChange]
    worst: Annotated[dict[str, list[LabelExample]], "label issues by class, the worst first"]
    listed: Annotated[dict[str, list[ListedExample]], "the rows of worst score, by check"]
    sets: Annotated[dict[str, list[DuplicateSet]], "the largest, by check"]
    grouped: Annotated[
        dict[str, dict[str, list[GroupExample]]], "by check, and by what it compared"
    ]
