"""What a transformer model's files say, as several versions of the libraries write them."""

import json

import pytest

from lakewinnow.embedding.local.models import TransformerFiles

BERT = {"hidden_size": 384, "num_hidden_layers": 6, "max_position_embeddings": 512}
TYPE = "sentence_transformers.models."


def modules(*named):
    return [{"type": TYPE + name, "path": path} for name, path in named]


@pytest.fixture
def write(tmp_path):
    def put(files):
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(json.dumps(content))
        return TransformerFiles(tmp_path)

    return put


def test_a_plain_transformer_is_its_hidden_size(write):
    files = write({"config.json": BERT, "tokenizer_config.json": {"model_max_length": 10**30}})
    assert (files.dimensions, files.width, files.n_layers) == (384, 384, 6)
    assert (files.max_tokens, files.prompt) == (512, "")


@pytest.mark.parametrize(
    ("pooling", "dimensions"),
    [
        ({"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}, 384),
        (
            {
                "word_embedding_dimension": 384,
                "pooling_mode_cls_token": True,
                "pooling_mode_max_tokens": True,
                "pooling_mode_mean_tokens": False,
                "include_prompt": True,
            },
            768,
        ),
        ({"embedding_dimension": 384, "pooling_mode": "mean", "include_prompt": True}, 384),
        ({"embedding_dimension": 384, "pooling_mode": ["cls", "max"]}, 768),
    ],
)
def test_each_way_of_pooling_adds_its_vector(write, pooling, dimensions):
    listed = modules(("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    files = {"modules.json": listed, "config.json": BERT, "1_Pooling/config.json": pooling}
    assert write(files).dimensions == dimensions


def test_a_dense_layer_and_a_cut_come_last(write):
    files = {
        "modules.json": modules(("Transformer", "0_Transformer"), ("Dense", "1_Dense")),
        "0_Transformer/config.json": BERT,
        "1_Dense/config.json": {"in_features": 384, "out_features": 100},
    }
    assert write(files).dimensions == 100
    cut = files | {"config_sentence_transformers.json": {"truncate_dim": 32}}
    assert write(cut).dimensions == 32
    assert write(cut).n_layers == 6


def test_dimensions_are_not_guessed_behind_an_unknown_module(write):
    files = {"modules.json": modules(("Transformer", ""), ("LSTM", "1_LSTM")), "config.json": BERT}
    assert write(files).dimensions is None


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_the_length_that_the_authors_set_goes_before_the_architectures(write, name):
    files = {
        "config.json": BERT,
        "tokenizer_config.json": {"model_max_length": 512},
        f"sentence_{name}_config.json": {"max_seq_length": 256},
    }
    assert write(files).max_tokens == 256


def test_other_architectures_have_other_names_for_it(write):
    t5 = {"d_model": 768, "num_layers": 12}
    assert write({"config.json": t5}).n_layers == 12
    assert write({"config.json": {"text_config": t5, "hidden_size": None}}).width == 768
    assert write({"config.json": t5}).max_tokens is None


def test_the_default_prompt(write):
    said = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    assert write({"config_sentence_transformers.json": said}).prompt == "query: "
    said["default_prompt_name"] = None
    assert write({"config_sentence_transformers.json": said}).prompt == ""
