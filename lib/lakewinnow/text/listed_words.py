"""Words and phrases that the user has listed: found whole, whatever their case.

Texts are split once and looked up in sets, so that thousands of words cost what one does.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lakewinnow.text.rules import Rule

_WORD: Final = re.compile(r"\w+")
_EDGES: Final = ".,;:!?\"'()[]{}<>“”‘’…"


@dataclass(frozen=True)
class ListedWords:
    """Words by how they are found."""

    # phrases of letters, digits and underscores, by their first word
    plain: Mapping[str, frozenset[tuple[str, ...]]]
    # those with other characters in them (``f*ck``), by their first word
    spelt: Mapping[str, frozenset[tuple[str, ...]]]

    @classmethod
    def of(cls, lines: Iterable[str]) -> "ListedWords":
        """Take a word or a phrase from each line; blank lines and comments (``# …``) are none."""
        plain: dict[str, set[tuple[str, ...]]] = {}
        spelt: dict[str, set[tuple[str, ...]]] = {}
        for line in lines:
            entry = line.strip().casefold()
            if not entry or entry.startswith("#"):
                continue
            words = tuple(entry.split())
            is_plain = all(map(_WORD.fullmatch, words))
            words = words if is_plain else tuple(map(_bare, words))
            if all(words):
                (plain if is_plain else spelt).setdefault(words[0], set()).add(words)
        return cls(*({first: frozenset(of) for first, of in m.items()} for m in (plain, spelt)))

    def __len__(self) -> int:
        return sum(map(len, [*self.plain.values(), *self.spelt.values()]))

    def count(self, text: str) -> int:
        """Return how many listed words and phrases a text has; of several at one place, one."""
        text = text.casefold()
        n = _count(_WORD.findall(text), self.plain)
        if self.spelt:
            n += _count([_bare(word) for word in text.split()], self.spelt)
        return n


def _bare(word: str) -> str:
    return word.strip(_EDGES)


def _count(words: list[str], listed: Mapping[str, frozenset[tuple[str, ...]]]) -> int:
    n = 0
    for i, word in enumerate(words):
        phrases = listed.get(word)
        if phrases is not None:
            n += any(tuple(words[i : i + len(phrase)]) == phrase for phrase in phrases)
    return n


def listed_words_rule(words: ListedWords) -> Rule:
    """Return the rule that a text has none of these words."""
    return Rule("listed_words", lambda d: words.count(d.text), "{:,.0f} listed words", above=0)
