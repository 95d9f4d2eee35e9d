"""One request until it is answered: waiting for its turn, and trying again."""

import threading
from dataclasses import dataclass
from random import Random
from typing import Final

from lakewinnow.embedding.base import Embedder, Keys, TryLater
from lakewinnow.embedding.requests.budget import Pace
from lakewinnow.embedding.requests.outcomes import FloatMatrix, well_formed
from lakewinnow.errors import ProviderError, Shown
from lakewinnow.plan.words import counted

AGAIN: Final = "run again: finished work is kept and not paid for twice"
_FIRST_BACK_OFF_S: Final = 0.5
_LONGEST_BACK_OFF_S: Final = 60.0
_LONGEST_WAIT_S: Final = 600.0  # that a provider may ask for; a day's quota is not waited for


class OnlyThisFails(Exception):  # noqa: N818 - not an error yet
    """A request fails however often it is tried, while others are answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False)
class Sender:
    """Sends requests, from any thread."""

    embedder: Embedder
    pace: Pace  # says when a request may begin; it is stopped by a fatal error
    max_retries: int
    most_tokens: int | None = None  # that may be used; None: no bound
    # so far
    n_requests: int = 0
    n_answered: int = 0
    n_counted: int = 0  # tokens, by the embedder's count, of those that were done, and of
    n_lost: int = 0  # those that may have been, whose answer did not arrive

    def __post_init__(self) -> None:
        self._random = Random(0)  # noqa: S311 - no secret
        self._lock = threading.Lock()  # guards the counts
        self._n_billed_before = self._n_billed = self.embedder.tokens_used

    @property
    def n_tokens(self) -> int:
        """Tokens used so far: as billed, or as counted where the provider does not say.

        It cannot say what a request took whose answer was lost; that counts as if it was done.
        """
        n_billed = self.embedder.tokens_used - self._n_billed_before
        return n_billed + self.n_lost if n_billed else self.n_counted

    def seed(self, text: str) -> None:
        """Decide how long to wait by a text: tasks must not try again in step."""
        self._random.seed(text)

    def send(
        self,
        texts: list[str],
        n_tokens: int,
        expected: float,
        n_looks: int = 0,
        since: int | None = None,
    ) -> FloatMatrix:
        """Return what the embedder answers; rows of NaN for what it does not.

        Parameters
        ----------
        n_tokens, expected : tokens by the embedder's count, and those that will be billed
        n_looks : how often these texts were sent before without a vector coming back
        since : what `n_answered` must exceed for others to count as answered; default: what it is

        Raises
        ------
        RefusedInput, OnlyThisFails, ProviderError
        Stopped : before it was begun, or begun again
        """
        if n_looks:
            self.pace.rest(self._back_off(n_looks))
        n_failures, n_answered = 0, self.n_answered
        since = n_answered if since is None else since
        while True:
            self.pace.begin(expected)
            used = expected  # should it fail: the provider may count it against the rate limit
            try:
                with self._lock:
                    self.n_requests += 1
                vectors = self.embedder.embed(texts)
                used = self._bill(n_tokens)
                return well_formed(self.embedder, vectors, len(texts))
            except TryLater as error:
                later = error
                if later.is_lost:
                    self._lose(n_tokens)
            except ProviderError:
                self.pace.stop()
                raise
            finally:
                self.pace.end(expected, used)
            if later.after is not None and self.n_answered > n_answered:
                n_failures, n_answered = 0, self.n_answered  # it answers others: only busy
            n_failures += 1
            if n_failures > self.max_retries and self.n_answered > since:
                raise OnlyThisFails(later.reason)
            self._wait(later, n_failures)

    def _bill(self, n_tokens: int) -> int:
        """Count an answer; return the tokens billed since the last, of whichever request."""
        with self._lock:
            before, self._n_billed = self._n_billed, self.embedder.tokens_used
            self.n_answered += 1
            self.n_counted += n_tokens
            return self._n_billed - before if self._n_billed else n_tokens

    def _lose(self, n_tokens: int) -> None:
        """Count a request whose answer was lost; raise `ProviderError` if another is too much."""
        with self._lock:
            self.n_counted += n_tokens
            self.n_lost += n_tokens
        if self.most_tokens is not None and self.n_tokens + n_tokens > self.most_tokens:
            self.pace.stop()
            raise cost_limit(self.most_tokens, self.n_tokens, self.embedder.keys)

    def _wait(self, later: TryLater, n_failures: int) -> None:
        if n_failures > self.max_retries:
            self.pace.stop()
            expected = f"an answer within {counted(n_failures, 'attempt')}"
            raise gave_up(expected, later.reason, self.embedder.keys)
        if later.after is None:
            self.pace.rest(self._back_off(n_failures))
        elif later.after > _LONGEST_WAIT_S:
            self.pace.stop()
            got = f"{later.reason}; wait {later.after:,.0f} s"
            raise gave_up("an answer in time", got, self.embedder.keys)
        else:  # the others would only hear the same
            self.pace.hold(later.after + self._random.uniform(0, _FIRST_BACK_OFF_S))

    def _back_off(self, n_failures: int) -> float:
        """Return a wait of random length up to a bound that doubles: "full jitter"."""
        bound = _FIRST_BACK_OFF_S * 2 ** min(n_failures, 32)
        return self._random.uniform(0, min(bound, _LONGEST_BACK_OFF_S))


def gave_up(expected: str, got: str, keys: Keys) -> ProviderError:
    """Return the error of a provider that is not there."""
    return ProviderError("provider_unavailable", keys.provider, expected, Shown(got), AGAIN)


def cost_limit(most: int | None, n_tokens: int, keys: Keys) -> ProviderError:
    """Return the error of a budget that is used up."""
    expected = f"at most {most:,} paid tokens in a task"
    got, hint = Shown(f"{n_tokens:,} used, with texts left"), f"raise the limit and {AGAIN}"
    return ProviderError("cost_limit", keys.max_cost, expected, got, hint)
