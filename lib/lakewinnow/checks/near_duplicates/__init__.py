"""Near duplicates: rows whose texts are alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from lakewinnow.config.types import AtLeast, Between, Fraction
from lakewinnow.errors import ConfigError
from lakewinnow.plan.check import Check, Column
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.stage import Names
from lakewinnow.plan.words import AlikeRows, rows_in_groups

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

IS_ISSUE: Final = "is_near_duplicate_issue"
SCORE: Final = "near_duplicate_score"  # 0 .. 1, lower is worse
SET: Final = "near_duplicate_set"  # smallest row_id among the rows that are alike
COPY_OF: Final = "near_duplicate_of"  # the row of the set that stays for this one
LABELS_DIFFER: Final = "near_duplicate_labels_differ"  # null: in no set
_LEAST_JACCARD: Final = 0.3


@dataclass(frozen=True, kw_only=True)
class NearDuplicatesConfig:
    """Which rows count as the same although their texts are not equal."""

    by: Literal["text", "embedding"] = "text"
    """text | embedding (closer than a share of the usual distance, as in Datalab; the default where
    rows have no text)."""
    threshold: Fraction | None = None
    """By text: least Jaccard similarity of the shingles of two texts, 0.3 to 1; null: 0.8. By
    embedding: share of the median distance to the nearest row; null: 0.13."""
    shingle: Literal["character", "word"] = "character"
    """character (fits any language) | word."""
    shingle_size: Annotated[int, Between(1, 50)] | None = None
    """Characters or words in a shingle. null: 2 words, or 3, 5 or 8 characters for texts of up to
    200, up to 2,000 or more characters on average."""
    permutations: Annotated[int, Between(16, 1024)] = 256
    """Permutations of MinHash: more of them save needless comparisons. 97% or more of the
    pairs at the threshold are found, nearly all well above it."""
    seed: Annotated[int, AtLeast(0)] = 0
    """Seed of MinHash."""


@dataclass(frozen=True, kw_only=True)
class NearDuplicateFigures(AlikeRows):
    """Rows whose texts are alike, and how they were found."""

    by: Annotated[str, "text or embedding"]
    largest_set: Annotated[int, "rows in the largest set"]
    shingle_size: Annotated[int | None, "words of a shingle"] = None
    bands: Annotated[int | None, "groups of hashes"] = None
    rows_per_band: Annotated[int | None, "hashes in each"] = None
    recall_at_threshold: Annotated[float | None, "share of pairs at the threshold found"] = None
    candidates: Annotated[int | None, "pairs that were compared"] = None
    k: Annotated[int | None, "neighbours of each text"] = None
    metric: Annotated[str | None, "cosine or euclidean"] = None
    texts: Annotated[int | None, "distinct texts"] = None
    reference_texts: Annotated[int | None, "texts that these were compared with"] = None
    median: Annotated[float | None, "distance of a row to its nearest"] = None
    threshold: Annotated[float | None, "share of it within which rows are alike"] = None
    radius: Annotated[float | None, "distance within which rows are alike"] = None
    pairs: Annotated[int, "pairs of texts that are alike"]
    rounds: Annotated[int, "of joining pairs to sets; 0: in one task"]


def _without_text(config: "Config") -> NearDuplicatesConfig | None:
    return NearDuplicatesConfig(by="embedding") if config.has_vectors else None


def _reads(config: "Config") -> Names:
    section = config.checks.section(CHECK)
    by_embedding = section is not None and section.by == "embedding"
    return ("accepted", *(("checks/neighbors",) if by_embedding else ()))


def _problems(config: "Config") -> Iterator[ConfigError]:
    """Yield what is wrong with what rows are to be compared by, and how alike they are to be."""
    section, key = config.checks.section(CHECK), CHECK.key
    if section is None:
        return
    if section.by == "embedding" and not config.has_vectors:
        expected, hint = "text with input.pred_probs", "no text is embedded then"
        yield ConfigError("conflicting_inputs", f"{key}.by", expected, "embedding", hint)
    if section.by == "text" and config.input.text is None:
        expected, hint = "embedding, as rows have no text", "name their column in input.text"
        yield ConfigError("no_text", f"{key}.by", expected, "text", hint)
    if (
        section.by == "text"
        and section.threshold is not None
        and section.threshold < _LEAST_JACCARD
    ):
        expected = f"a number from {_LEAST_JACCARD:g} to 1 with by: text"
        hint = "texts with less in common are not near duplicates, and there are too many pairs"
        yield ConfigError("out_of_range", f"{key}.threshold", expected, section.threshold, hint)


CHECK: Final = Check(
    name="near_duplicates",
    title="Near duplicates",
    purpose="finds rows whose texts are nearly the same",
    run="lakewinnow.checks.near_duplicates.stage:run",
    section=NearDuplicatesConfig,
    default=NearDuplicatesConfig(),
    without_text=_without_text,
    is_issue=IS_ISSUE,
    score=SCORE,
    set_of=SET,
    copy_of=COPY_OF,
    others=(Column(LABELS_DIFFER, "boolean"),),
    about_action="One row of each set stays.",
    problems=_problems,
    reads=_reads,
    cost=Cost(passes=3, rows_per_second=20_000),
    figures=NearDuplicateFigures,
    sentences=rows_in_groups,
    nothing_found="no two texts are nearly the same",
)
