"""Language mismatch: texts in another language than most texts of their class."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from lakewinnow.config.types import AtLeast, Fraction
from lakewinnow.plan.check import Check, Column
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.words import counted

IS_ISSUE: Final = "is_language_mismatch_issue"
SCORE: Final = "language_mismatch_score"  # 1 less the probability of the other language; else 1
LANGUAGE: Final = "language_mismatch_language"  # of the text; null: too short to tell
_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class LanguageMismatchConfig:
    """Texts in another language than most texts of their class."""

    min_prob: Fraction = 0.9
    """Lowest probability of the other language that counts."""
    min_bytes: Annotated[int, AtLeast(0)] = 40
    """Texts with fewer UTF-8 bytes are not judged."""


@dataclass(frozen=True, kw_only=True)
class LanguageMismatchFigures:
    """Texts in another language than most of their class."""

    rows: Annotated[int, "rows in another language than most of their class"]
    rows_by_language: Annotated[dict[str, int], "these rows by their language"]
    judged: Annotated[int, "rows whose text is long enough to be judged"]
    languages: Annotated[dict[str, str], "of each class that most texts are of one language of"]


def _sentences(found: LanguageMismatchFigures, _: int) -> Iterator[str]:
    if found.rows:
        most = sorted(found.rows_by_language.items(), key=lambda of: (-of[1], of[0]))
        shown = ", ".join(f"{n:,} {language}" for language, n in most[:_SHOWN])
        more = " …" if len(most) > _SHOWN else ""
        judged = f"{found.judged:,} long enough to judge"
        yield f"{counted(found.rows, 'text')} of {judged} ({shown}{more})"


CHECK: Final = Check(
    name="language_mismatch",
    title="Other languages",
    purpose="finds texts in another language than most texts of their class",
    run="lakewinnow.checks.language_mismatch.stage:run",
    section=LanguageMismatchConfig,
    judges_text=True,
    is_issue=IS_ISSUE,
    score=SCORE,
    others=(Column(LANGUAGE, "string"),),
    writes=("checks/languages",),
    cost=Cost(passes=2, rows_per_second=2_000),
    figures=LanguageMismatchFigures,
    sentences=_sentences,
    nothing_found="no text is in another language than most texts of its class",
    lists_rows=True,
)
