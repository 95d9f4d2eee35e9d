"""Shingles: what is compared of a text, and how alike two texts are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakewinnow.core.checks.shingles import jaccard, normal_forms, pieces, shingles, text_ids

TEXTS = st.lists(st.text(max_size=30), max_size=8)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Hello,  World!!", "hello world"),
        ("  it's\ta_b\n", "it s a b"),
        ("ＡＢＣ① ﬁne Straße", "abc1 fine strasse"),
        ("Cafe\u0301", "caf\u00e9"),
        ("नमस्ते, दुनिया", "नमस्ते दुनिया"),  # vowel signs are no letters, and stay
        ("日本語テキスト。です", "日本語テキスト です"),
        ("สวัสดี", "สวัสดี"),
        ("👍 5 € + 3", "👍 5 € + 3"),
        ("?!…", ""),
        ("", ""),
        ("a\uffffb \ud800", "a b"),  # a noncharacter, a lone surrogate
    ],
)
def test_the_normal_form_is_letters_marks_digits_and_symbols(text, normal):
    assert normal_forms([text]) == [normal]


@given(TEXTS)
def test_a_normal_form_does_not_depend_on_the_texts_around_it(texts):
    assert normal_forms(texts) == [normal_forms([text])[0] for text in texts]


@given(TEXTS, st.sampled_from(["character", "word"]), st.integers(1, 5))
def test_equal_shingles_are_equal_runs(texts, unit, size):
    normal = normal_forms(texts)
    found = shingles(normal, unit, size)
    runs = []
    for text in normal:
        units = list(text) if unit == "character" else text.split()
        n = max(1, len(units) - size + 1) if units else 0
        runs.append([tuple(units[i : i + size]) for i in range(n)])
    assert np.diff(found.offsets).tolist() == [len(of) for of in runs]
    flat = [run for of in runs for run in of]
    known = dict(zip(flat, found.hashes.tolist(), strict=True))
    assert [known[run] for run in flat] == found.hashes.tolist()
    assert len(set(known.values())) == len(known)


@given(st.lists(st.tuples(st.text("ab ", max_size=12), st.text("ab ", max_size=12)), max_size=9))
def test_similarity_is_that_of_the_sets(pairs):
    sides = [normal_forms([pair[i] for pair in pairs]) for i in (0, 1)]
    sets = [
        [{text[i : i + 2] for i in range(max(1, len(text) - 1))} - {""} for text in side]
        for side in sides
    ]
    expected = [len(a & b) / max(1, len(a | b)) for a, b in zip(*sets, strict=True)]
    found = jaccard(*(shingles(side, "character", 2) for side in sides))
    np.testing.assert_array_equal(found, expected)


def test_one_letter_more_is_one_shingle_in_so_many():
    texts = ["abcdefghij", "abcdefghijk"]
    one, other = (shingles([text], "character", 3) for text in texts)
    assert jaccard(one, other).tolist() == [8 / 9]


def test_texts_are_known_by_their_normal_form():
    ids = text_ids(normal_forms(["Yes!", "yes", "no"])).tolist()
    assert ids[0] == ids[1] != ids[2]


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_pieces_are_all_texts_in_order_and_bounded(lengths, most):
    lengths = np.array(lengths, np.int64)
    found = list(pieces(lengths, most))
    assert [i for piece in found for i in range(piece.start, piece.stop)] == list(
        range(len(lengths))
    )
    assert all(lengths[p].sum() <= most or p.stop - p.start == 1 for p in found)
