"""The registry: our own providers, and those that another package registers."""

import re
import sys
import tomllib

import numpy as np
import pytest

from lakewinnow import guide
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import ConfigError, ProviderError

GUIDE = guide.FOLDER / "embeddings.md"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package on the path, with its entry points, as pip would."""

    def put(module, source, entry_points):
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[lakewinnow.embedders]", *lines]))
        monkeypatch.syspath_prepend(tmp_path)
        registry._entry_points.cache_clear()

    yield put
    registry._entry_points.cache_clear()
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), flags=re.DOTALL)


def test_the_example_in_the_guide_is_a_provider(install):
    [source] = [block for block in blocks("python") if "(Embedder)" in block]
    [metadata] = [block for block in blocks("toml") if "lakewinnow.embedders" in block]
    assert len(source.splitlines()) <= 20
    entry_points = tomllib.loads(metadata)["project"]["entry-points"]["lakewinnow.embedders"]
    [(name, value)] = entry_points.items()
    install(value.partition(":")[0], source, entry_points)

    config = EmbeddingConfig(provider=name, dimensions=32, options={"lowercase": True})
    embedder = registry.load(config)
    vectors = embedder.embed(["where is it", "Where is it", "elsewhere", ""])
    assert (vectors.shape, vectors.dtype) == ((4, 32), np.float32)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 1
    identity = registry.identify(config)
    assert (identity.provider, identity.dimensions) == (name, 32)
    other = registry.identify(EmbeddingConfig(provider=name, dimensions=32))
    assert identity.model != other.model  # options decide vectors


def test_an_unknown_provider_is_a_config_error_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        registry.load(EmbeddingConfig(provider="sentence-transfomers"))
    assert (caught.value.code, caught.value.where) == ("unknown_provider", "embedding.provider")
    assert caught.value.hint == "did you mean 'sentence-transformers'?"


@pytest.mark.parametrize("provider", ["static", "openai"])
def test_layers_of_a_provider_that_has_none_are_a_config_error(provider):
    with pytest.raises(ConfigError) as caught:
        registry.load(EmbeddingConfig(provider=provider, layers=(2, 3)))
    assert (caught.value.code, caught.value.where) == ("unknown_layers", "embedding.layers")


@pytest.mark.parametrize(
    ("source", "code", "hint"),
    [
        ("import no_such_thing.at_all", "provider_missing", "pip install no_such_thing"),
        ("", "provider_missing", "pip install acme"),
        ("def Vectors(config):\n    return config", "not_an_embedder", "acme:Vectors"),
    ],
    ids=["a package that is not there", "an entry point to nothing", "not an embedder"],
)
def test_a_provider_that_cannot_be_made_is_a_provider_error(install, source, code, hint):
    install("acme", source, {"acme": "acme:Vectors"})
    with pytest.raises(ProviderError) as caught:
        registry.load(EmbeddingConfig(provider="acme"))
    assert (caught.value.code, caught.value.where) == (code, "embedding.provider")
    assert hint in caught.value.hint


def test_ours_are_there_without_being_installed(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())  # as from a zip on the path
    registry._entry_points.cache_clear()
    try:
        assert set(registry._entry_points()) == {"static", "sentence-transformers", "openai"}
    finally:
        registry._entry_points.cache_clear()


@pytest.mark.parametrize(
    ("config", "model"),
    [
        (EmbeddingConfig(), "wordllama-l2-supercat-256"),
        (EmbeddingConfig(normalize=False), "wordllama-l2-supercat-256+raw"),
        (EmbeddingConfig(long_texts="quarantine"), "wordllama-l2-supercat-256"),
        (EmbeddingConfig(long_texts="split-mean"), "wordllama-l2-supercat-256+split-mean"),
        (EmbeddingConfig(precision="float16"), "wordllama-l2-supercat-256+float16"),
    ],
)
def test_the_identity_tells_all_that_decides_a_vector(config, model):
    assert registry.identify(config).model == model
