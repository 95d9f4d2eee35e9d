"""A process that runs Python functions for Sail's server: ``python -m ... serve|fork SOCKET``.

With ``fork`` it runs none itself. It has imported what functions need, and forks a worker for each
socket that the server hands it, which takes milliseconds.
"""

import contextlib
import ctypes
import gc
import os
import pickle
import signal
import socket
import sys
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from lakewinnow.spark.sail.wire import Channel, GoneError, Word

BATCHES: Final = b"b"  # a function of an iterator of batches, which returns one
VALUES: Final = b"v"  # a function of some tables or arrays, which returns one

# What functions of every run import, once for all workers; it takes less than the server's start.
_IMPORTED: Final = (
    "pyspark.cloudpickle",
    "lakewinnow.spark.arrow.arrays",
    "lakewinnow.classifiers.tasks",
    "lakewinnow.stages.embed",
    "lakewinnow.checks.near_duplicates.stage",
    "lakewinnow.checks.text.stage",
)
_REMEMBERED_BYTES: Final = 1 << 24  # of pickled functions; one that is larger pushes out the others
_PR_SET_PDEATHSIG: Final = 1
_KILLED_FIRST: Final = "500"  # of 1000: a worker can be replaced, the server cannot


class _Stopped(BaseException):  # no Exception: no function is to take it for a fault
    """The server wants nothing more of this call."""


class _Input(Iterator[Any]):
    """What a function iterates over: each item is asked for when the function wants it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._has_more = True
        self.is_stopped = False

    def __next__(self) -> Any:
        if self.is_stopped:
            raise _Stopped
        if not self._has_more:
            raise StopIteration
        self._channel.send(Word.WANT)
        word, item = self._channel.receive()
        if word is Word.ITEM:
            return _with_lists(item)
        self._has_more, self.is_stopped = False, word is Word.STOP
        return next(self)


def _with_lists(item: Any) -> Any:
    """Return a batch, a table or an array as Spark gives it: it has no lists of a fixed size."""
    if isinstance(item, pa.Array):
        fixed = pa.types.is_fixed_size_list(item.type)
        return item.cast(pa.list_(item.type.value_field)) if fixed else item
    if isinstance(item, pa.RecordBatch | pa.Table):
        for i, field in enumerate(item.schema):
            if pa.types.is_fixed_size_list(field.type):
                lists = field.with_type(pa.list_(field.type.value_field))
                item = item.set_column(i, lists, item.column(i).cast(lists.type))
    return item


class _Functions:
    """The functions that came last, as long as they are small enough to keep."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, tuple[Callable[..., Any], int]] = OrderedDict()

    def get(self, digest: bytes, channel: Channel) -> Callable[..., Any]:
        if digest not in self._found:
            channel.send(Word.UNKNOWN)
            _, pickled = channel.receive()
            while self._found and self._n_bytes() + len(pickled) > _REMEMBERED_BYTES:
                self._found.popitem(last=False)
            self._found[digest] = pickle.loads(pickled), len(pickled)  # noqa: S301 - the server's
        self._found.move_to_end(digest)
        return self._found[digest][0]

    def _n_bytes(self) -> int:
        return sum(size for _, size in self._found.values())


def serve(channel: Channel) -> None:
    """Run what the server calls, until it hangs up."""
    functions = _Functions()
    while True:
        try:
            _, called = channel.receive()
            _run(channel, functions, kind=called[:1], digest=called[1:])
        except GoneError:
            return


def _run(channel: Channel, functions: _Functions, *, kind: bytes, digest: bytes) -> None:
    input_ = _Input(channel)
    try:
        function = functions.get(digest, channel)
        outputs = _outputs(function, kind, input_)
        for output in outputs:
            channel.send(Word.ITEM, output)
            word, _ = channel.receive()
            if word is Word.STOP:
                input_.is_stopped = True
                outputs.close()
    except _Stopped:
        pass
    except GoneError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it goes to whoever called
        channel.send(Word.FAILED, traceback.format_exc().encode(errors="replace"))
        return
    channel.send(Word.DONE)


def _outputs(
    function: Callable[..., Any], kind: bytes, input_: _Input
) -> Generator[Any, None, None]:
    if kind == BATCHES:
        yield from function(input_)
    else:
        yield function(*input_)


def fork(control: socket.socket) -> None:
    """Fork a worker for each socket that comes, until the server hangs up."""
    for module in _IMPORTED:
        import_module(module)
    gc.collect()
    gc.freeze()  # or the first collection of each worker writes to, and so copies, all pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none of them becomes a zombie
    # pyarrow's allocator has a thread of its own, and looks after it when a process forks.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", module=__name__)
    here = os.getpid()
    while True:
        try:
            _, ends, _, _ = socket.recv_fds(control, 1, 1)
        except OSError:
            return
        if not ends:
            return
        with socket.socket(fileno=ends[0]) as end:
            if not os.fork():
                control.close()
                _become_worker(here)
                serve(Channel(end))
                os._exit(0)


def _become_worker(parent: int) -> None:
    """End with the process that forked this one, which ends with the server, in any way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before the line above
        os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST)


def main() -> None:
    """Begin; the server says as what, and on which file descriptor it is to be spoken to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client, which ends the server
    mode, number = sys.argv[1:]
    end = socket.socket(fileno=int(number))
    if mode == "fork":
        fork(end)
    else:
        serve(Channel(end))


if __name__ == "__main__":
    main()
