"""From configuration to rules: presets, limits, the user's own rules, words and languages."""

import pickle

import pytest

from lakewinnow.checks.text import TextConfig, TextRuleConfig
from lakewinnow.checks.text.registry import KNOWN, PRESETS, rules_of
from lakewinnow.errors import ConfigError, EngineError
from lakewinnow.text.listed_words import ListedWords
from lakewinnow.text.rules import judge

HERE = "tests.checks.text.test_registry"


def shouting(text):
    """Return the share of letters that are capital; nothing of a text without letters."""
    letters = [character for character in text if character.isalpha()]
    return sum(map(str.isupper, letters)) / len(letters) if letters else None


def fussy(text):
    if "7" in text:
        raise ValueError("no sevens,\nplease")
    return False


def wordy(_):
    return "many"


def problems_of(**keys):
    with pytest.raises(ConfigError) as caught:
        rules_of(TextConfig(**keys))
    return [(error.code, error.where, error.hint) for error in caught.value.problems]


def test_presets_and_rules_hold_in_order_and_limits_are_the_users():
    rules = rules_of(
        TextConfig(
            presets=("c4", "basic"),
            rules=(
                TextRuleConfig(use="digits", above=0.25),
                TextRuleConfig(use="characters", below=20, name="short"),
                TextRuleConfig(use="gopher_stop_words"),
            ),
            without=("c4_sentences", "symbols"),
        ),
        ListedWords.of(["darn"]),
    )
    names = [rule.name for rule in rules]
    basic = [rule.name for rule in PRESETS["basic"] if rule.name != "symbols"]
    added = ["short", "gopher_stop_words", "listed_words"]
    assert names == ["c4_lorem_ipsum", "c4_curly_bracket", *basic, *added]
    by_name = {rule.name: rule for rule in rules}
    assert by_name["digits"].above == 0.25
    assert (by_name["short"].above, by_name["short"].below) == (None, 20)
    assert by_name["gopher_stop_words"].below == KNOWN["gopher_stop_words"].below == 2
    assert judge("darn", rules).rules == ("short", "gopher_stop_words", "listed_words")


def test_all_that_is_wrong_is_said_together():
    found = problems_of(
        rules=(
            TextRuleConfig(use="digit", above=0.3),
            TextRuleConfig(use="words"),
            TextRuleConfig(use="no.such.rule", above=1),
            TextRuleConfig(use=f"{HERE}.wordy", above=1),
        ),
        without=("symbol",),
        languages=("en", "eng"),
    )
    assert [(code, where) for code, where, _ in found] == [
        ("unknown_rule", "checks.text.rules[0].use"),
        ("no_limit", "checks.text.rules[1]"),
        ("not_importable", "checks.text.rules[2].use"),
        ("rule_failed", "checks.text.rules[3].use"),
        ("unknown_language", "checks.text.languages"),
        ("unknown_rule", "checks.text.without[0]"),
    ]
    assert found[0][2] == "did you mean 'digits'?"
    assert found[5][2] == "did you mean 'symbols'?"


def test_a_rule_of_the_users_own():
    section = {"use": f"{HERE}.shouting", "above": 0.5}
    [rule] = rules_of(TextConfig(presets=(), rules=(TextRuleConfig(**section),)))
    rule = pickle.loads(pickle.dumps(rule))  # noqa: S301 - as it goes to executors
    assert judge("WHERE it is", [rule])[1:] == (("shouting",), "shouting 0.556")
    assert judge("Where is it", [rule]).why is None
    assert judge("123", [rule]).why is None
    [named] = rules_of(TextConfig(presets=(), rules=(TextRuleConfig(**section, name="{loud}"),)))
    assert judge("HELLO", [named])[1:] == (("{loud}",), "{loud} 1")


def test_what_such_a_rule_raises_is_said_in_one_line():
    section = {"use": f"{HERE}.fussy", "above": 0}
    [rule] = rules_of(TextConfig(presets=(), rules=(TextRuleConfig(**section),)))
    assert judge("8", [rule]).why is None
    with pytest.raises(EngineError) as caught:
        judge("7", [rule])
    assert caught.value.code == "rule_failed"
    assert str(caught.value) == (
        f"checks.text.rules[0].use: expected a number from {HERE}.fussy(text),"
        " got ValueError: no sevens, please"
    )


LISTED = ListedWords.of(["darn", "", "# comment", "son of a GUN", "f*ck", "Straße", "a$$", "!!!"])


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Darn! darn, DARN.", 3),
        ("darned, undarn", 0),  # whole words
        ("a son of a gun; son of a", 1),
        ("what the F*CK, 'a$$'", 2),
        ("a cat", 0),  # a$$ is not a
        ("STRASSE", 1),  # case folded, not lowered
        ("!!!", 0),
    ],
)
def test_listed_words_are_found_whole_whatever_their_case(text, n):
    assert LISTED.count(text) == n
    assert len(LISTED) == 5


def test_thousands_of_words_cost_no_more_than_one():
    words = [f"w{i}" for i in range(5_000)]
    listed = ListedWords.of(words)
    assert len(listed) == 5_000
    assert listed.count("x " * 1_000 + "w4999") == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("The parcel has not arrived, where is the courier?", None),
        ("Das Paket ist noch nicht da, wo bleibt der Bote denn?", "language de (1.00)"),
        ("Wo bleibt es?", None),  # too short to say
        ("包裹还没有到快递员在哪里请告诉我谢谢你们", "language "),  # 60 bytes
    ],
)
def test_a_text_in_another_language_than_wanted(text, why):
    [rule] = rules_of(TextConfig(presets=(), languages=("en", "fr")))
    assert (judge(text, [rule]).why or "").startswith(why or "")
    assert (judge(text, [rule]).why is None) == (why is None)
