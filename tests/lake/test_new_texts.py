"""What is new to the store, by bucket."""

import pytest

from builders import corpus_row, lake_in, make_table, text_key
from lakewinnow.config import EmbeddingIdentity
from lakewinnow.lake.embedding_store import EMBEDDINGS, EmbeddingStore
from lakewinnow.lake.new_texts import count_texts, n_buckets, new_texts

IDENTITY = EmbeddingIdentity("static", "m", 1)
N = 8


@pytest.fixture
def lake(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    texts = ["one", "two", "one", "a longer text", "Caf\u00e9", "Cafe\u0301"]
    make_table(lake, "corpus", [corpus_row(f"{i}", text) for i, text in enumerate(texts)])
    return lake


@pytest.fixture
def store(lake):
    return EmbeddingStore(lake.spark, lake.files.path("embeddings"))


def stored(lake, *texts):
    for _ in range(2):  # as two runs at once may do
        rows = [{"text_key": text_key(text), **vars(IDENTITY), "vector": [1.0]} for text in texts]
        make_table(lake, "embeddings", rows, EMBEDDINGS)


def test_without_a_store_every_distinct_text_is_new(lake, store):
    texts, new, tokens = count_texts(lake, store, IDENTITY, N)
    assert (texts.sum(), new.sum(), tokens.sum()) == (4, 4, 1 + 1 + 5 + 2)


def test_what_is_stored_is_not_new_however_often_it_is_there(lake, store):
    stored(lake, "one", "Caf\u00e9", "in no corpus")
    texts, new, _ = count_texts(lake, store, IDENTITY, N)
    assert (texts.sum(), new.sum()) == (4, 2)
    found = {row["text"] for row in new_texts(lake, store, IDENTITY, N).collect()}
    assert found == {"two", "a longer text"}


def test_a_refused_text_is_new(lake, store):
    refused = {"text_key": text_key("one"), **vars(IDENTITY), "error_code": "c", "error": "e"}
    make_table(lake, "embeddings", [refused], EMBEDDINGS)
    assert count_texts(lake, store, IDENTITY, N)[1].sum() == 4


def test_the_counts_are_those_of_the_texts_in_each_bucket(lake, store):
    _, new, tokens = count_texts(lake, store, IDENTITY, N)
    assert len(new) == N
    for row in new_texts(lake, store, IDENTITY, N).collect():
        assert new[row["bucket"]] > 0
        assert tokens[row["bucket"]] >= row["tokens"]


@pytest.mark.parametrize(("n_rows", "n"), [(6, 64), (200_000, 512), (10**9, 2**16)])
def test_a_bucket_is_a_few_hundred_rows(lake, monkeypatch, n_rows, n):
    monkeypatch.setattr(lake, "rows", lambda _: n_rows)
    assert n_buckets(lake) == n
