"""The files of OpenAI's Batch API: a line a request going in, a line an answer coming out.

A line has one text, so that a text that is refused spoils no other, and is named by the SHA-256 of
what is sent: an answer is good for that text in whichever batch, run or order it comes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from lakewinnow.embedding.base import RefusedInput
from lakewinnow.embedding.openai.access import of_status, redacted
from lakewinnow.embedding.openai.service import ServiceEmbedder
from lakewinnow.errors import ProviderError

MAX_LINES: Final = 50_000
MAX_BYTES: Final = 200_000_000


@dataclass(frozen=True)
class Line:
    """A text to send."""

    id: str  # hexadecimal SHA-256 of the text, which is the text key where the text is whole
    text: str
    n_tokens: int


@dataclass(frozen=True)
class LineAnswer:
    """What came of a line."""

    id: str  # of the line
    body: Mapping[str, Any] | None = None  # as `ServiceEmbedder.answered` takes it
    n_tokens: int = 0  # billed
    # why there is no answer; None, too, where it is worth another try
    failure: RefusedInput | ProviderError | None = None


def line_id(text: str) -> str:
    """Return what a text's line is named."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(lines: Sequence[Line], parameters: Mapping[str, Any]) -> str:
    """Return what is the same for the same requests, in whatever order."""
    content = [sorted(line.id for line in lines), sorted(parameters.items())]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def in_files(
    lines: Sequence[Line], embedder: ServiceEmbedder, max_tokens: float
) -> Iterator[list[Line]]:
    """Return the lines file by file, each within the limits of the service."""
    some: list[Line] = []
    n_bytes = n_tokens = 0
    for line in lines:
        size = len(_encoded(line, embedder))
        is_full = (
            len(some) == MAX_LINES
            or n_bytes + size > MAX_BYTES
            or n_tokens + line.n_tokens > max_tokens
        )
        if some and is_full:
            yield some
            some, n_bytes, n_tokens = [], 0, 0
        some.append(line)
        n_bytes, n_tokens = n_bytes + size, n_tokens + line.n_tokens
    if some:
        yield some


def write(file: IO[bytes], lines: Sequence[Line], embedder: ServiceEmbedder) -> None:
    """Write a file of requests."""
    for line in lines:
        file.write(_encoded(line, embedder))


def read(line: str, embedder: ServiceEmbedder) -> LineAnswer:
    """Return what a line of an output or error file says."""
    said = json.loads(line)
    response = said.get("response") or {}
    body = response.get("body") or {}
    if response.get("status_code") == 200 and body:
        return LineAnswer(said["custom_id"], body, embedder.billed(body.get("usage")))
    status = response.get("status_code") or 500  # the batch's own error: expired, or cancelled
    error = body.get("error") or said.get("error") or {}
    code, kind, param = (error.get(name) for name in ("code", "type", "param"))
    reason = redacted(f"{status}: {error.get('message', 'no answer')}", [embedder.access.key])
    failure = of_status(status, code, kind, param, reason, embedder.keys)
    return LineAnswer(said["custom_id"], failure=failure)


def _encoded(line: Line, embedder: ServiceEmbedder) -> bytes:
    body, url = embedder.body(line.text), embedder.endpoint
    request = {"custom_id": line.id, "method": "POST", "url": url, "body": body}
    return json.dumps(request, ensure_ascii=False).encode() + b"\n"
