"""What a language model answers, as numbers: a share of its answers for each class, and the rest.

An answer is of a class where it names it. A refusal, and an answer that names none, are counted as
such and never guessed at.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.opinions.llm.likelihood import class_probs
from lakewinnow.opinions.llm.question import LABEL

_AROUND: Final = " \t\r\n\"'“”‘’`."
_BESIDE: Final = re.compile(  # thoughts and fences around what is answered
    r"<think>.*?</think>|^\s*```(?:json)?\s*|\s*```\s*$", re.DOTALL | re.IGNORECASE
)
FILTERED: Final = "content_filter"  # why an answer ended
NOT_CLASSES: Final = 4  # numbers of an answer beside its classes: see `Answers.of`


def class_of(answer: str | None, classes: Sequence[str]) -> int:
    """Return the index of the class that an answer names; K where it names none.

    It names a class where it is its name, without regard to case, to white space at its ends, and
    to quotes and full stops around it.
    """
    if answer is None:
        return len(classes)
    if answer.strip() in classes:
        return classes.index(answer.strip())
    said = answer.strip(_AROUND).casefold()
    named = [k for k, name in enumerate(classes) if name.strip(_AROUND).casefold() == said]
    return named[0] if len(named) == 1 else len(classes)


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to some texts."""

    shares: FloatArray  # float64, shape (n, K), of a text's answers that are of each class
    outside: FloatArray  # float64, shape (n,), the share that are of no class
    refused: FloatArray  # float64, shape (n,), the share that are refusals
    # int64, shape (n,), as billed
    prompt_tokens: IntArray
    answer_tokens: IntArray

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Return what rows of an embedding store say, shape (n, K + `NOT_CLASSES`)."""
        numbers = vectors.astype(np.float64)
        prompt, answer = (numbers[:, i].astype(np.int64) for i in (-2, -1))
        return cls(numbers[:, :-NOT_CLASSES], numbers[:, -4], numbers[:, -3], prompt, answer)

    @property
    def labels(self) -> IntArray:
        """The class of most answers; -1 where that is none, or not one alone. Shape (n,)."""
        all_shares = np.column_stack([self.shares, self.outside, self.refused])
        best = all_shares.max(axis=1, keepdims=True)
        is_best = all_shares == best
        label = is_best.argmax(axis=1)
        is_class = (is_best.sum(axis=1) == 1) & (label < self.shares.shape[1])
        return np.where(is_class, label, -1)


def vector(
    choices: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    n_prompt_tokens: int,
    n_answer_tokens: int,
) -> NDArray[np.float32]:
    """Return the answers to a text as a row of an embedding store; NaN where there is none."""
    if not choices:
        return np.full(len(classes) + NOT_CLASSES, np.nan, np.float32)
    shares = np.mean([_shares(choice, classes) for choice in choices], axis=0)
    return np.array([*shares, n_prompt_tokens, n_answer_tokens], np.float32)


def _shares(choice: Mapping[str, Any], classes: Sequence[str]) -> FloatArray:
    """Return what an answer says, shape (K + 2,): of the classes, of none, and refused."""
    shares = np.zeros(len(classes) + 2)
    message = choice.get("message") or {}
    if message.get("refusal") or choice.get("finish_reason") == FILTERED:
        shares[-1] = 1
        return shares
    content = message.get("content")
    label = class_of(_named(content), classes)
    if label == len(classes):
        shares[label] = 1
        return shares
    tokens = (choice.get("logprobs") or {}).get("content") or ()
    probs = class_probs(tokens, classes, label)
    shares[: len(classes)] = np.eye(len(classes))[label] if probs is None else probs
    return shares


def _named(content: object) -> str | None:
    """Return the name in an answer: of its JSON, or all of it where it is not JSON."""
    if not isinstance(content, str):
        return None
    text = _BESIDE.sub("", content)
    with suppress(json.JSONDecodeError):
        said = json.loads(text)
        name = said.get(LABEL) if isinstance(said, Mapping) else said
        return name if isinstance(name, str) else None
    return text
