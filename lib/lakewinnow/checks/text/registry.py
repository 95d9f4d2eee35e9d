"""From configuration to rules: presets, the user's changes to them, the user's own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from lakewinnow.checks.text import TextConfig, TextRuleConfig
from lakewinnow.errors import ConfigError, did_you_mean
from lakewinnow.lake.inputs.word_list import read_words
from lakewinnow.text.language import language_rule
from lakewinnow.text.listed_words import ListedWords, listed_words_rule
from lakewinnow.text.own import OwnMeasure
from lakewinnow.text.presets import PRESETS, WITHOUT_LIMIT
from lakewinnow.text.rules import Rule

KNOWN: Final[Mapping[str, Rule]] = {
    rule.name: rule for rules in (*PRESETS.values(), WITHOUT_LIMIT) for rule in rules
}
_RULES: Final = "checks.text.rules"


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
