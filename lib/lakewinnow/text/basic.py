"""The default preset: what is wrong with a text of any length, a ticket or a question, too."""

from typing import Final

from lakewinnow.text import characters
from lakewinnow.text.document import Document
from lakewinnow.text.repetition import repeated_ngram_share, repeated_share
from lakewinnow.text.rules import NOT_JUDGED, Rule

_LEAST_LINES: Final = 4  # of which a repeated one means something
_LEAST_WORDS: Final = 20


def _repeated_lines(document: Document) -> float:
    lines = document.lines
    return repeated_share(lines) if len(lines) >= _LEAST_LINES else NOT_JUDGED


def _repeated_words(document: Document) -> float:
    if len(document.words) < _LEAST_WORDS:
        return NOT_JUDGED
    return repeated_ngram_share(document, 3)


BASIC: Final[tuple[Rule, ...]] = (
    Rule(name="few_words", measure=characters.n_words, says="{:,.0f} words with a letter", below=1),
    Rule(
        name="lost_characters",
        measure=characters.n_replaced,
        says="{:,.0f} characters lost in decoding (U+FFFD)",
        above=0,
    ),
    Rule(
        name="mojibake",
        measure=characters.n_mojibake,
        says="damaged encoding (mojibake) in {:,.0f} places",
        above=0,
        source="ftfy.badness, Speer 2019, doi 10.5281/zenodo.2591652",
    ),
    Rule(
        name="control_characters",
        measure=characters.n_controls,
        says="{:,.0f} control characters",
        above=0,
    ),
    Rule(
        name="symbols",
        measure=characters.symbol_share,
        says="{:.0%} of its characters are symbols",
        above=0.5,
    ),
    Rule(
        name="digits",
        measure=characters.digit_share,
        says="{:.0%} of its characters are digits",
        above=0.5,
    ),
    Rule(
        name="character_run",
        measure=characters.longest_run,
        says="one character {:,.0f} times in a row",
        above=20,
    ),
    Rule(
        name="long_word",
        measure=characters.longest_ascii_word,
        says="a word of {:,.0f} characters",
        above=200,
    ),
    Rule(
        name="repeated_lines",
        measure=_repeated_lines,
        says="{:.0%} of its lines are repeated",
        above=0.5,
    ),
    Rule(
        name="repeated_words",
        measure=_repeated_words,
        says="{:.0%} of it is in repeated sequences of 3 words",
        above=0.5,
    ),
)

# Without a limit of their own: they hold where `checks.text.rules` gives them one.
WITHOUT_LIMIT: Final[tuple[Rule, ...]] = (
    Rule(name="characters", measure=characters.n_characters, says="{:,.0f} characters"),
    Rule(name="words", measure=characters.n_words, says="{:,.0f} words with a letter"),
)
