"""The embedded Sail server, as the process that starts it sees it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pyspark

from lakewinnow.errors import EngineError, Shown
from lakewinnow.spark.object_stores import server_environment
from lakewinnow.spark.sail.server import ADDRESS

_NEWEST_CLIENT: Final = (4, 2)  # that pysail 0.7 understands; it refuses later ones
_END_TIMEOUT_S: Final = 10.0
_LAST_LINES: Final = 5
_IDLE_S: Final = 30 * 24 * 60 * 60  # a notebook may be left alone for a while


def why_not() -> str | None:
    """Return what keeps Sail from running here: a clause, or None where it can."""
    if find_spec("pysail") is None:
        return "pysail is not installed"
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
    scratch : Path
        Folder for its log and for what it spills.
    n_cores : int
        Partitions that it works on at once.
    memory_bytes : int
        Beyond which its queries spill.

    Raises
    ------
    EngineError : "sail_not_started"
    """

    def __init__(self, scratch: Path, *, n_cores: int, memory_bytes: int) -> None:
        self.log = scratch / "sail.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lakewinnow.spark.sail.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | _environment(scratch, n_cores, memory_bytes),
                start_new_session=True,  # Ctrl-C is for whoever started it
            )
        answer = self._process.stdout.readline() if self._process.stdout else b""
        if not answer.strip().isdigit():
            self.stop()
            raise EngineError(
                "sail_not_started",
                "Sail",
                "a server that starts",
                Shown(self.last_words() or "nothing"),
                hint="`lakewinnow doctor` says what is missing; --engine spark does without it",
            )
        self.remote = f"sc://{ADDRESS}:{int(answer)}"

    @property
    def is_alive(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def how_it_ended(self) -> str:
        """Say how the process ended, in a clause."""
        code = self._process.wait()
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"

    def last_words(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return " · ".join(lines[-_LAST_LINES:])

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def _client() -> tuple[int, int]:
    major, minor, *_ = pyspark.__version__.split(".")
    return int(major), int(minor)


def _environment(scratch: Path, n_cores: int, memory_bytes: int) -> Mapping[str, str]:
    """Return the server's settings; it imports whatever this process can import."""
    return {
        **server_environment(os.environ),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "RUST_LOG": os.environ.get("RUST_LOG", "warn"),
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(n_cores),
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(memory_bytes),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": f'["{scratch}"]',
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(_IDLE_S),
    }
