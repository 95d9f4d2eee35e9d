"""Examples for fine-tuning, in the forms that trainers read, and what they ask of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.text import BYTES_PER_TOKEN
from lakewinnow.figures.rows import Split

# How OpenAI's own tool prepared prompts and completions for a classifier.
SEPARATOR: Final = "\n\n###\n\n"

JSONL: Final = ("openai-chat", "prompt-completion")


def line(format_: str, text: Column, label: Column, system: str | None) -> Column:
    """Return an example as a line of JSON."""
    if format_ == "prompt-completion":
        prompt = F.concat(text, F.lit(SEPARATOR)).alias("prompt")
        return F.to_json(F.struct(prompt, F.concat(F.lit(" "), label).alias("completion")))
    said = [("user", text), ("assistant", label)]
    if system is not None:
        said.insert(0, ("system", F.lit(system)))
    messages = [F.struct(F.lit(role).alias("role"), by.alias("content")) for role, by in said]
    return F.to_json(F.struct(F.array(*messages).alias("messages")))


def n_tokens(example: Column) -> Column:
    """Return how many tokens an example has at most, about: a third of its bytes."""
    return F.ceil(F.octet_length(example) / BYTES_PER_TOKEN)


def tokens_in(example: bytes) -> int:
    """Return the same of a line that was read."""
    return -(-len(example) // BYTES_PER_TOKEN)


def is_for_training(validation_fraction: float) -> Column:
    """Whether a row is to train on, not to validate with: a function of its text's key."""
    last_of_train = int((1 - validation_fraction) * 2**63) - 1
    return F.shiftrightunsigned(F.xxhash64(c.TEXT_KEY, F.lit("validation")), 1) <= last_of_train


def place() -> Column:
    """Return what examples are ordered by, 0 and up: a function of the text's key, like chance."""
    return F.shiftrightunsigned(F.xxhash64(c.TEXT_KEY, F.lit("order")), 1)


def fault_of(format_: str, classes: Sequence[str], max_tokens: int) -> Callable[[str], str | None]:
    """Return what says, of a line as it was written, why a trainer would not take it."""
    labels = set(classes)
    check = _fault_of_chat if format_ == "openai-chat" else _fault_of_prompt

    def fault(line: str) -> str | None:
        if len(line.encode()) > max_tokens * BYTES_PER_TOKEN:
            return "too long"
        try:
            example = json.loads(line)
        except ValueError:
            return "no JSON"
        return check(example, labels)

    return fault


def _fault_of_chat(example: Any, labels: set[str]) -> str | None:
    messages = example.get("messages") if isinstance(example, dict) else None
    if not isinstance(messages, list) or not all(isinstance(of, dict) for of in messages):
        return "no messages"
    roles = [message.get("role") for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        return "other roles"
    if not all(isinstance(of.get("content"), str) and of["content"] for of in messages):
        return "no content"
    return None if messages[-1]["content"] in labels else "no class"


def _fault_of_prompt(example: Any, labels: set[str]) -> str | None:
    if not isinstance(example, dict) or set(example) != {"prompt", "completion"}:
        return "no prompt and completion"
    if not example["prompt"].endswith(SEPARATOR) or example["prompt"] == SEPARATOR:
        return "no content"
    return None if example["completion"].removeprefix(" ") in labels else "no class"


def dataset_card(classes: Sequence[str], splits: Mapping[str, Split]) -> str:
    """Return the README.md by which the Hugging Face library `datasets` names the classes."""
    names = "\n".join(f"          '{i}': {json.dumps(name)}" for i, name in enumerate(classes))
    counts = "\n".join(
        f"  - name: {name}\n    num_examples: {of.rows}" for name, of in splits.items()
    )
    files = "\n".join(f"  - split: {name}\n    path: data/{name}-*" for name in splits)
    return f"""---
configs:
- config_name: default
  data_files:
{files}
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
{names}
  splits:
{counts}
---
"""
