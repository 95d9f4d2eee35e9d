"""What drift has found, as summary.json has it."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class DriftTest:
    """A test of a comparison."""

    kind: Annotated[str, "labels, text, classifier, distance or noise"]
    name: Annotated[str, "the kind, or which number of the texts"]
    p: Annotated[float, "by itself"]
    effect: Annotated[float, "what was measured"]
    adjusted_p: Annotated[float, "for all tests of the run together"]
    least_effect: Annotated[float, "effect from which it matters"]
    is_drift: bool


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """How frequent a class is."""

    share: float
    reference_share: float


@dataclass(frozen=True, kw_only=True)
class LabelDriftFigures:
    """How the shares of the classes have changed."""

    psi: Annotated[float, "population stability index"]
    statistic: Annotated[float, "of the chi-squared test"]
    df: Annotated[int, "degrees of freedom; 0: too little to test"]
    p: float
    changed: Annotated[dict[str, ClassChange], "by class, those that have changed most first"]


@dataclass(frozen=True, kw_only=True)
class TextDriftFigures:
    """How a number of the texts has changed."""

    median: float
    reference_median: float
    distance: Annotated[float, "greatest gap of the two distributions"]


@dataclass(frozen=True, kw_only=True)
class EmbeddingDriftFigures:
    """How the embeddings have changed."""

    texts: Annotated[int, "distinct texts that were compared"]
    auc: Annotated[float, "of a classifier that tells the two sides apart"]
    auc_low: float
    auc_high: float
    distance: Annotated[float, "energy distance"]


@dataclass(frozen=True, kw_only=True)
class NoiseDriftFigures:
    """How the label noise has changed."""

    distance: Annotated[float, "share of the labels that are given differently"]
    statistic: Annotated[float, "of the chi-squared test"]
    df: Annotated[int, "degrees of freedom; 0: too little to test"]
    p: float
    changed: Annotated[dict[str, float], "the same share by true class"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Rows beside others."""

    of: Annotated[str, "what was compared: this run, or a value of the column"]
    against: str
    rows: int
    reference_rows: int
    detected: Annotated[bool, "whether any test has found drift"]
    tests: list[DriftTest]
    labels: LabelDriftFigures
    texts: Annotated[dict[str, TextDriftFigures] | None, "by what was measured of them"] = None
    embeddings: EmbeddingDriftFigures | None = None
    noise: NoiseDriftFigures | None = None


@dataclass(frozen=True, kw_only=True)
class DriftFigures:
    """Whether rows are like those of a reference."""

    detected: Annotated[bool, "whether any comparison has found drift"]
    false_alarms: Annotated[float, "chance of a false alarm"]
    reference: Annotated[str | None, "path of the reference"]
    by: Annotated[str | None, "column that rows were split by"]
    comparisons: list[Compared]
    left_out: Annotated[dict[str, str], "what was not compared, and why"]
    groups_left_out: Annotated[int, "values of the column that were not compared"]
