"""An embeddings service on loopback that misbehaves as it is told, and keeps books.

It speaks the protocol of OpenAI's embeddings, files and batches, as far as the package uses it.
Vectors depend on the text alone. What was paid for is counted text by text: a text is paid for when
the service has done the work, whether the answer arrives or not.
"""

import base64
import hashlib
import json
import math
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from embedding.openai.fault_batches import Batches

KEY = "sk-test-1234567890abcdef"
DIMENSIONS = 8


def vector_of(text, n_dimensions=DIMENSIONS):
    """Return the unit vector of a text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(n_dimensions)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def n_tokens(text):
    """Return what the service bills: fewer than the package's estimate."""
    return max(1, len(text.encode()) // 4)


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    Attributes
    ----------
    status, code, message, headers : of an answer that is an error, before any work
    seconds : how long the answer takes
    is_cut : the connection is reset in the middle of the answer
    is_closed : the connection is closed before the request is looked at
    alter : changes the items of the answer
    body : what is sent in place of the answer
    """

    status: int = 200
    code: str | None = None
    message: str = "told to fail"
    param: str | None = None
    headers: dict = field(default_factory=dict)
    seconds: float = 0.0
    is_cut: bool = False
    is_closed: bool = False
    alter: Callable | None = None
    body: bytes | None = None


@dataclass(frozen=True)
class Logged:
    """A request for embeddings, as it came in."""

    at: float
    texts: list
    tokens: int
    status: int
    body: dict
    path: str


class FaultServer(Batches):
    """Serves until the end of a ``with`` block.

    Attributes
    ----------
    script : list of Fault or None
        What happens to the next requests, one each; to further ones, nothing.
    always : Fault or None
        What happens to those that the script has nothing for.
    refuses : Callable
        Returns what is wrong with a text: None, or a message for status 400.
    breaks : Callable
        Whether a text is one that the service cannot cope with: status 500.
    log : list of Logged
    paid, lost : Counter
        How often each text was paid for; and how often in an answer that did not get through.
    """

    n_tokens = staticmethod(n_tokens)
    no_fault = Fault()
    usage_of = staticmethod(lambda total: {"prompt_tokens": total, "total_tokens": total})
    endpoint = "/embeddings"  # of what is paid for

    def __init__(self, n_dimensions=DIMENSIONS):
        super().__init__()
        self.n_dimensions = n_dimensions
        self.script, self.always = [], None
        self.refuses = lambda text: "input cannot be an empty string" if text == "" else None
        self.breaks = lambda _: False
        self.log, self.paid, self.lost = [], Counter(), Counter()
        self.most_at_once = self._at_once = 0
        self.lock = threading.RLock()

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def statuses(self):
        return [request.status for request in self.log]

    def busiest(self, window):
        """Return the most requests and the most tokens of any window of so many seconds."""
        log = sorted(self.log, key=lambda request: request.at)
        most = (0, 0)
        for i, first in enumerate(log):
            inside = [r for r in log[i:] if r.at < first.at + window]
            most = (max(most[0], len(inside)), max(most[1], sum(r.tokens for r in inside)))
        return most

    @staticmethod
    def texts_of(body):
        """Return the texts of a request."""
        return [body["input"]] if isinstance(body["input"], str) else body["input"]

    def answered(self, body, path):
        """Return what to answer: (fault, status, content)."""
        at = time.monotonic()
        texts = self.texts_of(body)
        with self.lock:
            fault = (self.script.pop(0) if self.script else self.always) or Fault()
            status, content = self._judge(body, texts, fault)
            billed = self.billed(body) if status == 200 else 0
            self.log.append(Logged(at, texts, billed, status, body, path))
            if status == 200 and not fault.is_closed:
                self.paid.update(texts)
        return fault, status, content

    def billed(self, body):
        """Return the tokens that a request takes."""
        return sum(map(n_tokens, self.texts_of(body)))

    def _judge(self, body, texts, fault):
        if fault.status != 200:
            return fault.status, _error(fault.code, fault.message, fault.param)
        if len(texts) > 2048:
            return 400, _error(None, "too many inputs", "input")
        if any(map(self.breaks, texts)):
            return 500, _error(None, "inference failed")
        for text in texts:
            if wrong := self.refuses(text):
                return 400, _error(None, wrong, None)
        return 200, self.answer(body, texts, fault.alter)

    def answer(self, body, texts, alter=None):
        """Return the body of an answer."""
        size = body.get("dimensions", self.n_dimensions)
        items = [
            {"object": "embedding", "index": i, "embedding": vector_of(text, size)}
            for i, text in enumerate(texts)
        ]
        items = alter(items) if alter else items
        for item in items:
            raw = np.asarray(item["embedding"], "<f4")
            as_text = body.get("encoding_format") == "base64"
            item["embedding"] = (
                base64.b64encode(raw.tobytes()).decode() if as_text else raw.tolist()
            )
        usage = self.usage_of(self.billed(body))
        return {"object": "list", "data": items, "model": body["model"], "usage": usage}


def _error(code, message, param=None):
    kind = "insufficient_quota" if code == "insufficient_quota" else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """Say nothing: clients that hang up are the point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: FaultServer

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._answer("POST", raw)

    def do_GET(self):
        self._answer("GET", b"")

    def _answer(self, method, raw):
        path, _, query = self.path.partition("?")
        with self.service.lock:
            self.service._at_once += 1
            self.service.most_at_once = max(self.service.most_at_once, self.service._at_once)
        try:
            self._routed(method, path, query, raw)
        finally:
            with self.service.lock:
                self.service._at_once -= 1

    def _routed(self, method, path, query, raw):
        if path.endswith(self.service.endpoint):
            request = json.loads(raw)
            fault, status, content = self.service.answered(request, self.path)
            self._send(status, content, fault, self.service.texts_of(request))
        else:
            status, content, fault = self.service.others(method, path, query, self.headers, raw)
            self._send(status, content, fault)

    def _send(self, status, content, fault, texts=()):
        if fault.is_closed:
            self._reset()
            return
        time.sleep(fault.seconds)
        body = fault.body or (
            content if isinstance(content, bytes) else json.dumps(content).encode()
        )
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if fault.is_cut:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self._reset()
            else:
                self.wfile.write(body)
                self.wfile.flush()
        except OSError:
            fault = Fault(is_cut=True)
        if fault.is_cut or fault.body is not None:
            with self.service.lock:
                self.service.lost.update(texts)

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def in_reverse(items):
    """Items in the wrong order, each with the right index."""
    return items[::-1]


def without(*positions):
    """Return what leaves items out."""
    return lambda items: [item for item in items if item["index"] not in positions]


def not_a_number(*positions):
    """Return what puts a NaN into vectors."""

    def alter(items):
        for position in positions:
            items[position]["embedding"] = [math.nan, *items[position]["embedding"][1:]]
        return items

    return alter


def of_dimensions(n_dimensions):
    """Return what makes all vectors as long."""

    def alter(items):
        for item in items:
            item["embedding"] = np.resize(item["embedding"], n_dimensions)
        return items

    return alter
