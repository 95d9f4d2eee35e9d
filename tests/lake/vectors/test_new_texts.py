"""What is new to the store, and in which bucket."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import corpus_row, lake_in, make_table, text_key
from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.lake.vectors.embedding_store import EMBEDDINGS, EmbeddingStore
from lakewinnow.lake.vectors.new_texts import (
    NEW_TEXTS,
    NewTexts,
    by_bucket,
    most_tokens,
    n_buckets,
    wanted_and_stored,
)

IDENTITY = EmbeddingIdentity("static", "m", 1)
TEXTS = ["one", "two", "one", "a longer text", "Caf\u00e9", "Cafe\u0301"]


@pytest.fixture
def lake(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    make_table(lake, "corpus", [corpus_row(f"{i}", text) for i, text in enumerate(TEXTS)])
    return lake


@pytest.fixture
def store(lake):
    return EmbeddingStore(lake.spark, lake.files.path("embeddings"))


def found(lake, store):
    """Return how many texts there are, and which of them are new."""
    table = wanted_and_stored(lake, store, IDENTITY, 1).toArrow()
    texts = NewTexts(8)
    new = pa.Table.from_batches(texts.among(table.to_batches(max_chunksize=1)))
    return texts.n_texts, set(new.column("text").to_pylist())


def test_without_a_store_every_distinct_text_is_new(lake, store):
    n_texts, new = found(lake, store)
    assert (n_texts, len(new)) == (4, 4)
    assert new > {"one", "two", "a longer text"}


def test_what_is_stored_is_not_new_however_often_it_is_there(lake, store):
    for _ in range(2):  # as two runs at once may do
        keys = [text_key(text) for text in ("one", "Caf\u00e9", "in no corpus")]
        rows = [{"text_key": key, **vars(IDENTITY), "vector": [1.0]} for key in keys]
        make_table(lake, "embeddings", rows, EMBEDDINGS)
    assert found(lake, store) == (4, {"two", "a longer text"})


def test_a_refused_text_is_new(lake, store):
    refused = {"text_key": text_key("one"), **vars(IDENTITY), "error_code": "c", "error": "e"}
    make_table(lake, "embeddings", [refused], EMBEDDINGS)
    n_texts, new = found(lake, store)
    assert (n_texts, len(new)) == (4, 4)


a_row = st.tuples(st.integers(0, 9), st.booleans())


@given(st.lists(a_row, max_size=30), st.integers(1, 7), st.sampled_from([1, 64, 2**16]))
def test_any_batches_tell_the_same(rows, size, n):
    """As sets of Python do, for rows of a key and whether it is wanted or stored."""
    rows.sort(key=lambda row: (text_key(str(row[0])), row[1]))
    wanted = {key for key, is_wanted in rows if is_wanted}
    stored = {key for key, is_wanted in rows if not is_wanted}
    table = pa.table(
        {
            "text_key": pa.array([text_key(str(key)) for key, _ in rows], pa.binary()),
            "text": pa.array([f"{key} \u00e9" if w else None for key, w in rows], pa.string()),
        }
    )
    texts = NewTexts(n)
    batches = table.to_batches(max_chunksize=size)
    new = [row for batch in texts.among(batches) for row in batch.to_pylist()]
    assert texts.n_texts == len(wanted)
    assert sorted(row["text"] for row in new) == sorted(f"{key} \u00e9" for key in wanted - stored)
    assert all(row["tokens"] == 2 for row in new)  # 4 bytes
    buckets = [row["bucket"] for row in new]
    assert buckets == sorted(buckets)
    assert buckets == [int.from_bytes(row["text_key"][:2], "big") * n >> 16 for row in new]


def test_the_counts_are_those_of_the_texts_in_each_bucket(lake):
    rows = [{"text_key": b"", "text": "", "bucket": b, "tokens": t} for b, t in ((1, 5), (1, 2))]
    make_table(lake, "to_embed", rows, NEW_TEXTS)
    new, tokens = by_bucket(lake.files, "to_embed", 3)
    assert new.tolist() == [0, 2, 0]
    assert tokens.tolist() == [0, 7, 0]


def test_no_text_has_more_tokens_than_the_footers_tell(lake):
    of_all = sum(-(-len(text.encode()) // 3) for text in set(TEXTS))
    assert of_all <= most_tokens(lake) < 20 * of_all  # a column of few texts is mostly headers


@pytest.mark.parametrize(("n_rows", "n"), [(6, 64), (200_000, 512), (10**9, 2**16)])
def test_a_bucket_is_a_few_hundred_rows(lake, monkeypatch, n_rows, n):
    monkeypatch.setattr(lake, "rows", lambda _: n_rows)
    assert n_buckets(lake) == n
