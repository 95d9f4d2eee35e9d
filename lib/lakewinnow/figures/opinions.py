"""What annotators say of the rows, and how often each is right."""

from dataclasses import dataclass, field
from typing import Annotated

from lakewinnow.figures.rows import Counts


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """What became of the lines of `input.annotations`."""

    read: Annotated[int, "annotations"]
    unused: Annotated[Counts, "annotations that could not be used by error code"]


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """One who says which labels rows have, and how often that is right."""

    annotator: Annotated[str, "the name; empty: those of its kind who said little, together"]
    kind: Annotated[str, "annotation, function or llm"]
    n: Annotated[int, "opinions"]
    quality: Annotated[float, "share of right opinions, if classes are as frequent as in the input"]
    # of a 95% interval
    quality_low: float
    quality_high: float
    worst_class: Annotated[str, "the class whose rows it most often calls another"]
    confusion: Annotated[
        list[list[float]] | None,
        "by label it says (rows) and true label (columns), in the order of `classes`; of few"
        " classes and the first annotators",
    ] = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The rows of which one more opinion is worth most."""

    rows: int
    gain: Annotated[float, "labels more that would be right, if each got one more opinion"]
    by_chance: Annotated[float, "the same of as many rows that are drawn at random"] = 0.0
    curve: Annotated[
        list[float], "the same of the first rows, in equal steps up to all of them"
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Opinions:
    """What annotators say beside the given labels, and what it shows of them and of the labels."""

    n: Annotated[int, "opinions"]
    rows: Annotated[int, "rows that have some"]
    n_annotators: int
    wrong_labels: Annotated[float, "share of given labels that are wrong, as opinions show it"]
    classes: Annotated[list[str], "in the order of the confusions"]
    annotators: Annotated[list[Annotator], "those of most opinions first"]
