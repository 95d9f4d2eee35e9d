"""Tokens: counted and cut as a model would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding.local.static import StaticEmbedder
from lakewinnow.embedding.local.tokens import Tokens

STATIC = StaticEmbedder(EmbeddingConfig(long_texts="split-mean"))


def words(**settings):
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "to": 3, "embed": 4, ":": 5}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=8)
    return Tokens(tokenizer, **settings)


def test_special_tokens_and_the_prompt_count():
    assert words(special=False).count(["", "one two", "one two three four five"]) == [0, 2, 5]
    assert words(special=True).count(["", "one two"]) == [2, 4]
    assert words(special=True, prompt="embed: ").count(["", "one two"]) == [4, 6]


def test_pieces_are_whole_words_and_together_the_text():
    text = "one two three four five"
    assert words(special=False).split(text, 2) == ["one two", " three four", " five"]
    assert words(special=True).split(text, 4) == ["one two", " three four", " five"]
    prompted = words(special=True, prompt="embed: ")
    assert prompted.split(text, 6) == ["one two", " three four", " five"]


def test_a_word_is_not_cut_unless_it_is_very_long():
    assert STATIC.split("one two incomprehensibilities", 4)[0] == "one two "
    assert len(STATIC.split("incomprehensibilities" * 9, 4)) > 9


def test_no_room_for_any_token_still_ends():
    assert "".join(words(special=True).split("one two", 1)) == "one two"


@settings(deadline=None)  # the first text waits for the model
@given(st.text(max_size=300), st.integers(2, 40))
def test_any_text_is_cut_within_the_limit_and_nothing_is_lost(text, n_tokens):
    pieces = STATIC.split(text, n_tokens)
    assert "".join(pieces) == text
    for piece, n in zip(pieces, STATIC.count_tokens(pieces), strict=True):
        assert n <= n_tokens or len(piece) == 1


@pytest.mark.parametrize("text", ["word " * 3000, "x" * 20_000, " " * 20_000, "中文字" * 2000])
def test_long_texts_are_cut_into_few_pieces(text):
    pieces = STATIC.split(text, 512)
    assert "".join(pieces) == text
    counts = STATIC.count_tokens(pieces)
    assert max(counts) <= 512
    assert len(pieces) <= 2 + max(2 * sum(counts) // 512, len(text) // 1000)
