"""Texts to vectors through any embedder: packed, several requests at once, nothing paid for lost.

What is common to all providers: `Embedder.embed` does one request, here many are made of many
texts. A request that is refused, or that fails while others do not, is halved until the one bad
text is found.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from lakewinnow.embedding.base import Embedder, RefusedInput
from lakewinnow.embedding.requests.budget import Pace, Share, Stopped
from lakewinnow.embedding.requests.outcomes import (
    SECOND_LOOKS,
    EmbeddedTexts,
    FloatMatrix,
    LongTexts,
    Outcomes,
    Piece,
    RefusedText,
    pack,
)
from lakewinnow.embedding.requests.sending import OnlyThisFails, Sender, cost_limit, gave_up
from lakewinnow.errors import ProviderError

__all__ = ["EmbeddedTexts", "RefusedText", "Requests", "Share"]

_REQUESTS_A_MINUTE: Final = 6  # at least, to spread a budget of tokens


@dataclass(frozen=True)
class _Request:
    pieces: list[Piece]
    n_looks: int = 0  # at these pieces before: no finite vectors came for them
    since: int | None = None  # n_answered when a request that failed by itself was halved to this

    @property
    def n_tokens(self) -> int:
        return sum(piece.n_tokens for piece in self.pieces)


@dataclass(eq=False)
class Requests:
    """Has texts embedded."""

    embedder: Embedder
    _: KW_ONLY
    long_texts: LongTexts = "truncate"  # what happens to a text of more tokens than the model takes
    # texts in a request at most; default, and upper bound: what the embedder takes
    batch_size: int | None = None
    # how often a request that failed is tried again before it is halved, or the run stopped
    max_retries: int = 6
    share: Share = field(default_factory=Share)  # of the budget of all tasks
    make_pace: Callable[[Share], Pace] = Pace  # makes of it what requests wait for; for tests
    stopped: ProviderError | None = field(default=None, init=False)  # why not all were embedded

    def __post_init__(self) -> None:
        limits = self.embedder.limits
        self._pace = self.make_pace(self.share)
        self._sender = Sender(self.embedder, self._pace, self.max_retries, self.share.tokens)
        self._n_inputs = min(self.batch_size or limits.inputs, limits.inputs)
        self._tokens_per_request = min(limits.tokens_per_request or math.inf, _portion(self.share))
        self._again: deque[_Request] = deque()
        self._under_way: dict[Future[FloatMatrix], _Request] = {}
        self._outcomes = Outcomes(self.embedder, self.long_texts)

    @property
    def n_requests(self) -> int:
        """Requests begun so far."""
        return self._sender.n_requests

    @property
    def n_tokens(self) -> int:
        """Tokens used so far: see `Sender.n_tokens`."""
        return self._sender.n_tokens

    @property
    def n_lost(self) -> int:
        """Of these, tokens of answers that did not arrive."""
        return self._sender.n_lost

    @property
    def debt_s(self) -> float:
        """Seconds until another task may follow with the same share; see `Pace.debt`."""
        return self._pace.debt()

    def run(self, texts: Sequence[str]) -> Iterator[EmbeddedTexts | RefusedText]:
        """Embed texts; to be called once.

        After a fatal error no request is begun; those under way are finished, and the iterator ends
        with the error in `stopped`: to raise it is up to the caller, once the vectors are kept.

        Yields
        ------
        EmbeddedTexts or RefusedText
            In any order; each text once, or not at all where the run was stopped.
        """
        self._sender.seed(texts[0] if texts else "")
        requests = self._requests(texts)
        n = self.embedder.limits.concurrency
        with ThreadPoolExecutor(n, "embedding") if n > 1 else _InThisThread() as executor:
            try:
                while self._begin(requests, executor):
                    for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                        request = self._under_way.pop(future)
                        try:
                            yield from self._outcome(request, future)
                        except ProviderError as error:
                            self._stop(error)
                    yield from self._outcomes.take_refused()
            finally:
                self._pace.stop()
        yield from self._outcomes.take_refused(is_end=not self.stopped)

    def _requests(self, texts: Sequence[str]) -> Iterator[_Request]:
        pieces = self._outcomes.cut(texts)
        for packed in pack(pieces, self._n_inputs, self._tokens_per_request):
            yield _Request(packed)

    def _begin(self, requests: Iterator[_Request], executor: Executor) -> bool:
        """Begin as many requests as may be under way at once; return whether any is."""
        while len(self._under_way) < self.embedder.limits.concurrency and not self.stopped:
            request = self._again.popleft() if self._again else next(requests, None)
            if request is None:
                break
            expected = request.n_tokens * self._underestimate()
            if not self._affords(expected):
                self._again.appendleft(request)
                if self._under_way:
                    break  # until it is known what those cost
                self._stop(cost_limit(self.share.tokens, self.n_tokens, self.embedder.keys))
                break
            texts = [piece.text for piece in request.pieces]
            future = executor.submit(
                self._sender.send, texts, request.n_tokens, expected, request.n_looks, request.since
            )
            self._under_way[future] = request
        return bool(self._under_way)

    def _affords(self, expected: float) -> bool:
        if self.share.tokens is None:
            return True
        under_way = self._n_under_way() * self._underestimate()
        return self.n_tokens + under_way + expected <= self.share.tokens

    def _underestimate(self) -> float:
        """Return the tokens billed for each that was counted, where that is more than one."""
        n_counted = self._sender.n_counted + self._n_under_way()
        return max(1.0, self.n_tokens / n_counted) if n_counted else 1.0

    def _n_under_way(self) -> int:
        return sum(request.n_tokens for request in self._under_way.values())

    def _outcome(self, request: _Request, future: Future[FloatMatrix]) -> Iterator[EmbeddedTexts]:
        try:
            yield from self._keep(request, future.result())
        except RefusedInput as refusal:
            if not self._halved(request, request.since):
                [piece] = request.pieces
                if shorter := self._outcomes.replace(piece, refusal):
                    self._again.appendleft(_Request(shorter))
        except OnlyThisFails as failure:
            if not self._halved(request, self._sender.n_answered):
                # A text that was never sent with others may just have had bad luck.
                if request.since is None:
                    expected, keys = "an answer to every request", self.embedder.keys
                    raise gave_up(expected, failure.reason, keys) from None
                self._outcomes.refuse(request.pieces[0], "embedding_refused", failure.reason)
        except Stopped:
            return

    def _stop(self, error: ProviderError) -> None:
        self.stopped = self.stopped or error
        self._pace.stop()

    def _halved(self, request: _Request, since: int | None) -> bool:
        """Send a request again in two halves, if it can be halved; return whether it can."""
        middle = len(request.pieces) // 2
        halves = (request.pieces[middle:], request.pieces[:middle])
        if middle:
            self._again.extendleft(_Request(half, since=since) for half in halves)
        return middle > 0

    def _keep(self, request: _Request, vectors: FloatMatrix) -> Iterator[EmbeddedTexts]:
        """Return the vectors that came; send what has none again, by itself."""
        embedded, missing = self._outcomes.keep(request.pieces, vectors)
        yield from embedded
        if missing and request.n_looks < SECOND_LOOKS:
            self._again.appendleft(_Request(missing, request.n_looks + 1))
            return
        for piece in missing:
            self._outcomes.refuse_not_finite(piece)


class _InThisThread(Executor):
    """Does what is submitted at once: one request at a time needs no thread."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised by future.result()
            future.set_exception(error)
        return future


def _portion(share: Share) -> float:
    """Return the tokens of a request that keep a task on the move: not a minute's worth at once."""
    if share.tokens_per_minute is None:
        return math.inf
    n_requests = min(_REQUESTS_A_MINUTE, share.requests_per_minute or _REQUESTS_A_MINUTE)
    return share.tokens_per_minute / max(1.0, n_requests)
