"""Embedding through OpenAI's Batch API: half the price, within a day.

A chunk of texts becomes one or more files, each a batch; what is known of a batch is a small record
that the caller keeps. So a run that was killed goes on with the batches it had begun: it polls
those on record, and finds one it had begun but not recorded by the fingerprint of its requests,
before it begins another. Texts that a batch did not answer, because it expired, say, are sent again
in the next; those that were answered, never.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, replace
from typing import Final

from openai.types import Batch

from lakewinnow.embedding.base import TryLater
from lakewinnow.embedding.openai import batch_file
from lakewinnow.embedding.openai.batch_chunk import Chunk
from lakewinnow.embedding.openai.batch_file import Line, LineAnswer
from lakewinnow.embedding.openai.batch_service import FINAL, BatchService
from lakewinnow.embedding.openai.service import ServiceEmbedder
from lakewinnow.embedding.requests.budget import Share
from lakewinnow.embedding.requests.outcomes import EmbeddedTexts, LongTexts, RefusedText
from lakewinnow.embedding.requests.sending import AGAIN, cost_limit, gave_up
from lakewinnow.errors import ProviderError, Shown
from lakewinnow.plan.words import counted

_UPLOADED: Final = "uploaded"
_LOST: Final = "lost"  # the service no longer knows it
_QUEUE_FULL: Final = "token_limit_exceeded"  # of the tokens that may wait in batches


@dataclass(frozen=True)
class BatchState:
    """What is kept of a batch; `dataclasses.asdict` of it is JSON."""

    chunk: str  # whose texts are in it
    identity: str  # what decides a vector beside the text
    fingerprint: str  # of its requests
    file_id: str  # of the requests; what the record is kept under
    batch_id: str | None = None  # None between the upload and the beginning
    status: str = _UPLOADED  # the service's word for it
    is_asked: bool = False  # whether its requests say how many dimensions are wanted
    # texts
    n_requests: int = 0
    n_completed: int = 0
    n_failed: int = 0

    @property
    def is_under_way(self) -> bool:
        """Whether the service has still to do with it."""
        return self.status not in FINAL | {_UPLOADED, _LOST}


@dataclass(kw_only=True)
class BatchRun:
    """Has chunks of texts embedded by batches.

    To have several chunks under way at once, `submit` them all before the first `run`.
    """

    embedder: ServiceEmbedder
    states: InitVar[Iterable[BatchState]] = ()  # what was saved by this run or an earlier one
    save: Callable[[BatchState], object]  # keeps a record, in place of that of the same `file_id`
    long_texts: LongTexts = "truncate"
    share: Share = field(default_factory=Share)  # only its bound of tokens matters here
    poll_s: float = 30.0  # between two looks at a batch
    max_retries: int = 6  # of a call, and of a batch that brought nothing
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds
    # texts answered, and the tokens billed for them, as far as this run has read
    n_requests: int = field(default=0, init=False)
    n_tokens: int = field(default=0, init=False)
    stopped: ProviderError | None = field(default=None, init=False)  # why not all were embedded

    def __post_init__(self, states: Iterable[BatchState]) -> None:
        self._service = BatchService(self.embedder, self.max_retries, self.sleep)
        self._states = {state.file_id: state for state in states}
        self._n_tokens_submitted = 0  # in this run
        self._max_tokens = math.inf  # of a file; lower once the queue was full
        self._n_tokens_of_last_file = 0
        self._identity = f"{self.embedder.model}, {self.embedder.dimensions}"

    def submit(self, chunk: str, texts: Sequence[str]) -> None:
        """Begin the batches of a chunk, unless it has some, and do not wait for them."""
        self._find_unrecorded(chunk)
        if not self._batches(chunk):
            self._submit(chunk, Chunk(self.embedder, self.long_texts, texts))

    def run(self, chunk: str, texts: Sequence[str]) -> Iterator[EmbeddedTexts | RefusedText]:
        """Embed a chunk, by the batches it has and as many more as it takes.

        After a fatal error the iterator ends with the error in `stopped`, as that of `Requests`.

        Parameters
        ----------
        chunk : what its batches are found by, after a restart, too

        Yields
        ------
        EmbeddedTexts or RefusedText
            In any order; each text once, or not at all where the run was stopped.
        """
        work = Chunk(self.embedder, self.long_texts, texts)
        try:
            yield from self._embed(chunk, work)
        except ProviderError as error:
            self.stopped = error
        yield from work.embedded()
        yield from work.outcomes.take_refused(is_end=not self.stopped)

    def cancel(self) -> None:
        """Have all batches that are under way cancelled."""
        for state in list(self._states.values()):
            if state.batch_id is not None and state.is_under_way:
                self._update(state, self._service.cancel(state.batch_id))

    def _batches(self, chunk: str) -> list[BatchState]:
        """Return the batches that were begun for a chunk, first to last."""
        return [
            state
            for state in self._states.values()
            if (state.chunk, state.identity) == (chunk, self._identity) and state.batch_id
        ]

    def _find_unrecorded(self, chunk: str) -> None:
        """Find the batches of a chunk that were begun, but not recorded any more."""
        for state in list(self._states.values()):
            if state.chunk == chunk and state.batch_id is None:
                batch = self._service.find(state.fingerprint, self._known_batch_ids)
                if batch is not None:
                    self._update(state, batch)

    @property
    def _known_batch_ids(self) -> set[str]:
        return {state.batch_id for state in self._states.values() if state.batch_id}

    def _embed(self, chunk: str, work: Chunk) -> Iterator[EmbeddedTexts | RefusedText]:
        self._find_unrecorded(chunk)
        read: set[str] = set()
        n_fruitless = 0
        while True:
            n_before = len(work.waiting)
            for state in self._batches(chunk):
                if state.file_id not in read:
                    read.add(state.file_id)
                    yield from self._answers(state, work)
            if not work.waiting:
                return
            n_fruitless = n_fruitless + 1 if read and len(work.waiting) == n_before else 0
            if n_fruitless > self.max_retries:
                raise gave_up(
                    f"answers in {counted(n_fruitless, 'batch')}",
                    f"{counted(n_before, 'text')} without",
                    self.embedder.keys,
                )
            self._submit(chunk, work)

    def _answers(self, state: BatchState, work: Chunk) -> Iterator[EmbeddedTexts | RefusedText]:
        """Wait for a batch, and return what it has of the texts that are waited for."""
        # What went wrong before this run is tried again; what goes wrong in it stops it.
        is_of_this_run = state.is_under_way and state.status != "cancelling"
        batch = self._wait_for(state)
        if batch is None:
            return
        for file_id in (batch.output_file_id, batch.error_file_id):
            for answer in self._service.answers(file_id):
                if isinstance(answer.failure, ProviderError) and is_of_this_run:
                    raise answer.failure
                yield from self._take(answer, work, is_asked=state.is_asked)
            yield from work.embedded()
            yield from work.outcomes.take_refused()
        if batch.status == "failed" and is_of_this_run:
            self._handle_failed(batch)
        if batch.status == "cancelled" and is_of_this_run:
            expected = "batches that are left to finish"
            got = Shown(f"batch {batch.id} was cancelled")
            raise ProviderError("batch_cancelled", self.embedder.keys.mode, expected, got, AGAIN)

    def _take(self, answer: LineAnswer, work: Chunk, *, is_asked: bool) -> Iterator[EmbeddedTexts]:
        self.n_tokens += answer.n_tokens
        self.n_requests += answer.body is not None
        with suppress(TryLater):  # the next batch will
            yield from work.take(answer, is_asked=is_asked)

    def _wait_for(self, state: BatchState) -> Batch | None:
        while True:
            batch = self._service.look(str(state.batch_id))
            state = self._update(state, batch)
            if not state.is_under_way:
                return batch
            self.sleep(self.poll_s)

    def _handle_failed(self, batch: Batch) -> None:
        """Wait where the queue was full, for which a batch fails before it begins; else raise."""
        errors = (batch.errors and batch.errors.data) or []
        if _QUEUE_FULL in {error.code for error in errors}:
            others = [state for state in self._states.values() if state.is_under_way]
            for state in others:
                self._wait_for(state)
            if not others:
                self._max_tokens = self._n_tokens_of_last_file / 2
            return
        reasons = "; ".join(f"{error.code}: {error.message}" for error in errors[:3])
        expected, got = "a batch that the service accepts", Shown(reasons or "no reason")
        hint = "mode: sync sends the same requests one by one"
        raise ProviderError("batch_failed", self.embedder.keys.mode, expected, got, hint)

    def _submit(self, chunk: str, work: Chunk) -> None:
        lines = [work.line(id_) for id_ in work.waiting]
        for some in batch_file.in_files(lines, self.embedder, self._max_tokens):
            self._begin(chunk, some)
            if self._max_tokens < math.inf:
                return  # one at a time: the queue is short

    def _begin(self, chunk: str, lines: list[Line]) -> None:
        """Begin a batch, or take up the one that an earlier run has begun."""
        fingerprint = batch_file.fingerprint(lines, self.embedder.parameters)
        self._n_tokens_of_last_file = sum(line.n_tokens for line in lines)
        batch = self._service.find(fingerprint, self._known_batch_ids)
        if batch is not None:
            state = self._new(chunk, fingerprint, batch.input_file_id, lines)
        else:
            self._spend(self._n_tokens_of_last_file)
            state = self._uploaded(chunk, fingerprint, lines)
            batch = self._service.create(state.file_id, fingerprint, self._known_batch_ids)
        self._update(state, batch)

    def _uploaded(self, chunk: str, fingerprint: str, lines: list[Line]) -> BatchState:
        for state in self._states.values():
            is_it = (state.fingerprint, state.batch_id) == (fingerprint, None)
            if is_it and self._service.has_file(state.file_id):
                return state
        file_id = self._service.upload(lines)
        return self._save(self._new(chunk, fingerprint, file_id, lines))

    def _new(self, chunk: str, fingerprint: str, file_id: str, lines: list[Line]) -> BatchState:
        is_asked = self.embedder.asks_for_dimensions
        return BatchState(
            chunk, self._identity, fingerprint, file_id, is_asked=is_asked, n_requests=len(lines)
        )

    def _spend(self, n_tokens: int) -> None:
        bound = self.share.tokens
        if bound is not None and self._n_tokens_submitted + n_tokens > bound:
            raise cost_limit(bound, self._n_tokens_submitted, self.embedder.keys)
        self._n_tokens_submitted += n_tokens

    def _update(self, state: BatchState, batch: Batch | None) -> BatchState:
        if batch is None:
            return self._save(replace(state, status=_LOST))
        counts = batch.request_counts
        return self._save(
            replace(
                state,
                batch_id=batch.id,
                status=batch.status,
                n_completed=counts.completed if counts else 0,
                n_failed=counts.failed if counts else 0,
            )
        )

    def _save(self, state: BatchState) -> BatchState:
        if self._states.get(state.file_id) != state:
            self.save(state)
            self._states[state.file_id] = state
        return state
