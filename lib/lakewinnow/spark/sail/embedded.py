"""The embedded Sail server, as the process that starts it sees it."""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyspark

from lakewinnow.errors import EngineError, Shown
from lakewinnow.spark.sail import access, server
from lakewinnow.spark.sessions.object_stores import server_environment

_NEWEST_CLIENT: Final = (4, 2)  # that pysail 0.7 understands; it refuses later ones
_END_TIMEOUT_S: Final = 10.0
_LAST_LINES: Final = 5
_ATTEMPTS: Final = 10
_LONGEST_SOCKET_PATH: Final = 103  # 107 bytes on Linux
_ROWS_PER_GROUP: Final = 131072
_WIDE_ROWS_PER_BATCH: Final = 1024  # of 10,000 doubles, 80 MB a copy; eight times as many else
_ROWS_PER_BATCH: Final = "SAIL_EXECUTION__BATCH_SIZE"
_IDLE_S: Final = 30 * 24 * 60 * 60  # a notebook may be left alone for a while


def why_not() -> str | None:
    """Return what keeps Sail from running here: a clause, or None where it can."""
    if find_spec("pysail") is None:
        return "pysail is not installed"
    if find_spec("grpc") is None or find_spec("grpc_status") is None:
        return "PySpark's Connect client lacks packages: pip install 'pyspark[connect]'"
    if _client() > _NEWEST_CLIENT:
        newest = ".".join(map(str, _NEWEST_CLIENT))
        return (
            f"pysail {version('pysail')} takes PySpark {newest} at most, not {pyspark.__version__}"
        )
    return None


class Server:
    """A server in a process of its own, that ends with this one.

    Parameters
    ----------
    n_cores : partitions that it works on at once
    memory_bytes : beyond which its queries spill
    wide_rows : whether a row may hold thousands of numbers: rows come in smaller batches then,
        which took a seventh more CPU time where they were not wide

    Raises
    ------
    EngineError : "sail_not_started", "sail_not_private"
    """

    def __init__(self, *, n_cores: int, memory_bytes: int, wide_rows: bool = False) -> None:
        self._memory_bytes = memory_bytes
        self._owner = os.getpid()
        kind = _access()
        for _ in range(_ATTEMPTS):
            self._folder = _new_folder()
            self.log = self._folder / server.LOG
            try:
                settings = _environment(self._folder, n_cores, memory_bytes, wide_rows=wide_rows)
                port = self._start(kind, settings)
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
            if port is not None:
                break
            code, last_words = self._process.wait(), self.last_words()
            self.stop()
            if code != server.WAS_SEEN:
                raise _not_started(last_words)
        else:
            raise _not_private("other processes connected to its port every time it was opened")
        atexit.register(self.stop)

    @property
    def is_alive(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def has_ended_within(self, patience_s: float) -> bool:
        """Wait for the process to end, which its connections do a moment earlier."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        return not self.is_alive

    def how_it_ended(self) -> str:
        """Say how the process ended, in a clause."""
        code = self._process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"

    @property
    def memory_mib(self) -> int:
        """Size of the memory beyond which its queries spill."""
        return self._memory_bytes >> 20

    @property
    def may_have_lacked_memory(self) -> bool:
        """Whether it ended as the system ends whoever takes too much."""
        return self._process.wait() in (-signal.SIGKILL, -signal.SIGABRT)

    def last_words(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " · ".join(lines[-_LAST_LINES:])

    def stop(self) -> None:
        """End it, and wait until it is gone; only the log of one that ended by itself stays."""
        atexit.unregister(self.stop)
        is_forked = os.getpid() != self._owner  # a copy of us, which has nothing to end
        if is_forked or self._process.stdin is None or self._process.stdin.closed:
            return
        has_crashed = not self.is_alive and self._is_ready
        self._process.stdin.close()
        if not self.has_ended_within(_END_TIMEOUT_S):
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        if not has_crashed:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        for left in self._folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left != self.log:
                left.unlink(missing_ok=True)

    def _start(self, kind: str, environment: Mapping[str, str]) -> int | None:
        """Start the process, and return its port; None where it did not tell one."""
        self._is_ready = False
        command = [sys.executable, "-m", server.__name__, str(self._folder), kind]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this Python and a module of ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environment,
                start_new_session=True,  # Ctrl-C is for whoever started it
            )
        try:
            answer = self._process.stdout.readline() if self._process.stdout else b""
        except BaseException:
            self.stop()
            raise
        if not answer.strip().isdigit():
            return None
        self._is_ready = True
        port = int(answer)
        socket_uri = f"unix:{quote(str(self._folder / server.SOCKET))}"
        self.target = socket_uri if kind == server.PRIVATE else f"{access.ADDRESS}:{port}"
        return port


def _access() -> str:
    """Return how a server is to let processes in; only this user's ever can.

    Raises
    ------
    EngineError : "sail_not_private"
    """
    if (why_not := not_private()) is not None:
        raise _not_private(why_not)
    return server.PRIVATE if access.why_not() is None else server.OPEN


def not_private() -> str | None:
    """Return why others could reach a server started here: a clause, or None."""
    open_port = access.why_not()
    if open_port is None:
        return None
    others = access.others()
    return None if others is None else f"{open_port}, and {others}"


def _not_private(why_not: str) -> EngineError:
    expected = "sail, if nobody else can reach it"
    hint = "--engine spark keeps other users out with a token; it needs Java"
    return EngineError("sail_not_private", "engine", expected, Shown(why_not), hint)


def _not_started(last_words: str) -> EngineError:
    got = Shown(last_words or "nothing")
    hint = "`lakewinnow doctor` says what is missing; --engine spark does not need it"
    return EngineError("sail_not_started", "Sail", "a server that starts", got, hint)


def _new_folder() -> Path:
    """Make a folder that only this user can enter, with a path short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="lakewinnow-"))
    if len(os.fsencode(folder / server.SOCKET)) <= _LONGEST_SOCKET_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="lakewinnow-", dir="/tmp"))


def _client() -> tuple[int, int]:
    major, minor, *_ = pyspark.__version__.split(".")
    return int(major), int(minor)


def _environment(
    scratch: Path, n_cores: int, memory_bytes: int, *, wide_rows: bool
) -> Mapping[str, str]:
    """Return the server's settings; it imports whatever this process can import."""
    batches = {}
    if wide_rows and _ROWS_PER_BATCH not in os.environ:
        batches[_ROWS_PER_BATCH] = str(_WIDE_ROWS_PER_BATCH)
    return {
        **batches,
        **server_environment(os.environ),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "RUST_LOG": os.environ.get("RUST_LOG", "warn"),
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(n_cores),
        # A million rows of vectors, its own choice, are gigabytes that a writer holds and cannot
        # spill; a sort that is larger than the pool then leaves no room for it, and fails.
        "SAIL_PARQUET__MAX_ROW_GROUP_SIZE": str(_ROWS_PER_GROUP),
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(memory_bytes),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f'["{scratch}"]',
        "SAIL_RUNTIME__TEMPORARY_FILES__MAX_SIZE": str(shutil.disk_usage(scratch).total),
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(_IDLE_S),
    }
