"""Static embeddings: unit vectors that depend on the text alone."""

import numpy as np
import pytest

from lakewinnow.config import EmbeddingConfig
from lakewinnow.embedding import registry, static
from lakewinnow.errors import ConfigError, ProviderError

TEXTS = ["my parcel is late", "refund me, please", "mot de passe oublié", "my parcel is late"]


@pytest.fixture(scope="module")
def embedder():
    return static.StaticEmbedder(EmbeddingConfig())


def test_vectors_have_unit_length(embedder):
    vectors = embedder.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((4, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_a_vector_does_not_depend_on_the_rest_of_its_batch(embedder):
    together = embedder.embed([*TEXTS, "word " * 900])
    alone = [embedder.embed([text])[0] for text in TEXTS]
    np.testing.assert_array_equal(together[: len(TEXTS)], alone)


def test_texts_that_mean_the_same_are_nearer(embedder):
    late, later, password = embedder.embed(
        ["the parcel is late", "my delivery has not arrived", "I forgot my password"]
    )
    assert late @ later > late @ password + 0.1


def test_a_long_text_is_represented_by_its_beginning(embedder):
    words = ["parcel"] * static.MAX_TOKENS
    short, long = embedder.embed([" ".join(words), " ".join([*words, *["password"] * 500])])
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_fewer_dimensions_are_the_first_ones():
    table = static._model(256).embedding
    np.testing.assert_array_equal(static._model(64).embedding, table[:, :64])
    assert static.StaticEmbedder(EmbeddingConfig(dimensions=64)).embed(TEXTS).shape == (4, 64)


def test_the_identity_is_what_is_configured_or_the_default():
    assert vars(registry.identify(EmbeddingConfig())) == {
        "provider": "static",
        "model": static.MODEL,
        "dimensions": 256,
    }
    assert registry.identify(EmbeddingConfig(dimensions=64)).dimensions == 64


@pytest.mark.parametrize(
    ("config", "code", "where"),
    [
        (EmbeddingConfig(model="wordllama-l3"), "unknown_model", "embedding.model"),
        (EmbeddingConfig(dimensions=100), "unknown_dimensions", "embedding.dimensions"),
    ],
)
def test_a_model_or_size_that_there_is_not_is_a_config_error(config, code, where):
    with pytest.raises(ConfigError) as caught:
        registry.identify(config)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_a_missing_wheel_is_a_provider_error(monkeypatch):
    monkeypatch.setattr("lakewinnow.embedding.static.find_spec", lambda _: None)
    embedder = registry.load(EmbeddingConfig(dimensions=128))  # not used before
    with pytest.raises(ProviderError) as caught:
        embedder.embed(["a text"])
    assert (caught.value.code, caught.value.where) == ("model_missing", "embedding.provider")
