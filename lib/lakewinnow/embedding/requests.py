"""Texts to vectors through any embedder: packed, several requests at once, nothing paid for lost.

What is common to all providers: `Embedder.embed` does one request, here many are made of many
texts. A request that is refused is halved until the one bad text is found.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lakewinnow.embedding.base import Embedder, RefusedInput
from lakewinnow.embedding.budget import Pace, Share, Stopped
from lakewinnow.embedding.pieces import LongTexts, Means, Piece, cut, cut_texts, pack
from lakewinnow.embedding.sending import AGAIN, FloatMatrix, Sender
from lakewinnow.errors import ProviderError, Shown

__all__ = ["Embedded", "Refused", "Requests", "Share"]

_SECOND_LOOKS: Final = 2  # at a text that no finite vector came for: each is paid for
_TOO_MANY: Final = 16  # texts refused before any was embedded: it is not the texts
_REQUESTS_A_MINUTE: Final = 6  # at least, to spread a budget of tokens


@dataclass(frozen=True)
class Embedded:
    """Vectors of some texts.

    Attributes
    ----------
    positions : ndarray of int, shape (n,), in the texts that were given
    vectors : ndarray of float32, shape (n, dimensions), finite
    """

    positions: NDArray[np.int64]
    vectors: FloatMatrix


@dataclass(frozen=True)
class Refused:
    """A text that has no vector, and why.

    Attributes
    ----------
    position : in the texts that were given
    code : "embedding_refused", "text_too_long_for_model" or "embedding_not_finite"
    reason : one line, without the text
    """

    position: int
    code: str
    reason: str


@dataclass(frozen=True)
class _Request:
    pieces: list[Piece]
    n_looks: int = 0  # at these pieces before: no finite vectors came for them

    @property
    def n_tokens(self) -> int:
        return sum(piece.n_tokens for piece in self.pieces)


class Requests:
    """Has texts embedded.

    Parameters
    ----------
    embedder : Embedder
    long_texts : {"truncate", "split-mean", "quarantine"}
        What happens to a text of more tokens than the model takes.
    batch_size : int, optional
        Texts in a request at most; default, and upper bound: what the embedder takes.
    max_retries : int
        How often a request that failed is tried again before the run is stopped.
    share : Share
        Of the budget of all tasks.
    make_pace : Callable
        Makes of the share what requests wait for; for tests.

    Attributes
    ----------
    stopped : ProviderError or None
        Why not all texts were embedded.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        long_texts: LongTexts = "truncate",
        batch_size: int | None = None,
        max_retries: int = 6,
        share: Share = Share(),  # noqa: B008 - frozen
        make_pace: Callable[[Share], Pace] = Pace,
    ) -> None:
        limits = embedder.limits
        self.stopped: ProviderError | None = None
        self._embedder = embedder
        self._long_texts: LongTexts = long_texts
        self._share = share
        self._pace = make_pace(share)
        self._sender = Sender(embedder, self._pace, max_retries)
        self._n_inputs = min(batch_size or limits.inputs, limits.inputs)
        self._tokens_per_request = min(limits.tokens_per_request or math.inf, _portion(share))
        self._again: deque[_Request] = deque()
        self._under_way: dict[Future[FloatMatrix], _Request] = {}
        self._means = Means()
        self._refused: list[Refused] = []  # and not yielded yet
        self._doubtful: list[Refused] = []  # by a provider that has not embedded any text yet
        self._has_embedded = False

    @property
    def n_requests(self) -> int:
        """Requests begun so far."""
        return self._sender.n_requests

    @property
    def n_tokens(self) -> int:
        """Tokens used so far: as billed, or as counted where the provider does not say."""
        return self._sender.n_tokens

    def run(self, texts: Sequence[str]) -> Iterator[Embedded | Refused]:
        """Embed texts; to be called once.

        After a fatal error no request is begun; those under way are finished, and the iterator ends
        with the error in `stopped`: to raise it is up to the caller, once the vectors are kept.

        Yields
        ------
        Embedded or Refused
            In any order; each text once, or not at all where the run was stopped.
        """
        self._sender.seed(texts[0] if texts else "")
        requests = self._requests(texts)
        with _executor(self._embedder.limits.concurrency) as executor:
            try:
                while self._begin(requests, executor):
                    for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                        yield from self._outcome(self._under_way.pop(future), future)
                    yield from self._take_refused()
            finally:
                self._pace.stop()
        self._has_embedded |= not self.stopped  # so few texts say nothing against the provider
        yield from self._take_refused()

    def _requests(self, texts: Sequence[str]) -> Iterator[_Request]:
        for pieces in pack(self._pieces(texts), self._n_inputs, self._tokens_per_request):
            yield _Request(pieces)

    def _pieces(self, texts: Sequence[str]) -> Iterator[Piece]:
        for position, pieces in enumerate(cut_texts(self._embedder, texts, self._long_texts)):
            if len(pieces) > 1:
                self._means.expect(pieces)
            if not pieces:
                limit = self._embedder.limits.tokens_per_input
                reason = f"more than {limit} tokens"
                self._refused.append(Refused(position, "text_too_long_for_model", reason))
            yield from pieces

    def _begin(self, requests: Iterator[_Request], executor: Executor) -> bool:
        """Begin as many requests as may be under way at once; return whether any is."""
        while len(self._under_way) < self._embedder.limits.concurrency and not self.stopped:
            request = self._again.popleft() if self._again else next(requests, None)
            if request is None:
                break
            expected = request.n_tokens * self._underestimate()
            if not self._affords(expected):
                self._again.appendleft(request)
                if self._under_way:
                    break  # until it is known what those cost
                self._stop(_cost_limit(self._share, self.n_tokens))
                break
            texts = [piece.text for piece in request.pieces]
            future = executor.submit(
                self._sender.send, texts, request.n_tokens, expected, request.n_looks
            )
            self._under_way[future] = request
        return bool(self._under_way)

    def _affords(self, expected: float) -> bool:
        if self._share.tokens is None:
            return True
        under_way = self._n_under_way() * self._underestimate()
        return self.n_tokens + under_way + expected <= self._share.tokens

    def _underestimate(self) -> float:
        """Return the tokens billed for each that was counted, where that is more than one."""
        n_counted = self._sender.n_counted + self._n_under_way()
        return max(1.0, self.n_tokens / n_counted) if n_counted else 1.0

    def _n_under_way(self) -> int:
        return sum(request.n_tokens for request in self._under_way.values())

    def _outcome(self, request: _Request, future: Future[FloatMatrix]) -> Iterator[Embedded]:
        try:
            vectors = future.result()
        except Stopped:
            return
        except ProviderError as error:
            self._stop(error)
        except RefusedInput as refusal:
            self._divide(request.pieces, refusal)
        else:
            yield from self._keep(request, vectors)

    def _stop(self, error: ProviderError) -> None:
        self.stopped = self.stopped or error
        self._pace.stop()

    def _divide(self, pieces: list[Piece], refusal: RefusedInput) -> None:
        """Send a refused request again in two halves; a single text shorter, or not."""
        if len(pieces) > 1:
            middle = len(pieces) // 2
            self._again.extendleft([_Request(pieces[middle:]), _Request(pieces[:middle])])
            return
        (piece,) = pieces
        if not refusal.too_long:
            self._refuse(piece, "embedding_refused", refusal.reason)
            return
        shorter = cut(self._embedder, piece, piece.n_tokens // 2, self._long_texts)
        if not shorter:
            self._refuse(piece, "text_too_long_for_model", refusal.reason)
            return
        if piece.position in self._means:
            self._means.expect(shorter)
            self._means.forgo(piece)
        elif len(shorter) > 1:
            self._means.expect(shorter)
        self._again.appendleft(_Request(shorter))

    def _keep(self, request: _Request, vectors: FloatMatrix) -> Iterator[Embedded]:
        """Return the vectors that came; send what has none again, by itself."""
        pieces = request.pieces
        is_finite = np.isfinite(vectors).all(axis=1)
        self._has_embedded |= bool(is_finite.any())
        is_part = np.array([piece.position in self._means for piece in pieces])
        positions = np.array([piece.position for piece in pieces], dtype=np.int64)
        is_whole = is_finite & ~is_part
        if is_whole.any():
            yield Embedded(positions[is_whole], vectors[is_whole])
        for i in np.flatnonzero(is_finite & is_part):
            mean = self._means.add(pieces[i], vectors[i])
            if mean is not None:
                yield Embedded(positions[i : i + 1], mean[np.newaxis])
        missing = [pieces[i] for i in np.flatnonzero(~is_finite)]
        if missing and request.n_looks < _SECOND_LOOKS:
            self._again.appendleft(_Request(missing, request.n_looks + 1))
            return
        for piece in missing:
            reason = f"no finite vector came back in {_SECOND_LOOKS + 1} tries"
            self._refuse(piece, "embedding_not_finite", reason)

    def _refuse(self, piece: Piece, code: str, reason: str) -> None:
        if piece.position not in self._means or self._means.spoil(piece):
            self._doubtful.append(Refused(piece.position, code, reason))
        if len(self._doubtful) >= _TOO_MANY and not self._has_embedded:
            self._stop(_all_refused(reason))

    def _take_refused(self) -> Iterator[Refused]:
        if self._has_embedded:
            self._refused += self._doubtful
            self._doubtful = []
        taken, self._refused = self._refused, []
        yield from taken


class _InThisThread(Executor):
    """Does what is submitted at once: one request at a time needs no thread."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised by future.result()
            future.set_exception(error)
        return future


def _executor(n_threads: int) -> Executor:
    return ThreadPoolExecutor(n_threads, "embedding") if n_threads > 1 else _InThisThread()


def _portion(share: Share) -> float:
    """Return the tokens of a request that keep a task on the move: not a minute's worth at once."""
    if share.tokens_per_minute is None:
        return math.inf
    n_requests = min(_REQUESTS_A_MINUTE, share.requests_per_minute or _REQUESTS_A_MINUTE)
    return share.tokens_per_minute / max(1.0, n_requests)


def _cost_limit(share: Share, n_tokens: int) -> ProviderError:
    return ProviderError(
        "cost_limit",
        "embedding.openai.max_cost_usd",
        f"to pay for at most {share.tokens:,} tokens in a task",
        Shown(f"{n_tokens:,} used, and texts left"),
        f"raise the limit and {AGAIN}",
    )


def _all_refused(reason: str) -> ProviderError:
    return ProviderError(
        "all_refused",
        "embedding.provider",
        f"a vector for at least one of the first {_TOO_MANY} texts",
        Shown(reason),
        "the model or its settings, not the texts, are the likely cause",
    )
