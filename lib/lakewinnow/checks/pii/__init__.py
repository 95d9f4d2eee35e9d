"""Personal data in texts, which can be taken out of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

from lakewinnow.errors import ConfigError
from lakewinnow.plan.check import Check, Column, Option, Rewriting
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.words import counted

if TYPE_CHECKING:
    from lakewinnow.config.sections import Config

IS_ISSUE: Final = "is_pii_issue"
SCORE: Final = "pii_score"  # 0 .. 1, lower is worse: 1 / (1 + places)
KINDS: Final = "pii_kinds"
FOUND: Final = "personal data: "  # begins what is said of a row
TAG: Final = "pii_tag"
REDACT: Final = "redact"
Kind = Literal["email", "iban", "card", "ip", "phone"]


@dataclass(frozen=True, kw_only=True)
class PiiConfig:
    """Personal data in texts."""

    kinds: tuple[Kind, ...] = get_args(Kind)
    """Which personal data to look for."""


def _problems(config: "Config") -> Iterator[ConfigError]:
    tag = config.clean.option(TAG)
    if re.search(r"[\d@:]", tag.replace("{kind}", "")):
        hint = "the default, ‹{kind}›, becomes ‹EMAIL› and so on"
        expected = "a tag without digits, @ or :, which could be taken for personal data"
        yield ConfigError("bad_tag", f"clean.{TAG}", expected, tag, hint)


@dataclass(frozen=True, kw_only=True)
class PiiFigures:
    """Personal data in texts."""

    rows: Annotated[int, "rows whose text has some"]
    rows_by_kind: Annotated[dict[str, int], "rows by kind; one may have several"]


def _sentences(found: PiiFigures, _: int) -> Iterator[str]:
    if found.rows:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in found.rows_by_kind.items() if n)
        yield f"{counted(found.rows, 'text')} ({kinds})"


CHECK: Final = Check(
    name="pii",
    title="Personal data",
    purpose="finds email addresses, phone, card and account numbers in texts",
    run="lakewinnow.checks.pii.stage:run",
    section=PiiConfig,
    judges_text=True,
    is_issue=IS_ISSUE,
    score=SCORE,
    others=(Column(KINDS, "array<string?>"),),
    actions=("drop", "review", REDACT, "keep"),
    rewriting={
        REDACT: Rewriting(
            text="lakewinnow.checks.pii.stage:redacting", found=FOUND, done="redacted: "
        )
    },
    options=(
        Option(
            TAG,
            str,
            "‹{kind}›",
            "What replaces personal data; {kind} becomes EMAIL, IBAN, CARD, IP or PHONE.",
        ),
    ),
    is_for_models=False,
    settings=("clean.pii", "input.id"),
    about_action="redact: the row stays, and a tag replaces what was found.",
    problems=_problems,
    cost=Cost(rows_per_second=50_000),
    figures=PiiFigures,
    sentences=_sentences,
    nothing_found="none was found in the texts",
)
