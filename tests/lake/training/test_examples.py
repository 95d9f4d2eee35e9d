"""Examples for fine-tuning: what is written is what trainers take."""

import json

import pytest

from lakewinnow.figures.rows import Split
from lakewinnow.lake.training.examples import SEPARATOR, dataset_card, fault_of, line, n_tokens

CLASSES = ["a", 'quo"te']


def chat(*messages):
    return json.dumps({"messages": [{"role": r, "content": text} for r, text in messages]})


def prompt(text, completion):
    return json.dumps({"prompt": text, "completion": completion})


@pytest.mark.parametrize("system", [None, "Which class?"])
@pytest.mark.parametrize("format_", ["openai-chat", "prompt-completion"])
@pytest.mark.parametrize("text", ["plain", 'a "quote"\nand a line', "ünïcödé 🦉 \\ \t"])
def test_a_line_holds_text_and_label(spark, format_, text, system):
    row = spark.createDataFrame([(text, CLASSES[1])], "text string, label string")
    [(written, n)] = row.select(
        line(format_, row["text"], row["label"], system).alias("line"), n_tokens(row["text"])
    ).collect()
    assert "\n" not in written
    assert n == -(-len(text.encode()) // 3)
    example = json.loads(written)
    if format_ == "openai-chat":
        said = {of["role"]: of["content"] for of in example["messages"]}
        assert said.pop("system", None) == system
        assert said == {"user": text, "assistant": CLASSES[1]}
    else:
        assert example == {"prompt": text + SEPARATOR, "completion": f" {CLASSES[1]}"}
    assert fault_of(format_, CLASSES, 1000)(written) is None


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("{", "no JSON"),
        ("[]", "no messages"),
        (json.dumps({"messages": ["a"]}), "no messages"),
        (chat(("user", "x")), "other roles"),
        (chat(("assistant", "a"), ("user", "x")), "other roles"),
        (chat(("user", ""), ("assistant", "a")), "no content"),
        (chat(("user", "x"), ("assistant", "b")), "no class"),
        (chat(("user", "x" * 400), ("assistant", "a")), "too long"),
    ],
)
def test_a_chat_that_a_trainer_would_not_take(written, fault):
    assert fault_of("openai-chat", CLASSES, 100)(written) == fault


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (json.dumps({"prompt": "x"}), "no prompt and completion"),
        (prompt("x", " a"), "no content"),
        (prompt(SEPARATOR, " a"), "no content"),
        (prompt("x" + SEPARATOR, " b"), "no class"),
    ],
)
def test_a_prompt_that_a_trainer_would_not_take(written, fault):
    assert fault_of("prompt-completion", CLASSES, 100)(written) == fault


def test_the_dataset_card_names_classes_and_splits():
    yaml = pytest.importorskip("yaml")
    splits = {
        name: Split(rows=n, bytes=9, tokens=3, by_class={}, files=[])
        for name, n in (("train", 3), ("validation", 1))
    }
    card = dataset_card(CLASSES, splits)
    info = yaml.safe_load(card.split("---")[1])
    [_, label] = info["dataset_info"]["features"]
    assert label["dtype"]["class_label"]["names"] == {"0": "a", "1": 'quo"te'}
    assert [of["path"] for of in info["configs"][0]["data_files"]] == [
        "data/train-*",
        "data/validation-*",
    ]
    assert info["dataset_info"]["splits"][0] == {"name": "train", "num_examples": 3}
