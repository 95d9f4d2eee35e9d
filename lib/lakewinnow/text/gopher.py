"""The rules that filtered MassiveText, the corpus of Gopher, as two presets.

Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher",
arXiv 2112.11446, appendix A.1.1, "Quality Filtering" and "Repetition Removal" with Table A1.
Each limit is the paper's. They are for documents of the web, in English and other languages with
white space between words. The paper does not say what a word is: here, what white space separates.
"""

from functools import partial
from typing import Final

from lakewinnow.text.document import Document
from lakewinnow.text.repetition import (
    repeated_character_share,
    repeated_ngram_share,
    repeated_share,
    top_ngram_share,
)
from lakewinnow.text.rules import NOT_JUDGED, Rule

_QUALITY: Final = "Rae et al. 2021, A.1.1, Quality Filtering"
_REPETITION: Final = "Rae et al. 2021, A.1.1, Repetition Removal, Table A1"
_STOP_WORDS: Final = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_BULLETS: Final = ("•", "‣", "◦", "▪", "●", "-", "*")
_ELLIPSES: Final = ("...", "…")


def _n_words(document: Document) -> float:
    return len(document.words)


def _mean_word_length(document: Document) -> float:
    n_words = len(document.words)
    return document.n_inked / n_words if n_words else NOT_JUDGED


def _hashes(document: Document) -> float:
    return _a_word(document, document.text.count("#"))


def _ellipses(document: Document) -> float:
    return _a_word(document, sum(map(document.text.count, _ELLIPSES)))


def _a_word(document: Document, n: int) -> float:
    return n / len(document.words) if document.words else NOT_JUDGED


def _bullets(document: Document) -> float:
    return _of_lines(document, sum(line.startswith(_BULLETS) for line in document.lines))


def _line_ellipses(document: Document) -> float:
    return _of_lines(document, sum(line.endswith(_ELLIPSES) for line in document.lines))


def _of_lines(document: Document, n: int) -> float:
    return n / len(document.lines) if document.lines else NOT_JUDGED


def _alphabetic(document: Document) -> float:
    n = sum(word.isalpha() or any(map(str.isalpha, word)) for word in document.words)
    return _a_word(document, n)


def _stop_words(document: Document) -> float:
    found = {word.strip(".,;:!?\"'()") for word in document.text.lower().split()}
    return len(_STOP_WORDS & found)


def _quality(name: str, measure: object, says: str, **limit: float) -> Rule:
    return Rule(name=f"gopher_{name}", measure=measure, says=says, source=_QUALITY, **limit)  # type: ignore[arg-type]


QUALITY: Final[tuple[Rule, ...]] = (
    _quality("few_words", _n_words, "{:,.0f} words", below=50),
    _quality("many_words", _n_words, "{:,.0f} words", above=100_000),
    _quality("short_words", _mean_word_length, "words of {:.1f} characters on average", below=3),
    _quality("long_words", _mean_word_length, "words of {:.1f} characters on average", above=10),
    _quality("hashes", _hashes, "{:.2f} hash signs a word", above=0.1),
    _quality("ellipses", _ellipses, "{:.2f} ellipses a word", above=0.1),
    _quality("bullets", _bullets, "{:.0%} of its lines begin with a bullet", above=0.9),
    _quality("line_ellipses", _line_ellipses, "{:.0%} of its lines end in an ellipsis", above=0.3),
    _quality("alphabetic", _alphabetic, "{:.0%} of its words have a letter", below=0.8),
    _quality(
        "stop_words", _stop_words, "{:.0f} of the, be, to, of, and, that, have, with", below=2
    ),
)


def _lines(document: Document) -> float:
    return repeated_share(document.lines)


def _paragraphs(document: Document) -> float:
    return repeated_share(document.paragraphs)


def _line_characters(document: Document) -> float:
    return repeated_character_share(document.lines)


def _paragraph_characters(document: Document) -> float:
    return repeated_character_share(document.paragraphs)


def _repetition(name: str, measure: object, says: str, above: float) -> Rule:
    how = {"measure": measure, "says": says, "above": above, "source": _REPETITION}
    return Rule(name=f"gopher_{name}", **how)  # type: ignore[arg-type]


_TOP: Final = {2: 0.20, 3: 0.18, 4: 0.16}
_REPEATED: Final = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

REPETITION: Final[tuple[Rule, ...]] = (
    _repetition("duplicate_lines", _lines, "{:.0%} of its lines are repeated", 0.30),
    _repetition("duplicate_paragraphs", _paragraphs, "{:.0%} of its paragraphs are repeated", 0.30),
    _repetition(
        "duplicate_line_characters", _line_characters, "{:.0%} of it is in repeated lines", 0.20
    ),
    _repetition(
        "duplicate_paragraph_characters",
        _paragraph_characters,
        "{:.0%} of it is in repeated paragraphs",
        0.20,
    ),
    *(
        _repetition(
            f"top_{n}_gram",
            partial(top_ngram_share, n=n),
            f"{{:.0%}} of it is one sequence of {n} words",
            above,
        )
        for n, above in _TOP.items()
    ),
    *(
        _repetition(
            f"duplicate_{n}_grams",
            partial(repeated_ngram_share, n=n),
            f"{{:.0%}} of it is in repeated sequences of {n} words",
            above,
        )
        for n, above in _REPEATED.items()
    ),
)
