"""Fine-tuning here, for real, of tiny transformers: what learns, what stays, and the same again."""

import numpy as np
import pytest

REASON = "needs the extra: bash tests/run --with sentence-transformers"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

from finetuning.local.tiny import make_tiny  # noqa: E402
from lakewinnow.errors import ConfigError  # noqa: E402
from lakewinnow.finetuning.local import body as body_  # noqa: E402
from lakewinnow.finetuning.local.body import Body, prepared  # noqa: E402
from lakewinnow.finetuning.local.training import TrainingRecipe, train  # noqa: E402

TEXTS = tuple(
    f"{start} {word} {end}".strip()
    for start in ("it is", "it was", "the", "so", "and very")
    for word in ("good", "fine", "bad", "poor")
    for end in ("", "and so", "it is the very a and was so")
)
IS_GOOD = np.array(["good" in text or "fine" in text for text in TEXTS])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """As a task has; threads of a model this small only wait for each other."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny")


def recipe(folder, **settings):
    given = {"layers": 2, "epochs": 12, "learning_rate": 5e-3, "batch_size": 16, **settings}
    return TrainingRecipe(model=str(folder), **given)


def hard(labels):
    return np.eye(2)[labels.astype(int)]


def learnt(folder, rows=None, targets=None, seed=0, **settings):
    rows = np.arange(len(TEXTS)) if rows is None else rows
    targets = hard(IS_GOOD)[rows] if targets is None else targets
    return train(recipe(folder, **settings), TEXTS, rows, targets, seed)


@pytest.mark.parametrize("layers", [2, "all"])
def test_it_learns_and_says_the_same_again(tiny, layers):
    n_layers, probs = learnt(tiny, layers=layers)
    assert n_layers == (4 if layers == "all" else layers)
    assert probs.shape == (len(TEXTS), 2)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == IS_GOOD).mean() > 0.9
    if layers == 2:
        torch.manual_seed(77)  # what others draw has no part in it
        np.testing.assert_array_equal(learnt(tiny)[1], probs)
        assert not np.array_equal(learnt(tiny, seed=1)[1], probs)


def test_a_text_that_was_not_learnt_from_is_told_too(tiny):
    rows = np.flatnonzero(np.arange(len(TEXTS)) % 3 > 0)
    _, probs = learnt(tiny, rows=rows)
    assert (probs.argmax(axis=1) == IS_GOOD).mean() > 0.9


def test_soft_targets_are_learnt_and_weights_count(tiny):
    soft = np.where(IS_GOOD[:, None], [0.3, 0.7], [0.6, 0.4])
    _, probs = learnt(tiny, targets=soft, epochs=20)
    np.testing.assert_allclose(probs[IS_GOOD].mean(axis=0), [0.3, 0.7], atol=0.05)
    np.testing.assert_allclose(probs[~IS_GOOD].mean(axis=0), [0.6, 0.4], atol=0.05)
    # Each text once as good, which weighs 1, and once as bad, which weighs 3.
    twice = np.tile(np.arange(len(TEXTS)), 2)
    weighted = np.repeat([[0.0, 1.0], [3.0, 0.0]], len(TEXTS), axis=0)
    _, probs = learnt(tiny, rows=twice, targets=weighted)
    np.testing.assert_allclose(probs.mean(axis=0), [0.75, 0.25], atol=0.05)


SMALL = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "max_position_embeddings": 40,
}
FAMILIES = [
    (transformers.BertModel, transformers.BertConfig, SMALL),
    (transformers.MPNetModel, transformers.MPNetConfig, SMALL),  # whose layers share something
    (
        transformers.ModernBertModel,  # whose layers are not alike
        transformers.ModernBertConfig,
        {**SMALL, "pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3},
    ),
]


@pytest.mark.parametrize("case", FAMILIES, ids=lambda case: case[0].__name__)
def test_what_lower_layers_make_is_computed_once_and_changes_nothing(tmp_path, case, monkeypatch):
    family, config, settings = case
    folder = make_tiny(tmp_path / "model", family=family, config=config, **settings)
    known = prepared(folder, 2, TEXTS)
    assert known.is_cut or family is transformers.ModernBertModel
    monkeypatch.setattr(body_, "MOST_KEPT", 0)
    prepared.cache_clear()
    whole = prepared(folder, 2, TEXTS)
    assert not whole.is_cut
    with torch.inference_mode():
        cut_body, body = (Body(folder, 2, is_cut=of.is_cut) for of in (known, whole))
        made, expected = (
            of.means(texts.inputs) for of, texts in ((cut_body, known), (body, whole))
        )
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-4)
    learning = [name for name, p in body.model.named_parameters() if p.requires_grad]
    assert learning
    assert not any(".0." in name or "embeddings" in name for name in learning)
    prepared.cache_clear()


def test_more_layers_than_there_are_is_an_error(tiny):
    with pytest.raises(ConfigError) as caught:
        learnt(tiny, layers=9)
    assert (caught.value.code, caught.value.where) == ("unknown_layers", "finetune.layers")


def test_by_default_three_layers_learn_on_a_cpu(tiny):
    if torch.cuda.is_available():
        pytest.skip("on a GPU all do")
    assert learnt(tiny, layers=None, epochs=1)[0] == 3
