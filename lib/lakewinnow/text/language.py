"""Which language a text is in, by py3langid, whose model of 139 languages comes in its wheel."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, Final

from lakewinnow.errors import ConfigError, did_you_mean
from lakewinnow.text.document import Document
from lakewinnow.text.rules import NOT_JUDGED, Rule

LANGUAGES_KEY: Final = "checks.text.languages"


def language_rule(wanted: Sequence[str], least_prob: float, least_bytes: int) -> Rule:
    """Return the rule that a text is in one of some languages.

    What is measured is the probability of these languages together. Texts of fewer bytes in UTF-8
    are not judged, and break no rule: of 10,003 English questions (banking77) py3langid takes 1.5%
    of those of 20 to 29 characters for another language. From 40 on none has less than 0.2 of
    English; 12 of 1,916 requests (Politeness) have, 11 with another language in them and one shout.

    Parameters
    ----------
    wanted : codes as py3langid has them, mostly ISO 639-1: en, de
    least_prob : of the wanted languages together, from 0 to 1

    Raises
    ------
    ConfigError : "unknown_language"
    """
    known = identifier().labels
    for code in wanted:
        if code not in known:
            expected = f"codes of languages: {', '.join(sorted(known)[:8])} …, {len(known)} of them"
            hint = did_you_mean(code, known)
            raise ConfigError("unknown_language", LANGUAGES_KEY, expected, code, hint)
    measure = partial(_wanted_prob, wanted=tuple(wanted), least_bytes=least_bytes)
    return Rule(
        name="language",
        measure=measure,
        says=partial(_which, wanted=tuple(wanted)),
        below=least_prob,
        source="py3langid, after Lui and Baldwin 2012",
    )


def _wanted_prob(document: Document, wanted: tuple[str, ...], least_bytes: int) -> float:
    if is_short(document.text, least_bytes):
        return NOT_JUDGED
    probs: dict[str, float] = dict(identifier().rank(document.text))
    return sum(probs[code] for code in wanted)


def is_short(text: str, least_bytes: int) -> bool:
    """Whether a text has too few bytes in UTF-8 for its language to be told."""
    return len(text) < least_bytes and len(text.encode()) < least_bytes


def _which(document: Document, _: float, wanted: tuple[str, ...]) -> str:
    language, prob = identifier().classify(document.text)
    return f"language {'unclear, ' if language in wanted else ''}{language} ({prob:.2f})"


@cache
def identifier() -> Any:
    """Return py3langid's model, loaded once a process: `classify` and `rank` say how it is used."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
