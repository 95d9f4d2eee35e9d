"""What runs in the process of the embedded Sail server: ``python -m lakewinnow.spark.sail.server``.

Whoever starts it keeps its standard input open, and reads one line from its standard output: the
port. It ends when its standard input does, or whoever started it, however that comes about, and
takes its folder with it. What it has to say goes to its standard error, a log in that folder.

Its arguments are the folder, and ``private`` or ``open``: whether it lets nobody in but through the
socket in that folder.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any, Final

from lakewinnow.spark.sail import access, workers
from lakewinnow.spark.sail.relay import Relay
from lakewinnow.spark.sessions.machine import usable_cores

PRIVATE: Final = "private"
OPEN: Final = "open"
LOG: Final = "sail.log"
SOCKET: Final = "s"  # its path must have at most 107 bytes

WAS_SEEN: Final = 75  # exit status: somebody may have connected before the port was closed off
_PATIENCE_S: Final = 2.0
_LONGEST_LOG: Final = 16 * 2**20
_LOG_KEPT: Final = 2**20


def main() -> None:
    """Serve until whoever started it is gone."""
    parent = os.getppid()
    workers.start(usable_cores())  # who import, too, while this process does
    folder, access_name = Path(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, _end)
    relay = Relay(folder / SOCKET) if access_name == PRIVATE else None
    server = _serve(relay)  # which serves as long as the name holds it
    _, port = server.listening_address
    print(port, flush=True)  # noqa: T201 - the answer to who started us
    try:
        _wait(parent, relay, folder / LOG)
    except SystemExit as told:
        if not _is_alone(parent, _PATIENCE_S):  # told to end, alone: the log must stay
            os._exit(int(str(told)))
    shutil.rmtree(folder, ignore_errors=True)
    # Not by returning: threads of the server may be in a query that nobody waits for any more.
    os._exit(0)


def _serve(relay: Relay | None) -> Any:
    """Start Sail and return its server."""
    from pysail.spark import SparkConnectServer

    sys.stderr.write(f"Sail {version('pysail')} in process {os.getpid()}\n")
    sys.stderr.flush()
    server = SparkConnectServer(access.ADDRESS, 0)
    n_before = access.n_accepted() if relay else 0
    server.start(background=True)
    if relay:
        _, port = server.listening_address
        with access.listening(port) as listener:
            access.close_off(listener, relay.ports)
            n_after = access.n_accepted()
            access.check_closed(listener)
        # Whoever came in between would be in: nobody on this machine may have come in anywhere.
        if n_after != n_before:
            os._exit(WAS_SEEN)
        relay.go_to(port)
    return server


def _wait(parent: int, relay: Relay | None, log: Path) -> None:
    """Return when nobody needs the server any more."""
    ends = [sys.stdin.fileno()]
    if relay:
        relay_end = os.pidfd_open(relay.pid)
        ends.append(relay_end)
    while True:
        readable, _, _ = select.select(ends, [], [], _PATIENCE_S)
        if relay and relay_end in readable:
            sys.stderr.write("The process that relays connections has ended, so Sail ends too.\n")
            sys.stderr.flush()
            os._exit(1)
        if readable or os.getppid() != parent:
            return
        _shorten(log)


def _is_alone(parent: int, patience_s: float) -> bool:
    readable, _, _ = select.select([sys.stdin.fileno()], [], [], patience_s)
    return bool(readable) or os.getppid() != parent


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _shorten(log: Path) -> None:
    """Keep only the end of a log that has grown too long; who writes to it appends."""
    with contextlib.suppress(OSError):
        length = log.stat().st_size
        if length > _LONGEST_LOG:
            with log.open("rb+") as file:
                file.seek(length - _LOG_KEPT)
                kept = file.read()
                file.seek(0)
                file.write(kept)
                file.truncate()


if __name__ == "__main__":
    main()
