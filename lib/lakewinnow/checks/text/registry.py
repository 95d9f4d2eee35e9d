"""From configuration to rules: presets, the user's changes to them, the user's own functions."""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Final

from lakewinnow.checks.text import TextConfig, TextRuleConfig
from lakewinnow.errors import ConfigError, EngineError, Shown, did_you_mean
from lakewinnow.lake.inputs.word_list import read_words
from lakewinnow.text.document import Document
from lakewinnow.text.language import language_rule
from lakewinnow.text.listed_words import ListedWords, listed_words_rule
from lakewinnow.text.presets import PRESETS, WITHOUT_LIMIT
from lakewinnow.text.rules import Rule

KNOWN: Final[Mapping[str, Rule]] = {
    rule.name: rule for rules in (*PRESETS.values(), WITHOUT_LIMIT) for rule in rules
}
_RULES: Final = "checks.text.rules"

_TRIED = "Hello, this is a text."


def check(config: TextConfig) -> None:
    """Find what is wrong with the rules and the file of words, as `rules_of` and `read_words`."""
    rules_of(config, words_of(config))


def words_of(config: TextConfig) -> ListedWords | None:
    """Return the words that no text may have, where there is a file of them."""
    return None if config.words is None else read_words(config.words).words


def rules_of(config: TextConfig, words: ListedWords | None = None) -> tuple[Rule, ...]:
    """Return the rules in their order: of the presets, of `rules`, of listed words, of languages.

    One that `rules` gives another limit keeps its place.

    Parameters
    ----------
    words : the content of `config.words`, where there is such a file

    Raises
    ------
    ConfigError : "unknown_rule", "no_limit", "unknown_language"; of the user's own
        "not_importable", "rule_failed". Every problem found.
    """
    rules = {rule.name: rule for name in config.presets for rule in PRESETS[name]}
    problems: list[ConfigError] = []
    for made in _added(config, words):
        try:
            rule = made()
        except ConfigError as error:
            problems.append(error)
        else:
            rules[rule.name] = rule
    for i, name in enumerate(config.without):
        if rules.pop(name, None) is None:
            where, expected = f"checks.text.without[{i}]", "a rule of these presets"
            hint = did_you_mean(name, list(rules)) or f"they have: {', '.join(rules)}"
            problems.append(ConfigError("unknown_rule", where, expected, name, hint))
    ConfigError.raise_any(problems)
    return tuple(rules.values())


def _added(config: TextConfig, words: ListedWords | None) -> Iterator[Callable[[], Rule]]:
    """Yield what makes each rule beside those of presets."""
    for i, section in enumerate(config.rules):
        yield partial(_rule, section, f"{_RULES}[{i}]")
    if words is not None:
        yield partial(listed_words_rule, words)
    if config.languages:
        least = (config.min_language_prob, config.min_language_bytes)
        yield partial(language_rule, config.languages, *least)


def _rule(section: TextRuleConfig, where: str) -> Rule:
    """Return a known rule with the limit that a section gives, or a rule of the user's own."""
    limits = (section.above, section.below)
    if "." in section.use:
        own = OwnMeasure(section.use, f"{where}.use")
        own.check()
        name = section.name or section.use.rpartition(".")[2]
        shown = name.replace("{", "{{").replace("}", "}}")
        rule = Rule(name=name, measure=own, says=f"{shown} {{:.3g}}")
    elif section.use in KNOWN:
        known = KNOWN[section.use]
        rule = replace(known, name=section.name or known.name)
        if limits == (None, None):
            limits = (known.above, known.below)
    else:
        expected = "the name of a rule, or the import path of a function"
        hint = did_you_mean(section.use, list(KNOWN)) or f"known rules: {', '.join(sorted(KNOWN))}"
        raise ConfigError("unknown_rule", f"{where}.use", expected, section.use, hint)
    if limits == (None, None):
        hint = f"{{use: {section.use}, above: …}}"
        raise ConfigError("no_limit", where, "a limit: above or below", None, hint)
    return replace(rule, above=limits[0], below=limits[1])


@dataclass(frozen=True)
class OwnMeasure:
    """A function by its import path, which executors import for themselves."""

    path: str  # mypackage.rules.too_shouty
    where: str  # the configuration key that names it

    def check(self) -> None:
        """See whether it can be imported, and gives a number for a text.

        Raises
        ------
        ConfigError : "not_importable", "rule_failed"
        """
        try:
            _imported(self.path)
        except (ImportError, AttributeError, ValueError) as error:
            expected = "the name of a rule, or the import path of a function"
            hint = f"{type(error).__name__}: {error}"
            raise ConfigError("not_importable", self.where, expected, self.path, hint) from error
        try:
            self(Document(_TRIED))
        except EngineError as error:
            code, where, expected, got, _ = error.args
            raise ConfigError(code, where, expected, got, f"tried with {_TRIED!r}") from error

    def __call__(self, document: Document) -> float:
        """Return what the function gives; None is NaN, a text that cannot be judged.

        Raises
        ------
        EngineError : "rule_failed", with what the function said
        """
        try:
            value = _imported(self.path)(document.text)
            number = math.nan if value is None else float(value)
        except Exception as error:
            said = Shown(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            raise self._failed(said) from error
        if math.isinf(number):
            raise self._failed(Shown(str(number)))
        return number

    def _failed(self, got: Shown) -> EngineError:
        expected = f"a number from {self.path}(text)"
        return EngineError("rule_failed", self.where, expected, got)


@cache
def _imported(path: str) -> Callable[[str], Any]:
    module, _, name = path.rpartition(".")
    function: Callable[[str], Any] = getattr(importlib.import_module(module), name)
    return function
