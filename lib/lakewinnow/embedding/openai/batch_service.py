"""What is asked of OpenAI's files and batches, tried again where that may help."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import openai
from openai import APIResponse
from openai.resources import Files
from openai.types import Batch

from lakewinnow.embedding.openai import batch_file
from lakewinnow.embedding.openai.access import Calls
from lakewinnow.embedding.openai.batch_file import Line, LineAnswer
from lakewinnow.embedding.openai.service import ServiceEmbedder

FINAL: Final = {"completed", "failed", "expired", "cancelled"}
_FINGERPRINT: Final = "lakewinnow"  # key of the metadata
_LOOK_BACK_S: Final = 30 * 86_400  # as long as the service keeps what a batch has made
_CLOCK_SKEW_S: Final = 3600
_TRANSFER_TIMEOUT_S: Final = 900.0


@dataclass
class BatchService:
    """The Batch API, as far as it is needed."""

    embedder: ServiceEmbedder
    max_retries: int  # of each call
    sleep: Callable[[float], object] = time.sleep  # waits so many seconds

    def __post_init__(self) -> None:
        refused = self.embedder.keys.mode, "a batch that the service accepts"
        self._calls = Calls(self.embedder.access, self.max_retries, refused, self.sleep)
        self._listed: dict[str, dict[str, Batch]] = {}  # by fingerprint, by id
        self._listed_from = time.time() - _LOOK_BACK_S

    def upload(self, lines: Sequence[Line]) -> str:
        """Upload a file of requests; return its id."""
        with tempfile.TemporaryFile() as file:
            batch_file.write(file, lines, self.embedder)

            def send() -> str:
                file.seek(0)
                named = ("lakewinnow.jsonl", file)
                return self._files.create(file=named, purpose="batch").id

            return self._calls.persistently(send)

    def has_file(self, file_id: str) -> bool:
        """Whether an uploaded file is still there."""
        return self._calls.unless_gone(lambda: self._files.retrieve(file_id)) is not None

    def create(self, file_id: str, fingerprint: str, known: Collection[str]) -> Batch:
        """Begin a batch, once: where an answer was lost, look for what it has begun."""

        def begin() -> Batch:
            return self._client.batches.create(
                input_file_id=file_id,
                endpoint=self.embedder.endpoint,  # type: ignore[arg-type]  # a Literal there
                completion_window="24h",
                metadata={_FINGERPRINT: fingerprint},
            )

        return self._calls.persistently(begin, instead=lambda: self.find(fingerprint, known))

    def find(self, fingerprint: str, known: Collection[str]) -> Batch | None:
        """Return a batch of these requests that is none of the known ones, if there is one."""
        now = time.time()
        self._calls.persistently(self._list)
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
        return self._calls.unless_gone(lambda: self._client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str) -> Batch | None:
        """Have a batch cancelled; what it has done by then is kept, and paid for."""
        return self._calls.unless_gone(lambda: self._client.batches.cancel(batch_id))

    def answers(self, file_id: str | None) -> Iterator[LineAnswer]:
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

            if self._calls.unless_gone(fetch):
                file.seek(0)
                for line in file:
                    yield batch_file.read(line.decode(), self.embedder)

    @property
    def _client(self) -> openai.OpenAI:
        return self.embedder.client

    @property
    def _files(self) -> Files:
        return self._client.with_options(timeout=_TRANSFER_TIMEOUT_S).files


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
