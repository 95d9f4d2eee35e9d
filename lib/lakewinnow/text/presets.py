"""The presets of rules, as tables.

basic   What is wrong with a text of any length, a ticket or a question, too.
gopher  The rules that filtered MassiveText, the corpus of Gopher: Rae et al. 2021, "Scaling
        Language Models: Methods, Analysis & Insights from Training Gopher", arXiv 2112.11446,
        appendix A.1.1, "Quality Filtering" and "Repetition Removal" with Table A1. Each limit is
        the paper's. They are for documents of the web, in English and other languages with white
        space between words. The paper does not say what a word is: here, what white space
        separates.
c4      The rules that made C4: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with
        a Unified Text-to-Text Transformer", JMLR 21(140), section 2.2. C4 takes lines out of pages;
        this says of a page whether C4 would keep it, and takes nothing out. What is not here: bad
        words (`checks.text.words`, your list), English at 0.99 (`languages`, `min_language_prob`),
        sentences seen on other pages.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from lakewinnow.plan.words import counted
from lakewinnow.text import characters
from lakewinnow.text.characters import repeated_character_share as character_share
from lakewinnow.text.characters import repeated_ngram_share, repeated_share, top_ngram_share
from lakewinnow.text.document import Document
from lakewinnow.text.rules import NOT_JUDGED, Rule

# --- basic --------------------------------------------------------------------------------------

_LEAST_LINES: Final = 4  # of which a repeated one means something
_LEAST_WORDS: Final = 20
_FTFY: Final = "ftfy.badness, Speer 2019, doi 10.5281/zenodo.2591652"


def _repeated_lines(document: Document) -> float:
    lines = document.lines
    return repeated_share(lines) if len(lines) >= _LEAST_LINES else NOT_JUDGED


def _repeated_words(document: Document) -> float:
    is_long = len(document.words) >= _LEAST_WORDS
    return repeated_ngram_share(document, 3) if is_long else NOT_JUDGED


def _counting(noun: str, sentence: str = "{}") -> Callable[[Document, float], str]:
    """Return what says how many there are of what a rule counts."""
    return lambda _, n: sentence.format(counted(int(n), noun))


_N_WORDS: Final = _counting("word", "{} with a letter")
_BASIC: Final[tuple[Rule, ...]] = (
    Rule("few_words", characters.n_words, _N_WORDS, below=1),
    Rule(
        "lost_characters",
        characters.n_replaced,
        _counting("character", "{} lost in decoding (U+FFFD)"),
        0,
    ),
    Rule(
        "mojibake",
        characters.n_mojibake,
        _counting("place", "damaged encoding (mojibake) in {}"),
        0,
        source=_FTFY,
    ),
    Rule("control_characters", characters.n_controls, _counting("control character"), 0),
    Rule("symbols", characters.symbol_share, "{:.0%} of its characters are symbols", 0.5),
    Rule("digits", characters.digit_share, "{:.0%} of its characters are digits", 0.5),
    Rule("character_run", characters.longest_run, "one character {:,.0f} times in a row", 20),
    Rule("long_word", characters.longest_ascii_word, "a word of {:,.0f} characters", 200),
    Rule("repeated_lines", _repeated_lines, "{:.0%} of its lines are repeated", 0.5),
    Rule(
        "repeated_words", _repeated_words, "{:.0%} of it is in repeated sequences of 3 words", 0.5
    ),
)

# --- Gopher: quality ----------------------------------------------------------------------------

_STOP_WORDS: Final = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))
_BULLETS: Final = ("•", "‣", "◦", "▪", "●", "-", "*")
_ELLIPSES: Final = ("...", "…")


def _a_word(document: Document, n: float) -> float:
    return n / len(document.words) if document.words else NOT_JUDGED


def _of_lines(document: Document, is_one: Callable[[str], bool]) -> float:
    lines = document.lines
    return sum(map(is_one, lines)) / len(lines) if lines else NOT_JUDGED


def _stop_words(document: Document) -> float:
    found = {word.strip(".,;:!?\"'()") for word in document.text.lower().split()}
    return len(_STOP_WORDS & found)


_quality = partial(Rule, source="Rae et al. 2021, A.1.1, Quality Filtering")
_LENGTH: Final = "words of {:.1f} characters on average"
_STOPS: Final = "{:.0f} of the, be, to, of, and, that, have, with"
_GOPHER_QUALITY: Final[tuple[Rule, ...]] = (
    _quality("gopher_few_words", lambda d: len(d.words), _counting("word"), below=50),
    _quality("gopher_many_words", lambda d: len(d.words), _counting("word"), 100_000),
    _quality("gopher_short_words", lambda d: _a_word(d, d.n_inked), _LENGTH, below=3),
    _quality("gopher_long_words", lambda d: _a_word(d, d.n_inked), _LENGTH, 10),
    _quality(
        "gopher_hashes", lambda d: _a_word(d, d.text.count("#")), "{:.2f} hash signs a word", 0.1
    ),
    _quality(
        "gopher_ellipses",
        lambda d: _a_word(d, sum(map(d.text.count, _ELLIPSES))),
        "{:.2f} ellipses a word",
        0.1,
    ),
    _quality(
        "gopher_bullets",
        lambda d: _of_lines(d, lambda line: line.startswith(_BULLETS)),
        "{:.0%} of its lines begin with a bullet",
        0.9,
    ),
    _quality(
        "gopher_line_ellipses",
        lambda d: _of_lines(d, lambda line: line.endswith(_ELLIPSES)),
        "{:.0%} of its lines end in an ellipsis",
        0.3,
    ),
    _quality(
        "gopher_alphabetic",
        lambda d: _a_word(d, characters.n_words(d)),
        "{:.0%} of its words have a letter",
        below=0.8,
    ),
    _quality("gopher_stop_words", _stop_words, _STOPS, below=2),
)

# --- Gopher: repetition -------------------------------------------------------------------------

_PARTS: Final = {  # what is measured of lines or of paragraphs, by rule
    "duplicate_lines": (repeated_share, "lines", "{:.0%} of its lines are repeated", 0.30),
    "duplicate_paragraphs": (
        repeated_share,
        "paragraphs",
        "{:.0%} of its paragraphs are repeated",
        0.30,
    ),
    "duplicate_line_characters": (
        character_share,
        "lines",
        "{:.0%} of it is in repeated lines",
        0.20,
    ),
    "duplicate_paragraph_characters": (
        character_share,
        "paragraphs",
        "{:.0%} of it is in repeated paragraphs",
        0.20,
    ),
}
_TOP: Final = {2: 0.20, 3: 0.18, 4: 0.16}
_REPEATED: Final = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def _of_parts(document: Document, share: Callable[[Sequence[str]], float], parts: str) -> float:
    return share(getattr(document, parts))


_repetition = partial(Rule, source="Rae et al. 2021, A.1.1, Repetition Removal, Table A1")
_GOPHER_REPETITION: Final[tuple[Rule, ...]] = (
    *(
        _repetition(f"gopher_{name}", partial(_of_parts, share=share, parts=parts), says, above)
        for name, (share, parts, says, above) in _PARTS.items()
    ),
    *(
        _repetition(
            f"gopher_top_{n}_gram",
            partial(top_ngram_share, n=n),
            f"{{:.0%}} of it is one sequence of {n} words",
            above,
        )
        for n, above in _TOP.items()
    ),
    *(
        _repetition(
            f"gopher_duplicate_{n}_grams",
            partial(repeated_ngram_share, n=n),
            f"{{:.0%}} of it is in repeated sequences of {n} words",
            above,
        )
        for n, above in _REPEATED.items()
    ),
)

# --- C4 -----------------------------------------------------------------------------------------

_LEAST_WORDS_OF_LINE: Final = 5
_END_MARKS: Final = (".", "!", "?", '"', "”")
_BOILERPLATE: Final = re.compile(
    "javascript|terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies"
)
_SENTENCE_END: Final = re.compile(r"[.!?][.!?\"”')\]]{0,8}(?=\s|$)")


def _n_sentences(document: Document) -> float:
    """Count sentences in the lines that C4 keeps.

    They end in a period, an exclamation mark, a question mark or a closing quotation mark, have
    five words, and mention neither Javascript nor the policies that pages link to.
    """
    return sum(
        max(1, len(_SENTENCE_END.findall(line)))
        for line in document.lines
        if line.endswith(_END_MARKS)
        and not line.endswith("...")
        and len(line.split()) >= _LEAST_WORDS_OF_LINE
        and not _BOILERPLATE.search(line.lower())
    )


_c4 = partial(Rule, source="Raffel et al. 2020, section 2.2")
_C4: Final[tuple[Rule, ...]] = (
    _c4("c4_sentences", _n_sentences, _counting("sentence", "{} in lines that C4 keeps"), below=3),
    _c4("c4_lorem_ipsum", lambda d: d.text.lower().count("lorem ipsum"), "lorem ipsum", 0),
    _c4("c4_curly_bracket", lambda d: d.text.count("{"), _counting("curly bracket"), 0),
)

PRESETS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "basic": _BASIC,
    "gopher_quality": _GOPHER_QUALITY,
    "gopher_repetition": _GOPHER_REPETITION,
    "c4": _C4,
}

# Without a limit of their own: they hold where `checks.text.rules` gives them one.
WITHOUT_LIMIT: Final[tuple[Rule, ...]] = (
    Rule("characters", characters.n_characters, _counting("character")),
    Rule("words", characters.n_words, _N_WORDS),
)
