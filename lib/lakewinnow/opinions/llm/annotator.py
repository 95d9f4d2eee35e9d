"""A language model behind a chat service, as what gives a text its row of an embedding store.

A row is `answers.vector`: the shares of its answers that are of each class, and the rest. So what
asks for embeddings asks for opinions: in the budget, at the allowed rates, once. One text is in a
request, so that what a text says to the model is said of no other.

Servers differ in what they take beside the text. Each starts with all that helps; what it refuses
is left out from then on.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import openai
from numpy.typing import NDArray

from lakewinnow.config.sections import LLMConfig
from lakewinnow.core.text import most_tokens
from lakewinnow.embedding.base import OPINIONS, Limits, RefusedInput, TryLater
from lakewinnow.embedding.openai.access import Access, outcome_of
from lakewinnow.embedding.openai.service import ServiceEmbedder
from lakewinnow.opinions.llm.answers import FILTERED, NOT_CLASSES, vector
from lakewinnow.opinions.llm.prices import Prices
from lakewinnow.opinions.llm.question import Question, answer
from lakewinnow.opinions.llm.tokens import estimated

_MOST_LISTED: Final = 20  # tokens that might have stood in one's place
# Around each message, by models' templates
_MESSAGE_TOKENS: Final = 8  # at most
_AROUND: Final = 4  # about
_SPARE_TOKENS: Final = 8  # of an answer
_FILTERED: Final = {FILTERED, "invalid_prompt", "content_policy_violation"}
_SIMPLER: Final = {400, 422, 500, 501}  # after which less may be asked for
_FORMATS: Final = 3  # see `Wishes.format`
# What an error says that is about a wish
_ABOUT: Final = {
    "logprobs": re.compile(r"logprob|logits_all"),
    "format": re.compile(r"response_format|json_schema|json_object|grammar|structured|guided"),
    "temperature": re.compile(r"temperature"),
    "seed": re.compile(r"\bseed\b"),
    "n": re.compile(r"^n$|\bn\b.{0,20}(support|allow|permit)"),
}


@dataclass(frozen=True)
class _Said:
    """What was said to a text so far, and the tokens of prompts and answers."""

    choices: tuple[Mapping[str, Any], ...] = ()
    prompt: int = 0
    answer: int = 0


@dataclass(frozen=True)
class Wishes:
    """What a request may ask for that a server need not have."""

    format: int = 0  # of an answer: by a schema, by one as llama.cpp takes it, or just by asking
    logprobs: bool = True
    temperature: bool = True
    seed: bool = True
    n: bool = True  # several answers at once

    def without(self, name: str) -> "Wishes | None":
        """Return these without one; None where that is left out already."""
        if name == "format":
            return replace(self, format=self.format + 1) if self.format < _FORMATS - 1 else None
        return replace(self, **{name: False}) if getattr(self, name) else None


class ChatAnnotator(ServiceEmbedder):
    """A client of a chat service.

    Tokens are in units of the price of a prompt's: an answer's count for as many as they cost.
    """

    name = "chat"
    endpoint = "/v1/chat/completions"
    keys = OPINIONS

    def __init__(self, config: LLMConfig, question: Question) -> None:
        access = access_of(config)
        super().__init__(access)
        self.question = question
        self.model = f"{config.model}+{question.key}"
        self.dimensions = len(question.classes) + NOT_CLASSES
        self.prices = Prices.of(config, is_openai=access.is_openai)
        self.limits = Limits(
            inputs=1,
            concurrency=config.concurrency,
            requests_per_minute=config.max_requests_per_minute,
            tokens_per_minute=config.max_tokens_per_minute,
            usd_per_million_tokens=self.prices.unit,
        )
        self._config, self._has_answered = config, False
        self._first = self._wishes = Wishes(logprobs=config.logprobs)
        self._begun: dict[str, _Said] = {}  # by texts that have too few answers yet
        self._changing = threading.Lock()  # guards the wishes
        longest = max(most_tokens(answer(name)) for name in question.classes)
        self._answer_tokens = config.answer_tokens or longest + _SPARE_TOKENS
        whole = question.messages("")
        around = _MESSAGE_TOKENS * len(whole)
        self._head_most = around + sum(most_tokens(message["content"]) for message in whole)
        self._head_expected = _AROUND * len(whole) + sum(
            estimated(message["content"]) for message in whole
        )
        self._answer_expected = max(estimated(answer(name)) for name in question.classes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._config, self.question)

    def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the answers to a text, shape (1, K + 4)."""
        [text] = texts
        said = self._begun.pop(text, _Said())
        while len(said.choices) < self.question.samples:
            try:
                body = self._ask(text, self.question.samples - len(said.choices), said)
            except TryLater:
                self._begun[text] = said  # what it has is paid for
                raise
            if not (choices := _choices_of(body)):
                break
            usage = self._usage_of(body.get("usage"), text)
            said = _Said((*said.choices, *choices), said.prompt + usage[0], said.answer + usage[1])
        enough = said.choices[: self.question.samples]
        return vector(enough, self.question.classes, said.prompt, said.answer)[np.newaxis]

    @property
    def parameters(self) -> dict[str, Any]:
        """What a request says beside its text."""
        samples, wishes = self.question.samples, self._wishes
        takes_new_name = self.access.is_openai or self.access.api_version is not None
        length = "max_completion_tokens" if takes_new_name else "max_tokens"
        said: dict[str, Any] = {
            "model": self._config.model,
            "messages": self.question.head,
            length: self._answer_tokens,
        }
        if wishes.temperature:
            said["temperature"] = 0 if samples == 1 else 1
        if wishes.seed:
            said["seed"] = self.question.seed
        if wishes.n and samples > 1:
            said["n"] = samples
        if wishes.logprobs:
            said |= {"logprobs": True, "top_logprobs": _MOST_LISTED}
        if wishes.format == 0:
            form = {"name": "opinion", "strict": True, "schema": self.question.schema()}
            said["response_format"] = {"type": "json_schema", "json_schema": form}
        elif wishes.format == 1:
            said["response_format"] = {"type": "json_object", "schema": self.question.schema()}
        return said

    def body(self, text: str) -> dict[str, Any]:
        """Return a request of one text, whole."""
        return {**self.parameters, "messages": self.question.messages(text)}

    def answered(
        self,
        answer: Mapping[str, Any],
        n_texts: int,  # noqa: ARG002 - one
        *,
        is_asked: bool,  # noqa: ARG002
    ) -> NDArray[np.float32]:
        """Return what the body of an answer to one text says; see `ServiceEmbedder`."""
        n_prompt, n_answer = _usage(answer.get("usage")) or (0, 0)
        choices = _choices_of(answer)
        return vector(choices, self.question.classes, n_prompt, n_answer)[np.newaxis]

    def billed(self, usage: object) -> int:
        """Return the units billed, as an answer says; 0 where it does not."""
        said = _usage(usage)
        return 0 if said is None else self.prices.units(*said)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many units a question about each text takes, at most."""
        n_answer = self.question.samples * self._answer_tokens
        return [self.prices.units(self._head_most + most_tokens(text), n_answer) for text in texts]

    def expected(self, text: str) -> tuple[int, int]:
        """Return about how many tokens a question about a text takes, and its answers."""
        return self._head_expected + estimated(text), self.question.samples * self._answer_expected

    def split(self, text: str, n_tokens: int) -> list[str]:
        """Return the text in pieces that may be asked about within so many units."""
        room = n_tokens - self.count_tokens([""])[0]
        return super().split(text, room) if room > 0 else []

    def _ask(self, text: str, n: int, said: _Said) -> Mapping[str, Any]:
        """Return the body of an answer; ask for less where the server refuses something."""
        while True:
            wishes, body = self._wishes, self.body(text)
            body |= {"n": n} if "n" in body else {}
            body |= {"seed": body["seed"] + len(said.choices)} if "seed" in body else {}
            try:
                raw = self.client.chat.completions.with_raw_response.create(**body)
                answer = json.loads(raw.content)
            except openai.OpenAIError as error:
                if _is_filtered(error):
                    return {"choices": [{"finish_reason": FILTERED}] * n}
                # Not chained: the client's error holds the request, and that the key.
                outcome = outcome_of(error, [self.access.key, text], OPINIONS)
                is_too_long = isinstance(outcome, RefusedInput) and outcome.too_long
                if not is_too_long and self._wishes_less(error, wishes):
                    continue
                raise outcome from None
            except (UnicodeDecodeError, json.JSONDecodeError):
                raise TryLater("no JSON in the answer", is_lost=True) from None
            if not isinstance(answer, Mapping):
                raise TryLater("no answer of a chat in what came", is_lost=True)
            self._has_answered = True
            return answer

    def _wishes_less(self, error: openai.OpenAIError, wishes: Wishes) -> bool:
        """Ask for less from now on, if that may be what an error is about; return whether."""
        if not isinstance(error, openai.APIStatusError) or error.status_code not in _SIMPLER:
            return False
        with self._changing:
            if self._wishes != wishes:
                return True  # after another's error
            reason = f"{error.param or error.message}".lower()
            named = [name for name, pattern in _ABOUT.items() if pattern.search(reason)]
            if not named and error.status_code < 500 and not self._has_answered:
                named = ["format", "logprobs"]  # it may not say which
            less = next(filter(None, map(wishes.without, named)), None)
            if less is None and not self._has_answered:
                self._wishes = self._first  # it was none of them
            elif less is not None:
                self._wishes = less
            return less is not None

    def _usage_of(self, usage: object, text: str) -> tuple[int, int]:
        """Count what an answer took: as billed, or about where the server does not say."""
        used = _usage(usage) or self.expected(text)
        with self._lock:
            self.tokens_used += self.prices.units(*used)
        return used


def access_of(config: LLMConfig) -> Access:
    """Return where the service is."""
    return Access(config.base_url, config.api_version, config.timeout_s, OPINIONS)


def _is_filtered(error: openai.OpenAIError) -> bool:
    """Whether a service refuses a text for what it says: that is its answer."""
    return isinstance(error, openai.APIStatusError) and error.code in _FILTERED


def _choices_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = body.get("choices")
    found = choices if isinstance(choices, list) else []
    return [choice for choice in found if isinstance(choice, Mapping)]


def _usage(usage: object) -> tuple[int, int] | None:
    """Return the tokens of the prompt and of the answers; None where they are not said."""
    if not isinstance(usage, Mapping):
        return None
    prompt, answers = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(answers, int):
        return None
    return prompt, answers
