"""Embed: each text once, whichever run, row or spelling it comes in."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from builders import corpus_row, lake_in, make_table, read_rows, text_key
from lakewinnow.config import EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.embedding.static import StaticEmbedder
from lakewinnow.errors import ConfigError
from lakewinnow.stages import embed

NFC, NFD = "Caf\u00e9 closed", "Cafe\u0301 closed"
SMALL = EmbeddingConfig(dimensions=64)


def with_texts(lake, *texts):
    rows = [corpus_row(f"{i}", text) for i, text in enumerate(texts)]
    make_table(lake, "corpus", rows)
    return lake


def embedded(report):
    return report.details["texts"], report.details["embedded"]


def test_a_text_is_embedded_once(lake):
    with_texts(lake, "one", "two", "one", NFC, NFD)
    assert embedded(embed.run(lake, SMALL)) == (3, 3)
    vectors = {row["text_key"]: row["vector"] for row in read_rows(lake.files.root, "embeddings")}
    assert len(read_rows(lake.files.root, "embeddings")) == 3
    for text in ("one", "two", NFC):
        [expected] = StaticEmbedder(SMALL).embed([text])
        np.testing.assert_array_equal(vectors[text_key(text)], expected)


def test_a_second_run_embeds_nothing_and_another_size_anew(lake):
    embed.run(with_texts(lake, "one", "two"), SMALL)
    assert embedded(embed.run(lake, SMALL)) == (2, 0)
    assert embedded(embed.run(lake, EmbeddingConfig(dimensions=128))) == (2, 2)


def test_two_workspaces_share_a_store_and_pay_for_what_is_new(spark, tmp_path):
    config = EmbeddingConfig(dimensions=64, store=str(tmp_path / "store"))
    first = with_texts(lake_in(spark, tmp_path / "first"), "one", "two")
    second = with_texts(lake_in(spark, tmp_path / "second"), "two", "three")
    assert embedded(embed.run(first, config)) == (2, 2)
    assert embedded(embed.run(second, config)) == (2, 1)
    assert not second.files.exists("embeddings")


def test_a_model_that_is_not_there_is_an_error_before_anything_is_embedded(lake):
    with pytest.raises(ConfigError):
        embed.run(with_texts(lake, "one"), EmbeddingConfig(model="none"))
    assert not lake.files.exists("embeddings")


def test_batches_are_cut_to_size_and_rows_stay_with_their_keys():
    texts = [f"text {i}" for i in range(5)]
    batch = pa.record_batch({"text_key": list(map(text_key, texts)), "text": texts})
    cut = list(
        embed._embed_batches([batch], registry.identify(SMALL), replace(SMALL, batch_size=2))
    )
    assert list(map(len, cut)) == [2, 2, 1]
    whole = pa.Table.from_batches(cut)
    assert whole.column("text_key").to_pylist() == list(map(text_key, texts))
    np.testing.assert_array_equal(
        whole.column("vector").to_pylist(), StaticEmbedder(SMALL).embed(texts)
    )
