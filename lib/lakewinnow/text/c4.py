"""The rules that made C4, as a preset.

Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
Transformer", JMLR 21(140), section 2.2. C4 takes lines out of pages; this says of a page
whether C4 would keep it, and takes nothing out. What is not here: bad words (`checks.text.words`,
your list), English at 0.99 (`languages`, `min_language_prob`), sentences seen on other pages.
"""

import re
from typing import Final

from lakewinnow.text.document import Document
from lakewinnow.text.rules import Rule

_SOURCE: Final = "Raffel et al. 2020, section 2.2"
_LEAST_WORDS: Final = 5  # of a line
_END_MARKS: Final = (".", "!", "?", '"', "”")
_POLICIES: Final = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
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
        and len(line.split()) >= _LEAST_WORDS
        and not _is_boilerplate(line.lower())
    )


def _is_boilerplate(line: str) -> bool:
    return "javascript" in line or any(policy in line for policy in _POLICIES)


def _n_curly_brackets(document: Document) -> float:
    return document.text.count("{")


def _n_lorem_ipsum(document: Document) -> float:
    return document.text.lower().count("lorem ipsum")


C4: Final[tuple[Rule, ...]] = (
    Rule(
        name="c4_sentences",
        measure=_n_sentences,
        says="{:.0f} sentences in lines that C4 keeps",
        below=3,
        source=_SOURCE,
    ),
    Rule(
        name="c4_lorem_ipsum", measure=_n_lorem_ipsum, says="lorem ipsum", above=0, source=_SOURCE
    ),
    Rule(
        name="c4_curly_bracket",
        measure=_n_curly_brackets,
        says="{:.0f} curly brackets",
        above=0,
        source=_SOURCE,
    ),
)
