"""Calls of a service, tried again where that may help, and never made twice where that costs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final, TypeVar

import openai

from lakewinnow.embedding.base import TryLater
from lakewinnow.embedding.openai.access import Access
from lakewinnow.embedding.openai.errors import outcome_of
from lakewinnow.embedding.requests.sending import gave_up
from lakewinnow.errors import ProviderError, Shown
from lakewinnow.plan.words import counted

T = TypeVar("T")

_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True)
class Calls:
    """Makes calls of a client that does not try again by itself."""

    access: Access  # of the client; its key is not shown
    max_retries: int  # of each call
    refused: tuple[str, str]  # key of the configuration, and what the service was expected to take
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds
    random: Random = field(default_factory=partial(Random, 0))

    def unless_gone(self, call: Callable[[], T]) -> T | None:
        """Call until there is an answer; None, where the service knows no such thing."""

        def ask() -> T | None:
            try:
                return call()
            except openai.NotFoundError:
                return None

        return self.persistently(ask)

    def persistently(
        self, call: Callable[[], T], instead: Callable[[], T | None] | None = None
    ) -> T:
        """Call until there is an answer; after a failure, see first if there is one `instead`."""
        reason = ""
        for n_failures in range(1, self.max_retries + 2):
            try:
                return call()
            except openai.OpenAIError as error:
                outcome = outcome_of(error, [self.access.key], self.access.keys)
            if isinstance(outcome, ProviderError):
                raise outcome
            if not isinstance(outcome, TryLater):
                where, expected = self.refused
                raise ProviderError("request_refused", where, expected, Shown(outcome.reason))
            reason = outcome.reason
            back_off = self.random.uniform(0, min(_LONGEST_WAIT_S, 2.0**n_failures))
            self.sleep(back_off if outcome.after is None else min(outcome.after, _LONGEST_WAIT_S))
            if instead is not None and (found := instead()) is not None:
                return found
        expected = f"an answer within {counted(self.max_retries + 1, 'attempt')}"
        raise gave_up(expected, reason, self.access.keys)
