"""When a request may begin, so that a task keeps to its share of the cluster's budget.

In every window of 60 seconds, as the provider's clock sees it, a task begins no more requests and
sends no more tokens than its share. A request therefore counts from the moment it begins until 60
seconds after its answer: it reached the provider somewhere in between.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

_ROUNDING: Final = 1e-9  # of a limit


@dataclass(frozen=True)
class Share:
    """What one task may use of what all tasks share."""

    # None where there is no limit
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    # that may be spent at most by this run of the task; None where there is no bound
    tokens: int | None = None
    debt_s: float = 0.0  # see `Pace.debt`: of the task before, where this one follows it
    window_s: float = 60.0  # seconds in the place of a minute; for tests


class Stopped(Exception):  # noqa: N818 - asked for
    """The pace was stopped: nothing may begin any more."""


class Pace:
    """Lets requests begin, one after another, as soon as the share allows it.

    Parameters
    ----------
    clock : the time in seconds, never going back
    wait : waits so many seconds (None: for a change), or less; for tests
    """

    def __init__(
        self,
        share: Share,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float | None], object] | None = None,
    ) -> None:
        self._clock = clock
        self._turn = threading.Lock()  # those who wait to begin do so in the order they came
        self._changed = threading.Condition()  # guards all that follows
        self._wait = wait or self._changed.wait
        now = clock()
        start = now + share.debt_s
        self._requests = _Allowance(share.requests_per_minute, share.window_s, start)
        self._tokens = _Allowance(share.tokens_per_minute, share.window_s, start)
        self._not_before = now
        self._stopped = False

    def begin(self, n_tokens: float) -> None:
        """Wait until a request of so many tokens may begin, and count it."""
        with self._turn, self._changed:
            while delay := self._delay(n_tokens):
                self._wait(None if math.isinf(delay) else delay)
            self._requests.begin(1)
            self._tokens.begin(n_tokens)

    def end(self, n_tokens: float, used: float) -> None:
        """Count a request that began with `n_tokens` as one of as many as it `used`."""
        with self._changed:
            now = self._clock()
            self._requests.end(1, 1, now)
            self._tokens.end(n_tokens, used, now)
            self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Let no request begin for a while."""
        with self._changed:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def rest(self, seconds: float) -> None:
        """Wait, and raise `Stopped` when the pace is."""
        with self._changed:
            until = self._clock() + seconds
            while (left := until - self._clock()) > 0 and not self._stopped:
                self._wait(left)
            self._raise_if_stopped()

    def stop(self) -> None:
        """Let nothing begin any more, and wake up who waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def debt(self) -> float:
        """Return the seconds until another task may follow this one with the same share.

        Zero where the last minute's share was used evenly, a minute where it was used just now, as
        it is after a wait. To be asked when no request is under way.
        """
        with self._changed:
            now = self._clock()
            return max(self._requests.debt(now), self._tokens.debt(now))

    def _delay(self, n_tokens: float) -> float:
        self._raise_if_stopped()
        now = self._clock()
        held = self._not_before - now
        return max(0.0, held, self._requests.delay(1, now), self._tokens.delay(n_tokens, now))

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise Stopped


@dataclass
class _Allowance:
    """How much of one thing may be used in any window.

    It starts as if it had been used evenly until then: a task that takes over from another adds to
    what that one has used in the last minute.
    """

    limit: float | None
    window: float
    started: float
    used: float = 0.0  # by what is under way, and by what ended less than a window ago
    ended: list[tuple[float, float]] = field(default_factory=list)  # heap of (until, amount)

    def delay(self, amount: float, now: float) -> float:
        """Return the seconds until it is worth asking again; 0 where it may begin."""
        if self.limit is None:
            return 0.0
        self._forget(self.limit, now)
        # More than a whole window's worth has to go at once: after a window without anything.
        needed = self.used + min(amount, self.limit) * (1 - _ROUNDING)
        at = self.started + self.window * needed / self.limit if needed <= self.limit else math.inf
        if at <= now:
            return 0.0
        return min(at, self.ended[0][0] if self.ended else math.inf) - now

    def begin(self, amount: float) -> None:
        self.used += amount

    def end(self, amount: float, used: float, now: float) -> None:
        self.used += used - amount
        if self.limit is not None:
            windows = max(1.0, used / self.limit)  # what went beyond the limit is made up for
            heappush(self.ended, (now + self.window * windows, used))

    def debt(self, now: float) -> float:
        """Return the seconds after which an allowance that starts then adds up with this one."""
        if self.limit is None:
            return 0.0
        self._forget(self.limit, now)
        debt, used = 0.0, self.used
        for until, amount in sorted(self.ended):  # the other one has come up to what is left then
            debt = max(debt, until - now - self.window * (1 - used / self.limit))
            used -= amount
        return debt

    def _forget(self, limit: float, now: float) -> None:
        while self.ended and self.ended[0][0] <= now:
            self.used -= heappop(self.ended)[1]
        if len(self.ended) == 0 and self.used < limit * _ROUNDING:
            self.used = 0.0
