"""Embed: each text once, whichever run, row or spelling it comes in."""

from dataclasses import replace

import numpy as np
import pytest

from builders import corpus_row, lake_in, make_commit, make_table, read_rows, text_key
from lakewinnow.config.sections import EmbeddingConfig, InputConfig
from lakewinnow.embedding.local.static import StaticEmbedder
from lakewinnow.errors import ConfigError
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.stages import embed

NFC, NFD = "Caf\u00e9 closed", "Cafe\u0301 closed"
SMALL = EmbeddingConfig(dimensions=64)
SOURCE = InputConfig(path="unused", text="text", label="label")


def with_texts(lake, *texts):
    rows = [corpus_row(f"{i}", text) for i, text in enumerate(texts)]
    make_table(lake, "corpus", rows)
    make_commit(lake, "ingest")
    return lake


def run(lake, config=SMALL):
    """Return how many distinct texts there are and how many of them were embedded."""
    report = embed.run(lake, SOURCE, config)
    return report.figures.texts, report.figures.embedded


def vectors_of(lake):
    return {row["text_key"]: row["vector"] for row in read_rows(lake.files.root, "embeddings")}


def test_a_text_is_embedded_once(lake):
    with_texts(lake, "one", "two", "one", NFC, NFD)
    assert run(lake) == (3, 3)
    vectors = vectors_of(lake)
    assert len(read_rows(lake.files.root, "embeddings")) == 3
    for text in ("one", "two", NFC):
        [expected] = StaticEmbedder(SMALL).embed([text])
        np.testing.assert_array_equal(vectors[text_key(text)], expected)


def test_a_second_run_embeds_nothing_and_another_size_anew(lake):
    run(with_texts(lake, "one", "two"))
    files = EmbeddingStore(lake.spark, lake.files.path("embeddings")).data_files()
    assert run(lake) == (2, 0)
    assert EmbeddingStore(lake.spark, lake.files.path("embeddings")).data_files() == files
    assert run(lake, EmbeddingConfig(dimensions=128)) == (2, 2)


def test_two_workspaces_share_a_store_and_pay_for_what_is_new(spark, tmp_path):
    config = EmbeddingConfig(dimensions=64, store=str(tmp_path / "store"))
    first = with_texts(lake_in(spark, tmp_path / "first"), "one", "two")
    second = with_texts(lake_in(spark, tmp_path / "second"), "two", "three")
    assert run(first, config) == (2, 2)
    assert run(second, config) == (2, 1)
    assert not second.files.exists("embeddings")


def test_a_model_that_is_not_there_is_an_error_before_anything_is_embedded(lake):
    with pytest.raises(ConfigError):
        run(with_texts(lake, "one"), EmbeddingConfig(dimensions=100))
    assert not lake.files.exists("embeddings")


def test_rounds_embed_all_and_leave_nothing_behind(lake, monkeypatch):
    monkeypatch.setattr("lakewinnow.embedding.local.static._CHUNK_TOKENS", 100)
    texts = [f"text number {i} " + "word " * (i % 90) for i in range(300)]
    rounds = []
    config = replace(SMALL, batch_size=16)
    report = embed.run(with_texts(lake, *texts), SOURCE, config, lambda *told: rounds.append(told))
    assert report.figures.embedded == 300
    assert len(rounds) > 2
    assert [done for done, _, _ in rounds] == sorted({done for done, _, _ in rounds})
    assert rounds[-1] == (300, 300, "")
    assert not lake.files.exists("to_embed")
    vectors = vectors_of(lake)
    assert set(vectors) == set(map(text_key, texts))
    np.testing.assert_array_equal(
        [vectors[text_key(text)] for text in texts], StaticEmbedder(SMALL).embed(texts)
    )


@pytest.mark.parametrize("n_tokens", [5, 10_000])
def test_where_tasks_cannot_reach_the_store_spark_writes_it(lake, monkeypatch, n_tokens):
    monkeypatch.setattr("lakewinnow.embedding.local.static._CHUNK_TOKENS", n_tokens)
    monkeypatch.setattr(EmbeddingStore, "takes_files", False)
    texts = [f"text number {i}" for i in range(30)]
    assert run(with_texts(lake, *texts)) == (30, 30)
    vectors = vectors_of(lake)
    np.testing.assert_array_equal(
        [vectors[text_key(text)] for text in texts], StaticEmbedder(SMALL).embed(texts)
    )
    assert run(lake) == (30, 0)


def test_half_precision_is_filed_apart_and_compresses_to_about_half(lake):
    texts = [f"text number {i}" for i in range(2000)]
    with_texts(lake, *texts)
    large = EmbeddingConfig(dimensions=256)
    run(lake, large)
    whole = lake.files.size("embeddings")
    lake.files.delete("embeddings")
    report = embed.run(lake, SOURCE, replace(large, precision="float16"))
    assert report.figures.identity.model.endswith("+float16")
    assert lake.files.size("embeddings") < 0.7 * whole  # the larger the files, the nearer to half
    vectors = vectors_of(lake)
    rounded = StaticEmbedder(large).embed(texts).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal([vectors[text_key(text)] for text in texts], rounded)


def test_an_estimate_embeds_nothing(lake):
    run(with_texts(lake, "one"))
    with_texts(lake, "two", "three words here")
    before = lake.files.size("embeddings")
    estimate = embed.estimate(lake, SMALL)
    assert (estimate.texts, estimate.stored, estimate.new) == (3, 1, 2)
    assert (estimate.requests, estimate.cost_usd) == (1, 0)
    assert estimate.tokens == 1 + 6
    assert estimate.seconds > 0
    assert lake.files.size("embeddings") == before
