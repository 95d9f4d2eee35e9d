"""Rules as data: what is measured, the limit, and what is said of a text beyond it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from lakewinnow.text.document import Document

NOT_JUDGED: Final = math.nan  # what a measure gives for a text that it says nothing about
_SHOWN: Final = 3  # rules in what is said of a text

Measure = Callable[[Document], float]


@dataclass(frozen=True)
class Rule:
    """What a text may not be beyond."""

    name: str
    measure: Measure  # of a document; NaN where it cannot be judged, which no limit catches
    # what is wrong, with a place for the measure, or a function of document and measure
    says: str | Callable[[Document, float], str]
    # the limit: a text breaks the rule whose measure is above, or below, it
    above: float | None = None
    below: float | None = None
    source: str = ""  # where the rule is published

    def is_broken(self, value: float) -> bool:
        """Whether a measure is beyond the limit."""
        return (self.above is not None and value > self.above) or (
            self.below is not None and value < self.below
        )

    def score(self, value: float) -> float:
        """Return limit / measure (or measure / limit, below), from 0 to 1: 1 within the limit.

        Where the limit is 0 or less, which nothing can be a share of: 1 / (1 + what is beyond it).
        """
        if self.above is not None and value > self.above:
            return self.above / value if self.above > 0 else 1 / (1 + value - self.above)
        if self.below is not None and value < self.below:
            if self.below > 0:
                return max(0.0, value / self.below)
            return 1 / (1 + self.below - value)
        return 1.0

    def why(self, document: Document, value: float) -> str:
        """Say what is wrong with a text that breaks the rule."""
        if isinstance(self.says, str):
            return self.says.format(value)
        return self.says(document, value)


class TextVerdict(NamedTuple):
    """What rules say of a text."""

    score: float  # the least of the broken rules' scores; 1 where none is broken
    rules: tuple[str, ...]  # names of those that are broken, in the rules' order
    why: str | None  # what is wrong; None where none is broken


FINE: Final = TextVerdict(1.0, (), None)


def judge(text: str, rules: Sequence[Rule]) -> TextVerdict:
    """Hold a text against rules."""
    document = Document(text)
    broken = []
    for rule in rules:
        value = rule.measure(document)
        if rule.is_broken(value):
            broken.append((rule, value))
    if not broken:
        return FINE
    said = [rule.why(document, value) for rule, value in broken[:_SHOWN]]
    if len(broken) > _SHOWN:
        said.append(f"and {len(broken) - _SHOWN} more")
    score = min(rule.score(value) for rule, value in broken)
    return TextVerdict(score, tuple(rule.name for rule, _ in broken), ", ".join(said))
