"""How probable a language model finds each class, from the log-probabilities of its tokens.

A class's name may be several tokens, and begin as another's does. The probability of the answer is
followed along its tokens; at each, those of the other classes are split off by the tokens that
might have stood there. What leads to no class is left out, and the rest scaled to 1.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lakewinnow.core.types import FloatArray


def class_probs(
    tokens: Sequence[Mapping[str, Any]], classes: Sequence[str], label: int
) -> FloatArray | None:
    """Return the probability of each class, shape (K,); None where the tokens do not tell.

    Parameters
    ----------
    tokens : of an answer, each with its logprob and top_logprobs, as the chat protocol has them
    label : the class that it names, as JSON has it, or as it is
    """
    said = [str(token.get("token", "")) for token in tokens]
    ends, start = _spelt(classes), "".join(said).rfind(_spelt(classes)[label])
    if start < 0:  # not JSON: nothing but the end of the answer ends the name
        ends, start = list(classes), "".join(said).rfind(classes[label])
    if start < 0:
        return None
    mass, path, read = np.zeros(len(classes)), 1.0, ""
    for token, text in zip(tokens, said, strict=True):
        before, start = text[:start], start - len(text)  # of a token that begins before the name
        if start >= 0:
            continue
        for other in token.get("top_logprobs") or ():
            instead = str(other.get("token", ""))
            if instead != text and instead.startswith(before):
                meant = _meant(read + instead[len(before) :], ends)
                mass[meant] += path * _prob(other) / max(1, len(meant))
        path *= _prob(token)
        read, start = read + text[len(before) :], 0
        if _meant(read, ends) == [label] or len(read) >= len(ends[label]):
            break
    mass[label] += path
    total = mass.sum()
    return mass / total if 0 < total < math.inf else None


def _prob(token: Mapping[str, Any]) -> float:
    logprob = token.get("logprob")
    return math.exp(min(0.0, logprob)) if isinstance(logprob, int | float) else 0.0


def _spelt(classes: Sequence[str]) -> list[str]:
    """Return names as they stand in JSON, with the quote that ends them."""
    return [json.dumps(name, ensure_ascii=False)[1:] for name in classes]


def _meant(read: str, ends: Sequence[str]) -> list[int]:
    """Return the classes that an answer may be of that goes on from what was read."""
    if not read:
        return []
    return [k for k, end in enumerate(ends) if end.startswith(read) or read.startswith(end)]
