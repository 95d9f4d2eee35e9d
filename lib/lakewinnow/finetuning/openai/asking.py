"""What a fine-tuned chat model calls a text: one question each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

import openai

from lakewinnow.embedding.openai.access import Access, outcome_of
from lakewinnow.embedding.requests.sending import gave_up
from lakewinnow.errors import ProviderError
from lakewinnow.plan.words import counted

_SPARE_TOKENS: Final = 8  # beside the longest name, about two bytes a token


@dataclass(frozen=True)
class Answer:
    """What a model said of a text, and the tokens that were billed for it."""

    row_id: str  # of the text
    text: str | None  # what it said; None, where it refused
    n_prompt_tokens: int
    n_answer_tokens: int


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Asks a model about texts, some at once; the client tries again where that may help."""

    access: Access
    model: str  # that was fine-tuned
    system: str | None  # what the system says, as in the examples it learnt from
    classes: Sequence[str]  # names
    concurrency: int  # questions at once
    max_retries: int  # of each

    @property
    def _max_tokens(self) -> int:
        longest = max(len(name.encode()) for name in self.classes)
        return longest // 2 + _SPARE_TOKENS

    def ask(
        self, rows: Iterable[tuple[str, str]], keep: Callable[[list[Answer]], object], at_once: int
    ) -> None:
        """Ask about (row id, text) pairs, and have the answers kept, `at_once` of them together.

        Those that came before an error are kept before it is raised.
        """
        with (
            self.access.client(self.max_retries) as client,
            ThreadPoolExecutor(self.concurrency, "asking") as threads,
        ):
            for some in _in_groups(rows, at_once):
                futures = [threads.submit(self._answer, client, *row) for row in some]
                errors = [error for of in futures if (error := of.exception()) is not None]
                answers = [of.result() for of in futures if of.exception() is None]
                if answers:
                    keep(answers)
                if errors:
                    raise errors[0]

    def _answer(self, client: openai.OpenAI, row_id: str, text: str) -> Answer:
        messages = [{"role": "user", "content": text}]
        if self.system is not None:
            messages.insert(0, {"role": "system", "content": self.system})
        try:
            said = client.chat.completions.create(
                model=self.model,
                messages=messages,  # type: ignore[arg-type]
                temperature=0,
                max_completion_tokens=self._max_tokens,
            )
        except openai.OpenAIError as error:
            # Not chained: the client's error holds the request, and that the key.
            raise self._error_of(error, text) from None
        usage = said.usage
        return Answer(
            row_id,
            said.choices[0].message.content if said.choices else None,
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
        )

    def _error_of(self, error: openai.OpenAIError, text: str) -> ProviderError:
        outcome = outcome_of(error, [self.access.key, text], self.access.keys)
        if isinstance(outcome, ProviderError):
            return outcome
        expected = f"an answer within {counted(self.max_retries + 1, 'attempt')}"
        return gave_up(expected, outcome.reason, self.access.keys)


def _in_groups(rows: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some
