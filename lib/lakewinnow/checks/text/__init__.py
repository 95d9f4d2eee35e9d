"""Texts: those that are damaged, repeat themselves or are otherwise not what one would train on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from lakewinnow.config.types import AtLeast, Fraction, ReadPath
from lakewinnow.plan.check import Check, Column
from lakewinnow.plan.cost import Cost
from lakewinnow.plan.words import counted

IS_ISSUE: Final = "is_text_issue"
SCORE: Final = "text_score"  # 0 .. 1, lower is worse: limit / measure of the worst rule
RULES: Final = "text_rules"  # names of the rules that the text breaks
_SHOWN_RULES: Final = 5


@dataclass(frozen=True, kw_only=True)
class TextRuleConfig:
    """A rule for texts that no preset has, or one with another limit."""

    use: str
    """The name of a rule, or the import path of a function of a text."""
    above: float | None = None
    """The text is an issue if the measure is above this."""
    below: float | None = None
    """The text is an issue if the measure is below this."""
    name: str | None = None
    """Name of the rule in text_rules. null: the last part of `use`."""


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Rules that every text must keep, whatever its label; rows without text are not judged."""

    presets: tuple[Literal["basic", "gopher_quality", "gopher_repetition", "c4"], ...] = ("basic",)
    """basic (any text: damaged encoding, symbols, repetition) | gopher_quality |
    gopher_repetition | c4: the published rules for web documents."""
    rules: tuple[TextRuleConfig, ...] = ()
    """More rules, or with other limits: {use: digits, above: 0.3}, {use: characters, below: 20}.
    Your own, a function of a text: {use: mypackage.rules.too_shouty, above: 0.5}."""
    without: tuple[str, ...] = ()
    """Names of preset rules to leave out."""
    words: ReadPath | None = None
    """A file of words and phrases that no text may contain, one per line."""
    languages: tuple[str, ...] = ()
    """Codes of the languages you want: [en, de]."""
    min_language_prob: Fraction = 0.2
    """Lowest probability of these languages, added up."""
    min_language_bytes: Annotated[int, AtLeast(0)] = 40
    """The language of texts with fewer UTF-8 bytes is not judged."""


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """How many texts break a rule."""

    rule: Annotated[str, "its name"]
    above: Annotated[float | None, "the most that a text may measure"] = None
    below: Annotated[float | None, "the least that a text may measure"] = None
    before: Annotated[int, "texts that break none of the rules before it"]
    after: Annotated[int, "of these, texts that do not break it either"]
    alone: Annotated[int, "texts that break it, whatever else they break"]
    source: Annotated[str | None, "where it is published"]


@dataclass(frozen=True, kw_only=True)
class TextFigures:
    """Texts that break rules."""

    rows: Annotated[int, "rows whose text breaks a rule"]
    rules: Annotated[list[BrokenRule], "in the order in which texts come to them"]


def _sentences(found: TextFigures, _: int) -> Iterator[str]:
    if not found.rows:
        return
    broken = sorted((-of.alone, of.rule) for of in found.rules if of.alone)
    rules = ", ".join(f"{-n:,} {name}" for n, name in broken[:_SHOWN_RULES])
    more = " …" if len(broken) > _SHOWN_RULES else ""
    yield f"{counted(found.rows, 'row', 'breaks')} a rule ({rules}{more})"
    for rule in found.rules:
        if rule.alone:
            passed = f"{counted(rule.before, 'text')} reached it and {rule.after:,} passed"
            yield f"{rule.rule}: {counted(rule.alone, 'row')}; {passed}"


CHECK: Final = Check(
    name="text",
    title="Texts",
    purpose="finds texts that are damaged, repeat themselves or break your rules",
    run="lakewinnow.checks.text.stage:run",
    section=TextConfig,
    default=TextConfig(),
    judges_text=True,
    is_issue=IS_ISSUE,
    score=SCORE,
    others=(Column(RULES, "array<string?>"),),
    preflight="lakewinnow.checks.text.registry:check",
    code=lambda section: tuple(rule.use for rule in section.rules if "." in rule.use),
    outside=("checks.text.words",),
    cost=Cost(rows_per_second=55_000),
    figures=TextFigures,
    sentences=_sentences,
    nothing_found="no text breaks a rule",
)
