"""Python functions in processes of their own, for Sail, which would run all of them in its server.

There they would share one interpreter's lock, and so one core. The server's process has a pool of
workers, that `start` makes; a function that is `Outsourced` finds it there and runs in one of them.
Anywhere else, in a Python worker of Spark's or in a test, it just runs.
"""

import contextlib
import hashlib
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
from pyspark import cloudpickle

from lakewinnow.spark.sail import worker
from lakewinnow.spark.sail.wire import Channel, GoneError, Word

_CAN_FORK: Final = sys.platform == "linux"  # elsewhere system libraries do not survive it

# What Spark gives its workers, which share the cores as ours do: a task that may have more threads
# says so. And models are found by the client, on this machine: a worker that asks a hub for news
# of them waits for minutes where there is no network.
_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class PythonWorkerError(Exception):
    """What happened in a worker: the traceback there, or that it is no more."""


class Outsourced:
    """A function that runs in a worker where there are some; it pickles without being loaded."""

    def __init__(self, pickled: bytes, digest: bytes) -> None:
        self._pickled = pickled
        self._digest = digest

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Outsourced":
        """Make it of a function that cloudpickle can pickle."""
        pickled: bytes = cloudpickle.dumps(function)  # type: ignore[no-untyped-call]
        return cls(pickled, hashlib.sha256(pickled).digest())

    def __reduce__(self) -> tuple[type, tuple[bytes, bytes]]:
        return Outsourced, (self._pickled, self._digest)

    def on_batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Call a function of an iterator of batches, which returns one."""
        if _pool is None:
            return iter(self._function(batches))
        return _pool.run(worker.BATCHES, self._pickled, self._digest, batches)

    def on_values(self, *values: Any) -> Any:
        """Call a function of tables or arrays, which returns one of them."""
        if _pool is None:
            return self._function(*values)
        [value] = _pool.run(worker.VALUES, self._pickled, self._digest, values)
        return value

    @cached_property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = pickle.loads(self._pickled)  # noqa: S301 - pickled by `of`
        return function


class Pool:
    """Worker processes, as many as functions run at once; they end with this process.

    More may run at once than there are cores: where one function reads what another writes, both
    are at work. To let one wait for the other's worker would be to wait for ever.

    Parameters
    ----------
    n_kept : workers to keep for the next call
    can_fork : whether to fork workers from a process that has imported what they need
    """

    def __init__(self, n_kept: int, *, can_fork: bool = _CAN_FORK) -> None:
        self._n_kept = n_kept
        self._starter: _Forks | _Interpreters = _Forks() if can_fork else _Interpreters()
        self._idle: list[_Worker] = []  # the one used last is the last
        # Re-entrant: a collection of garbage may close a generator while this thread holds it.
        self._lock = threading.RLock()

    def run(
        self, kind: bytes, pickled: bytes, digest: bytes, items: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield what a function returns for these items, which are asked for one by one."""
        taken = self._take(digest)
        try:
            yield from taken.run(kind, pickled, digest, iter(items))
        finally:
            self._give_back(taken)

    def close(self) -> None:
        """End the workers that are idle, and what starts them."""
        with self._lock:
            idle, self._idle, self._n_kept = self._idle, [], 0
        for each in idle:
            each.close()
        self._starter.close()

    def _take(self, digest: bytes) -> "_Worker":
        """Prefer the worker that ran this function last: it may have loaded a model for it."""
        with self._lock:
            self._idle.sort(key=lambda idle: idle.digest == digest)  # stable
            while self._idle:
                last = self._idle.pop()
                if last.channel.is_open():
                    return last
                last.close()
            return self._starter.start()

    def _give_back(self, taken: "_Worker") -> None:
        with self._lock:
            if taken.is_idle and len(self._idle) < self._n_kept:
                self._idle.append(taken)
                return
        taken.close()


class _Worker:
    """The server's side of one worker process."""

    def __init__(self, end: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self.channel = Channel(end)
        self.digest = b""  # of the function that it ran last
        self.is_idle = True
        self._process = process

    def run(
        self, kind: bytes, pickled: bytes, digest: bytes, items: Iterator[Any]
    ) -> Iterator[Any]:
        self.is_idle, self.digest = False, digest
        try:
            yield from self._answer(Word.CALL, kind + digest, pickled, items)
        except GoneError as error:
            raise PythonWorkerError(
                "Python worker exited unexpectedly: it was killed or crashed"
            ) from error

    def _answer(self, word: Word, item: Any, pickled: bytes, items: Iterator[Any]) -> Iterator[Any]:
        """Say something to the worker, and do what it says, until it is done."""
        while True:
            self.channel.send(word, item)
            said, found = self.channel.receive()
            word, item = Word.MORE, None
            if said is Word.UNKNOWN:
                word, item = Word.FUNCTION, pickled
            elif said is Word.WANT:
                word, item = self._next(items)
            elif said is Word.ITEM:
                try:
                    yield found
                except GeneratorExit:
                    self._stop()
                    raise
                found = None
            else:
                self.is_idle = True
                if said is Word.FAILED:
                    raise PythonWorkerError(found.decode())
                return

    def _next(self, items: Iterator[Any]) -> tuple[Word, Any]:
        try:
            return Word.ITEM, next(items)
        except StopIteration:
            return Word.END, None
        except BaseException:  # what is before this function has failed, or nobody waits any more
            self._stop()
            raise

    def _stop(self) -> None:
        """Have the function closed, as a generator that nobody reads any more."""
        with contextlib.suppress(GoneError):
            while not self.is_idle:
                self.channel.send(Word.STOP)
                said, _ = self.channel.receive()
                self.is_idle = said in (Word.DONE, Word.FAILED)

    def close(self) -> None:
        self.channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class _Interpreters:
    """Starts each worker as a Python of its own."""

    def start(self) -> _Worker:
        end, process = _launch("serve")
        return _Worker(end, process)

    def close(self) -> None:
        pass


class _Forks:
    """Has workers forked by a process that was started for it."""

    def __init__(self) -> None:
        self._control, self._process = _launch("fork")

    def start(self) -> _Worker:
        here, there = socket.socketpair()
        with there:
            try:
                socket.send_fds(self._control, [b"+"], [there.fileno()])
            except OSError:  # it was killed
                self.close()
                self._control, self._process = _launch("fork")
                socket.send_fds(self._control, [b"+"], [there.fileno()])
        return _Worker(here)

    def close(self) -> None:
        self._control.close()
        self._process.wait()


def _launch(mode: str) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """Start a process of `worker` and return this end of the only line to it.

    Not forked from here: whether that is safe depends on what this process has started already.
    """
    here, there = socket.socketpair()
    with there:
        number = there.fileno()
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", worker.__name__, mode, str(number)],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what a function prints goes to the log; nobody reads the server's output
            pass_fds=[number],
            env=_ENVIRONMENT | os.environ,
        )
    return here, process


_pool: Pool | None = None  # of this process: a function that was unpickled cannot be given one


def start(n_kept: int) -> None:
    """Give this process workers; functions that are outsourced run there from now on."""
    global _pool  # noqa: PLW0603 - see there
    _pool = Pool(n_kept)
