"""Drift: whether rows are still like those of a reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from lakewinnow.config.types import AtLeast, Between, ColumnName, FileFormat, ReadPath
from lakewinnow.errors import ConfigError
from lakewinnow.plan.check import Check, rewriting_settings
from lakewinnow.plan.words import counted

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

GROUP: Final = "drift_group"  # what was compared: a value of the column, or "this run"
SCORE: Final = "drift_score"  # P(not of the reference), by a model that has not seen the row


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


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """Whether rows are still like those of a reference: labels, texts, vectors, label noise."""

    reference: ReadPath | None = None
    """Another run's workspace, or a table with the input's columns. null, and `by` null: nothing is
    compared."""
    format: FileFormat | None = None
    """Format of a reference that is a table. null: taken from its ending."""
    by: ColumnName | None = None
    """Instead of a reference, a column of the input such as a source or a date (taken by month):
    the rows of each value are compared with the others, for at most 12 values."""
    max_texts: Annotated[int, AtLeast(100)] = 5000
    """Texts of either side whose vectors are compared (a sample if there are more). A task's peak
    memory is about this × dimensions × 40 bytes + 100 MB."""
    false_alarms: Annotated[float, Between(0.01, 0.5)] = 0.05
    """Chance that all tests together find drift where there is none."""

    @property
    def is_asked(self) -> bool:
        """Whether there is anything to compare with."""
        return self.reference is not None or self.by is not None


def _problems(config: "Config") -> Iterator[ConfigError]:
    """Yield what is wrong with what rows are compared with."""
    section, key, source = config.checks.section(CHECK), CHECK.key, config.input
    if section is None:
        return
    if section.reference is not None and section.by is not None:
        expected, hint = f"null when {key}.reference is set", "set one of the two"
        yield ConfigError("conflicting_keys", f"{key}.by", expected, section.by, hint)
    if section.reference is None and section.format is not None:
        expected = f"null when {key}.reference is null"
        yield ConfigError("unused_key", f"{key}.format", expected, section.format)
    if section.by is not None and section.by in (source.text, source.label):
        expected = "a different column from input.text and input.label"
        hint = "for example a source or a date"
        yield ConfigError("same_column", f"{key}.by", expected, section.by, hint)


def sentences(found: DriftFigures, _: int = 0) -> Iterator[str]:
    """Say what has drifted from what, a sentence for each comparison that has found something."""
    compared = found.comparisons
    if not compared:
        yield "Nothing was compared: there are too few rows."
        return
    drifted = [one for one in compared if one.detected]
    for one in drifted:
        what = "; ".join(_drifted(one))
        yield f"{one.of} is unlike {one.against}: {what}."
    n_tests = sum(len(one.tests) for one in compared)
    if not drifted:
        names = ", ".join(one.of for one in compared)
        yield (
            f"None was found: {names} against {compared[0].against}, by"
            f" {counted(n_tests, 'test')}. Where nothing has drifted, they give a false alarm in"
            f" {found.false_alarms:.0%} of the cases."
        )
    for what, reason in found.left_out.items():
        yield f"Not compared: {what} ({reason})."


def _drifted(one: Compared) -> Iterator[str]:
    for test in one.tests:
        if not test.is_drift:
            continue
        if test.kind == "text":
            text, name = (one.texts or {})[test.name], test.name.replace("_", " ")
            yield f"{name} (median {text.median:g}, not {text.reference_median:g})"
        elif test.kind == "labels":
            changed = [
                f"{name} {of.share:.1%}, not {of.reference_share:.1%}"
                for name, of in list(one.labels.changed.items())[:3]
            ]
            yield f"labels (PSI {test.effect:.2f}" + "".join(f"; {of}" for of in changed) + ")"
        elif test.kind == "classifier":
            yield f"embeddings (a classifier tells them apart with an AUC of {test.effect:.2f})"
        elif test.kind == "distance":
            yield f"embeddings (energy distance {test.effect:.2f})"
        else:
            yield f"label noise ({test.effect:.1%} of the labels are given differently)"


CHECK: Final = Check(
    name="drift",
    title="Drift",
    purpose="compares the rows with those of a reference, or with each other by a column",
    run="lakewinnow.pipeline.drift:compare",
    section=DriftConfig,
    default=DriftConfig(),
    is_asked=lambda section: section.is_asked,
    actions=(),
    problems=_problems,
    opens="lakewinnow.pipeline.drift:open_reference",
    reads=("accepted", "pred_probs", "noise_model.json", "vectors?", "candidates?"),
    settings=rewriting_settings,
    score=SCORE,
    group=GROUP,
    lists_rows=True,
    figures=DriftFigures,
    sentences=sentences,
    nothing_found="nothing has drifted",
)
