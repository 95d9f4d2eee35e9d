"""Static embeddings: unit vectors that depend on the text alone."""

import numpy as np
import pytest
from model2vec import StaticModel
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.embedding.local import models, static
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
    def raw(dimensions):
        config = EmbeddingConfig(dimensions=dimensions, normalize=False)
        return static.StaticEmbedder(config).embed(TEXTS)

    np.testing.assert_array_equal(raw(64), raw(256)[:, :64])


def test_vectors_are_those_of_model2vec(embedder):
    wheel = models.package_folder("wordllama")
    (table,) = load_file(wheel / "weights" / "l2_supercat_256.safetensors").values()
    parts = wheel / "tokenizers" / "l2_supercat_tokenizer_config.json"
    # In half precision, as the table is, it would round its vectors too.
    oracle = StaticModel(table.astype(np.float32), Tokenizer.from_file(str(parts)), normalize=True)
    assert static._means(None, 256).max_characters == static.MAX_TOKENS * oracle.median_token_length
    texts = [*TEXTS, "", " ", "🦉 …\x00", "word " * 900, "x" * 9_000, "    " * 3_000]
    np.testing.assert_allclose(embedder.embed(texts), oracle.encode(texts), atol=1e-6)


def test_no_texts_have_no_vectors(embedder):
    assert embedder.embed([]).shape == (0, 256)


def test_vectors_are_left_as_they_are_if_so_configured(embedder):
    raw = static.StaticEmbedder(EmbeddingConfig(normalize=False)).embed(TEXTS)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    assert (np.abs(lengths - 1) > 0.01).all()
    np.testing.assert_allclose(raw / lengths, embedder.embed(TEXTS), atol=1e-6)


def test_counting_and_cutting_are_by_its_own_tokenizer():
    embedder = static.StaticEmbedder(EmbeddingConfig(long_texts="split-mean"))
    assert embedder.limits.tokens_per_input == static.MAX_TOKENS
    spaces = " " * 100_000  # few tokens, of which only the first are looked at
    short, long, wide = embedder.count_tokens(["parcel parcel", "parcel " * 600, spaces])
    assert short < 5
    assert long > 600
    assert wide > static.MAX_TOKENS
    for text in ("parcel " * 600, spaces):
        pieces = embedder.split(text, static.MAX_TOKENS)
        assert "".join(pieces) == text
        assert max(embedder.count_tokens(pieces)) <= static.MAX_TOKENS


def test_nothing_is_counted_to_be_cut_off():
    truncating = static.StaticEmbedder(EmbeddingConfig())
    assert truncating.limits.tokens_per_input is None
    assert truncating.count_tokens(["x" * 30_000]) == [10_000]  # an estimate, at no cost


def test_the_identity_is_what_is_configured_or_the_default():
    assert vars(registry.identify(EmbeddingConfig())) == {
        "provider": "static",
        "model": static.MODEL,
        "dimensions": 256,
    }
    assert registry.identify(EmbeddingConfig(dimensions=64)).dimensions == 64


@pytest.fixture
def folder(tmp_path):
    """A model2vec model of five words in four dimensions."""
    return save_model(tmp_path / "tiny", np.arange(24).reshape(6, 4))


def save_model(folder, table, *, apply_pca=4, **parts):
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "a", "b", "c", "d", "e"])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    model = StaticModel(
        table.astype(np.float32), tokenizer, {"apply_pca": apply_pca}, normalize=True, **parts
    )
    model.save_pretrained(folder)
    return folder


def embedder_of(folder, **settings):
    return registry.load(EmbeddingConfig(model=str(folder), **settings))


def test_any_model2vec_folder_is_a_model(folder):
    texts = ["a b", "e stranger e", "strangers only", ""]
    embedder = embedder_of(folder)
    assert embedder.dimensions == 4
    expected = StaticModel.from_pretrained(folder).encode(texts)
    np.testing.assert_allclose(embedder.embed(texts), expected, atol=1e-6)
    raw = embedder_of(folder, normalize=False).embed(texts)
    np.testing.assert_array_equal(raw[:2], [[6, 7, 8, 9], [20, 21, 22, 23]])
    np.testing.assert_array_equal(raw[2:], 0)


def test_a_quantized_vocabulary_keeps_its_weights(tmp_path):
    parts = {
        "weights": np.array([1, 0.5, 2, 1, 1, 3], np.float32),
        "token_mapping": np.array([0, 0, 1, 1, 2, 2]),
    }
    folder = save_model(tmp_path / "small", np.arange(12).reshape(3, 4), **parts)
    texts = ["a b c", "e", "d stranger a"]
    expected = StaticModel.from_pretrained(folder).encode(texts)
    np.testing.assert_allclose(embedder_of(folder).embed(texts), expected, atol=1e-6)


def test_fewer_dimensions_of_a_folder_need_a_principal_component_analysis(folder, tmp_path):
    whole, cut = embedder_of(folder), embedder_of(folder, dimensions=2)
    assert (whole.model, cut.dimensions) == (cut.model, 2)
    raw = embedder_of(folder, dimensions=2, normalize=False).embed(["a b"])
    np.testing.assert_array_equal(raw, [[6, 7]])
    plain = save_model(tmp_path / "plain", np.arange(24).reshape(6, 4), apply_pca=None)
    for path, dimensions in ((folder, 5), (plain, 2)):
        with pytest.raises(ConfigError) as caught:
            embedder_of(path, dimensions=dimensions)
        assert caught.value.where == "embedding.dimensions"


def test_folders_of_other_weights_do_not_share_vectors(folder, tmp_path):
    other = save_model(tmp_path / "other" / "tiny", np.arange(24).reshape(6, 4) + 1)
    names = [embedder_of(path).model for path in (folder, other)]
    assert names[0] != names[1]
    assert all(name.startswith("tiny-") for name in names)


@pytest.mark.parametrize(
    ("config", "code", "where"),
    [
        (EmbeddingConfig(model="wordllama-l3"), "unknown_model", "embedding.model"),
        (EmbeddingConfig(model="./no/where"), "unknown_model", "embedding.model"),
        (EmbeddingConfig(dimensions=100), "unknown_dimensions", "embedding.dimensions"),
    ],
)
def test_a_model_or_size_that_there_is_not_is_a_config_error(config, code, where):
    with pytest.raises(ConfigError) as caught:
        registry.identify(config)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_a_folder_without_a_table_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError) as caught:
        embedder_of(tmp_path)
    assert (caught.value.code, caught.value.where) == ("unknown_model", "embedding.model")


def test_files_that_do_not_load_are_a_provider_error(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ProviderError) as caught:
        embedder_of(folder).embed(["a"])
    assert (caught.value.code, caught.value.where) == ("model_unusable", "embedding.model")


def test_a_missing_wheel_is_a_provider_error(monkeypatch):
    monkeypatch.setattr(static.models, "package_folder", lambda _: None)
    embedder = registry.load(EmbeddingConfig(dimensions=128))  # not used before
    with pytest.raises(ProviderError) as caught:
        embedder.embed(["a text"])
    assert (caught.value.code, caught.value.where) == ("model_missing", "embedding.provider")
