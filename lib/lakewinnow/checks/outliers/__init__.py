"""Outliers: rows that are like no others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from lakewinnow.config.types import Fraction
from lakewinnow.errors import ConfigError
from lakewinnow.plan.check import Check
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.stage import Names
from lakewinnow.plan.words import counted

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

IS_ISSUE: Final = "is_outlier_issue"
SCORE: Final = "outlier_score"  # 0 .. 1, lower is worse


@dataclass(frozen=True, kw_only=True)
class OutliersConfig:
    """Which rows are unlike all others."""

    by: Literal["auto", "embedding", "pred_probs"] = "auto"
    """embedding (mean distance to the nearest rows) | pred_probs | auto (embedding if there are
    vectors)."""
    threshold: Fraction | None = None
    """Higher flags more. null: cleanlab's, 0.37037 by embedding and 0.13 by pred_probs."""
    method: Literal["entropy", "least_confidence"] = "entropy"
    """How pred_probs are judged."""

    def judged_by(self, has_vectors: bool) -> Literal["embedding", "pred_probs"]:  # noqa: FBT001
        """Return what the rows are judged by: vectors, where there are some."""
        if self.by == "auto":
            return "embedding" if has_vectors else "pred_probs"
        return self.by


@dataclass(frozen=True, kw_only=True)
class OutlierFigures:
    """Rows that are like no others, and by what they were judged."""

    rows: Annotated[int, "outliers"]
    by: Annotated[str, "embedding or pred_probs"]
    method: Annotated[str | None, "how pred_probs were judged"] = None
    k: Annotated[int | None, "neighbours of each text"] = None
    metric: Annotated[str | None, "cosine or euclidean"] = None
    texts: Annotated[int | None, "distinct texts"] = None
    reference_texts: Annotated[int | None, "texts that these were compared with"] = None
    q1: Annotated[float | None, "first quartile of the distances"] = None
    median: Annotated[float | None, "of distances, or certainties"] = None
    q3: Annotated[float | None, "third quartile of the distances"] = None
    threshold: Annotated[float, "as configured"]
    cutoff: Annotated[float, "distance above which, or certainty below which, rows are outliers"]


def _reads(config: "Config") -> Names:
    section = config.checks.section(CHECK)
    if section is not None and section.judged_by(config.has_vectors) == "embedding":
        return ("accepted", "checks/neighbors")
    return ("pred_probs", "noise_model.json")


def _problems(config: "Config") -> Iterator[ConfigError]:
    section = config.checks.section(CHECK)
    if section is not None and section.by == "embedding" and not config.has_vectors:
        expected, hint = "pred_probs with input.pred_probs", "no text is embedded then"
        yield ConfigError("conflicting_inputs", f"{CHECK.key}.by", expected, section.by, hint)


def _sentences(found: OutlierFigures, n_rows: int) -> Iterator[str]:
    if not found.rows:
        return
    if found.by == "pred_probs":
        have = counted(found.rows, "row", "has", of=n_rows)
        yield f"{have} probabilities that favour no class (by {found.method})"
        return
    n_texts, n_reference = found.texts or 0, found.reference_texts or 0
    sampled = f" (compared with {n_reference:,} of {counted(n_texts, 'text')})"
    rows = counted(found.rows, "row", "is", of=n_rows)
    yield (
        f"{rows} farther than {found.cutoff:.2f} from the {found.k} nearest rows;"
        f" {found.median:.2f} is usual{sampled if n_reference < n_texts else ''}"
    )


CHECK: Final = Check(
    name="outliers",
    title="Outliers",
    purpose="finds rows that are far from all others",
    run="lakewinnow.checks.outliers.stage:run",
    section=OutliersConfig,
    default=OutliersConfig(),
    is_issue=IS_ISSUE,
    score=SCORE,
    reads=_reads,
    problems=_problems,
    cost=Cost(passes=2, rows_per_second=150_000),
    figures=OutlierFigures,
    sentences=_sentences,
    nothing_found="no row is far from all others",
    lists_rows=True,
)
