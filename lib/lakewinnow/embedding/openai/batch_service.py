"""What is asked of OpenAI's files and batches, tried again where that may help."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from random import Random
from typing import Any, Final, TypeVar

import openai
from openai import APIResponse
from openai.resources import Files
from openai.types import Batch

from lakewinnow.embedding.base import TryLater
from lakewinnow.embedding.openai import batch_file
from lakewinnow.embedding.openai.batch_file import Answer, Line
from lakewinnow.embedding.openai.embedder import OpenAIEmbedder
from lakewinnow.embedding.openai.errors import outcome_of
from lakewinnow.embedding.requests.sending import gave_up
from lakewinnow.errors import ProviderError, Shown

T = TypeVar("T")

FINAL: Final = {"completed", "failed", "expired", "cancelled"}
_FINGERPRINT: Final = "lakewinnow"  # key of the metadata
_LOOK_BACK_S: Final = 30 * 86_400  # as long as the service keeps what a batch has made
_CLOCK_SKEW_S: Final = 3600
_TRANSFER_TIMEOUT_S: Final = 900.0
_LONGEST_WAIT_S: Final = 60.0


class BatchService:
    """The Batch API, as far as embedding goes.

    Parameters
    ----------
    embedder : OpenAIEmbedder
    max_retries : int
        Of each call.
    sleep : Callable
        Waits so many seconds.
    """

    def __init__(
        self,
        embedder: OpenAIEmbedder,
        max_retries: int,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._embedder, self._max_retries, self._sleep = embedder, max_retries, sleep
        self._random = Random(0)  # noqa: S311 - no secret
        self._listed: dict[str, dict[str, Batch]] = {}  # by fingerprint, by id
        self._listed_from = time.time() - _LOOK_BACK_S

    def upload(self, lines: Sequence[Line]) -> str:
        """Upload a file of requests; return its id."""
        with tempfile.TemporaryFile() as file:
            batch_file.write(file, lines, self._embedder.parameters)

            def send() -> str:
                file.seek(0)
                named = ("lakewinnow.jsonl", file)
                return self._files.create(file=named, purpose="batch").id

            return self._persistently(send)

    def has_file(self, file_id: str) -> bool:
        """Whether an uploaded file is still there."""
        return self._unless_gone(lambda: self._files.retrieve(file_id)) is not None

    def create(self, file_id: str, fingerprint: str, known: Collection[str]) -> Batch:
        """Begin a batch, once: where an answer was lost, look for what it has begun."""

        def begin() -> Batch:
            return self._client.batches.create(
                input_file_id=file_id,
                endpoint="/v1/embeddings",
                completion_window="24h",
                metadata={_FINGERPRINT: fingerprint},
            )

        return self._persistently(begin, instead=lambda: self.find(fingerprint, known))

    def find(self, fingerprint: str, known: Collection[str]) -> Batch | None:
        """Return a batch of these requests that is none of the known ones, if there is one."""
        now = time.time()
        self._persistently(self._list)
        self._listed_from = now - _CLOCK_SKEW_S  # the next time, only what is new
        found = self._listed.get(fingerprint, {})
        return next((batch for id_, batch in found.items() if id_ not in known), None)

    def _list(self) -> None:
        for batch in self._client.batches.list(limit=100):  # all pages, latest first
            if batch.created_at < self._listed_from:
                break
            fingerprint = (batch.metadata or {}).get(_FINGERPRINT)
            if fingerprint is not None:
                self._listed.setdefault(fingerprint, {})[batch.id] = batch

    def look(self, batch_id: str) -> Batch | None:
        """Return how far a batch is; None where there is none any more."""
        return self._unless_gone(lambda: self._client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str) -> Batch | None:
        """Have a batch cancelled; what it has done by then is kept, and paid for."""
        return self._unless_gone(lambda: self._client.batches.cancel(batch_id))

    def answers(self, file_id: str | None) -> Iterator[Answer]:
        """Return what a file of answers says, line by line; nothing where there is no file."""
        if file_id is None:
            return
        with tempfile.TemporaryFile() as file:  # the answers of a full batch take 400 MB

            def fetch() -> bool:
                file.seek(0)
                file.truncate()
                with self._files.with_streaming_response.content(file_id) as response:
                    file.writelines(_whole(response))
                return True

            if self._unless_gone(fetch):
                file.seek(0)
                for line in file:
                    yield batch_file.read(line.decode(), [self._embedder.key])

    @property
    def _client(self) -> openai.OpenAI:
        return self._embedder.client

    @property
    def _files(self) -> Files:
        return self._client.with_options(timeout=_TRANSFER_TIMEOUT_S).files

    def _unless_gone(self, call: Callable[[], T]) -> T | None:
        def ask() -> T | None:
            try:
                return call()
            except openai.NotFoundError:
                return None

        return self._persistently(ask)

    def _persistently(
        self, call: Callable[[], T], instead: Callable[[], T | None] | None = None
    ) -> T:
        """Call until there is an answer; after a failure, see first if there is one `instead`."""
        reason = ""
        for n_failures in range(1, self._max_retries + 2):
            try:
                return call()
            except openai.OpenAIError as error:
                outcome = outcome_of(error, [self._embedder.key])
            if not isinstance(outcome, TryLater):
                raise outcome if isinstance(outcome, ProviderError) else _refused(outcome.reason)
            reason = outcome.reason
            back_off = self._random.uniform(0, min(_LONGEST_WAIT_S, 2.0**n_failures))
            self._sleep(back_off if outcome.after is None else min(outcome.after, _LONGEST_WAIT_S))
            if instead is not None and (found := instead()) is not None:
                return found
        raise gave_up(f"an answer within {self._max_retries + 1} tries", reason)


def _whole(response: APIResponse[Any]) -> Iterator[bytes]:
    """Return the body of a response, which may break off."""
    some = response.iter_bytes()
    while True:
        try:
            yield next(some)
        except StopIteration:
            return
        except Exception as error:  # of the transport: the client maps those before the body only
            raise openai.APIConnectionError(request=response.http_request) from error


def _refused(reason: str) -> ProviderError:
    return ProviderError(
        "request_refused", "embedding.openai.mode", "a batch that is taken", Shown(reason)
    )
