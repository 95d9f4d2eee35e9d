"""Rules: what each measures, on texts made for it from the papers' definitions."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.checks.text.registry import KNOWN, PRESETS
from lakewinnow.text.characters import repeated_ngram_share, top_ngram_share
from lakewinnow.text.document import Document
from lakewinnow.text.rules import Rule, judge

GOOD = (
    "The parcel that I ordered in May has not arrived, and nobody seems to know of it.\n"
    "I have written to the courier twice. They say that the depot would be in touch with me.\n"
    "Could you please look into it? My neighbours have had theirs for weeks."
)
LONG = " ".join(f"the {i}th word of a text that nobody reads" for i in "abcdefghij")
LINES = "first line\nsecond line\nfirst line\nthird line"


def measured(name, text):
    return KNOWN[name].measure(Document(text))


MEASURES = [
    # basic
    ("few_words", "??? 123 ok", 1),
    ("few_words", "नमस्ते दुनिया", 2),
    ("lost_characters", "caf\ufffd and t\ufffd", 2),
    ("mojibake", "cafÃ© and naÃ¯ve", 2),
    ("mojibake", "café, naïve, “quoted” – 5 €, привет, 你好", 0),
    ("control_characters", "a\x00b\x1bc\td\r\n", 2),
    ("symbols", "### $$$ abcd", 0.6),
    ("symbols", "नमस्ते दुनिया किताब", 0),  # vowel signs are no symbols
    ("symbols", "#1 ok", math.nan),  # too short to say
    ("digits", "call 12345 67", 7 / 11),
    ("character_run", "noooooooooooooo", 14),
    ("character_run", f"{'ab' * 200} {'7' * 14} aaaaaaaaa", 14),
    ("character_run", f"{'abb' * 200} {'-' * 14} aaaaaaa", 0),
    ("character_run", "a\n------------------------------\nb =========================", 0),
    ("long_word", f"see {'x' * 300} or https://example.org/{'y' * 400}", 300),
    ("long_word", "的" * 300, 0),  # Chinese does without white space
    ("repeated_lines", LINES, 0.25),
    ("repeated_lines", "hello\nhello", math.nan),
    ("repeated_words", "buy it now " * 10, 27 / 30),
    ("repeated_words", "buy it now " * 3, math.nan),
    ("characters", "four", 4),
    ("words", "one two 3", 2),
    # Gopher: "between 50 and 100,000 words", "mean word length … 3 to 10 characters"
    ("gopher_few_words", "one two, three", 3),
    ("gopher_short_words", "a bb ccc", 2),
    ("gopher_long_words", "", math.nan),
    # "symbol-to-word ratio greater than 0.1 for either the hash symbol or the ellipsis"
    ("gopher_hashes", "# one two #three", 0.5),
    ("gopher_ellipses", "well... one two… three", 0.5),
    # "more than 90% of lines starting with a bullet point, or" 30% "ending with an ellipsis"
    ("gopher_bullets", "- one\n  • two\nthree\n\n* four", 0.75),
    ("gopher_line_ellipses", "read more...\nand more…  \nthe end.\nnow", 0.5),
    # of the words 80 in 100 "contain at least one alphabetic character"
    ("gopher_alphabetic", "one 2 three3 #4 five", 0.6),
    # "at least two of the following English words"
    ("gopher_stop_words", 'The cat, the hat AND "that"!', 3),
    # Table A1: fractions of lines, of paragraphs, and of the characters in them
    ("gopher_duplicate_lines", LINES, 0.25),
    ("gopher_duplicate_line_characters", LINES, 10 / 41),
    ("gopher_duplicate_paragraphs", "a b\nc\n\nd\n \na b\nc\n\n\n\na b\nc", 0.5),
    ("gopher_duplicate_paragraph_characters", "one two\n\nthree\n\none two", 7 / 19),
    # characters in the n-gram that occurs most often …
    ("gopher_top_2_gram", "a b c a b d", 4 / 6),
    ("gopher_top_2_gram", "a a a a", 1),  # overlaps count once
    ("gopher_top_2_gram", "a b cc dd a b cc dd", 8 / 12),  # of a tie the one that covers most
    ("gopher_top_2_gram", "every pair is here once", 0),
    ("gopher_top_3_gram", "a b", 0),
    # … and in all that are repeated, from the second time on, "not to count characters twice"
    ("gopher_duplicate_5_grams", "a b c d e f a b c d e f", 0.5),
    ("gopher_duplicate_5_grams", "a a a a a a a a a a", 0.9),
    ("gopher_duplicate_6_grams", "a b c d e x a b c d e", 0),
    # C4: sentences of the lines that stay
    ("c4_sentences", GOOD, 5),
    ("c4_sentences", "Too short.\nNo mark at the end of it\nIs this one line that stays? Yes.", 2),
    (
        "c4_sentences",
        "Please enable Javascript in your browser.\nRead our privacy policy, please do.",
        0,
    ),
    ("c4_sentences", "It is said “in these five words.”", 1),
    ("c4_sentences", "This line goes on and on...", 0),
    ("c4_lorem_ipsum", "Lorem ipsum dolor sit amet", 1),
    ("c4_curly_bracket", "if (x) { y }", 1),
]


@pytest.mark.parametrize(("name", "text", "expected"), MEASURES)
def test_a_measure_is_what_its_definition_says(name, text, expected):
    assert measured(name, text) == pytest.approx(expected, nan_ok=True)


def test_the_published_limits():
    limits = {name: (rule.above, rule.below) for name, rule in KNOWN.items()}
    assert {name[7:]: limit for name, limit in limits.items() if name.startswith("gopher_")} == {
        "few_words": (None, 50),
        "many_words": (100_000, None),
        "short_words": (None, 3),
        "long_words": (10, None),
        "hashes": (0.1, None),
        "ellipses": (0.1, None),
        "bullets": (0.9, None),
        "line_ellipses": (0.3, None),
        "alphabetic": (None, 0.8),
        "stop_words": (None, 2),
        "duplicate_lines": (0.30, None),
        "duplicate_paragraphs": (0.30, None),
        "duplicate_line_characters": (0.20, None),
        "duplicate_paragraph_characters": (0.20, None),
        "top_2_gram": (0.20, None),
        "top_3_gram": (0.18, None),
        "top_4_gram": (0.16, None),
        "duplicate_5_grams": (0.15, None),
        "duplicate_6_grams": (0.14, None),
        "duplicate_7_grams": (0.13, None),
        "duplicate_8_grams": (0.12, None),
        "duplicate_9_grams": (0.11, None),
        "duplicate_10_grams": (0.10, None),
    }
    assert {name: limits[name] for name in limits if name.startswith("c4_")} == {
        "c4_sentences": (None, 3),
        "c4_lorem_ipsum": (0, None),
        "c4_curly_bracket": (0, None),
    }
    assert all(rule.source for name, rule in KNOWN.items() if name.startswith(("gopher_", "c4_")))


def test_a_good_text_breaks_no_rule():
    for name in ("basic", "gopher_repetition", "c4"):
        assert judge(GOOD, PRESETS[name]) == (1.0, (), None)
    assert judge(LONG, PRESETS["gopher_quality"]) == (1.0, (), None)


def test_a_verdict_names_what_is_broken_and_is_as_bad_as_the_worst():
    rules = [
        Rule(name="long", measure=lambda d: len(d.text), says="{:.0f} characters", above=4),
        Rule(name="few", measure=lambda d: len(d.words), says="{:.0f} words", below=4),
        Rule(name="fine", measure=lambda _: math.nan, says="never", above=0),
        Rule(name="none", measure=lambda d: d.text.count("!"), says=lambda _, n: f"{n} !", above=0),
        Rule(name="x", measure=lambda d: d.text.count("x"), says="{} x", above=0),
    ]
    assert judge("one two!", rules[:3]) == (0.5, ("long", "few"), "8 characters, 2 words")
    verdict = judge("xxxx !", rules)
    assert verdict == (0.2, ("long", "few", "none", "x"), "6 characters, 2 words, 1 !, and 1 more")


@given(st.floats(-10, 10), st.floats(-10, 10), st.booleans())
def test_a_score_is_below_1_where_a_rule_is_broken_and_only_there(limit, value, is_above):
    rule = Rule(name="r", measure=len, says="", **{"above" if is_above else "below": limit})
    score = rule.score(value)
    assert 0 <= score <= 1
    assert (score == 1) == (not rule.is_broken(value)) or abs(value - limit) < 1e-9


WORDS = st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=30)


@given(WORDS, st.integers(1, 6))
def test_repeated_ngrams_are_those_of_a_plain_loop(words, n):
    seen, is_covered = set(), [False] * len(words)
    occurrences = {}
    for i in range(len(words) - n + 1):
        gram = tuple(words[i : i + n])
        occurrences.setdefault(gram, []).append(i)
        if gram in seen:
            is_covered[i : i + n] = [True] * n
        seen.add(gram)
    lengths = list(map(len, words))
    total = sum(lengths) or 1

    def share(covered):
        return sum(length for i, length in enumerate(lengths) if i in covered) / total

    document = Document(" ".join(words))
    repeated = {i for i, is_it in enumerate(is_covered) if is_it}
    assert repeated_ngram_share(document, n) == pytest.approx(share(repeated))
    most = max(map(len, occurrences.values()), default=0)
    top = [of for of in occurrences.values() if len(of) == most > 1]
    covered = [share({i + k for i in of for k in range(n)}) for of in top]
    assert top_ngram_share(document, n) == pytest.approx(max(covered, default=0))


@given(st.text(max_size=60))
def test_any_text_gets_a_verdict(text):
    score, names, why = judge(text, list(KNOWN.values()))
    assert 0 <= score <= 1
    assert bool(names) == (why is not None) == (score < 1)
    assert names == tuple(name for name in KNOWN if name in names)


@pytest.mark.parametrize("piece", ["a", "a ", "- \n", "\n \n", "#…", "Ã©", ".”", "é\u0301", "1 2 "])
def test_time_is_in_proportion_to_length(piece):
    def seconds(n):
        text = piece * (n // len(piece))
        best = []
        for _ in range(3):
            started = time.process_time()
            judge(text, list(KNOWN.values()))
            best.append(time.process_time() - started)
        return min(best)

    short, long = seconds(2_000), seconds(16_000)
    assert long < 24 * short + 0.02  # 8 times the text; 64 times were it quadratic
