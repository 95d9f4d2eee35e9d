"""One run at a time on a workspace, wherever it is.

A run writes a claim under a name of its own, and then lists the claims: it goes on only if no other
run's is there. Of two that start together each writes before it looks, so at least one sees the
other, and never do both go on. This takes no more than a listing that shows what has been written,
which local disks, HDFS and object stores all give.

An owner that is gone gives way: on this machine one whose process has ended, on others one that has
not renewed its claim for two minutes, by the clock of the file system, and does not while it is
watched: a clock may have been set.
"""

import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pyarrow import fs

from lakewinnow.errors import BusyError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.typed_json import from_json

_NAME: Final = re.compile(r"_running-[0-9a-f]{32}\.json")
_RENEWED_EVERY_S: Final = 15.0
_GONE_AFTER_S: Final = 120.0  # on another machine, without a renewal
_WATCHED_S: Final = 2 * _RENEWED_EVERY_S  # such an owner
_SETTLED_WITHIN_S: Final = 2.0  # of runs that start together, all but one have given up
_PROC: Final = Path("/proc")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """Who works on a workspace.

    Attributes
    ----------
    machine : this start of this machine, and its numbering of processes; None: not known here
    started : of the process, by the clock that counts from the machine's start; None: not known
    """

    host: str
    process: int
    since: str
    machine: str | None
    started: int | None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"

    @classmethod
    def this(cls) -> "Owner":
        """Return this process, as of now."""
        process, now = os.getpid(), datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), process, now, _machine(), _started(process))

    def has_ended(self) -> bool | None:
        """Whether the process has ended; None: it cannot be seen from here."""
        if self.machine is None or self.machine != _machine():
            return None
        return _started(self.process) != self.started


class Lock:
    """A run's claim to a workspace, while it works there."""

    def __init__(self, files: Files) -> None:
        self._files, self._name = files, f"_running-{uuid.uuid4().hex}.json"
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def acquire(self) -> None:
        """Claim the workspace.

        Raises
        ------
        BusyError : "workspace_in_use"
        """
        self._write()
        self._remove_silent()
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while others := self._others():
            # Of runs that start together, the one of the first name waits for the others to go.
            if min(others) < self._name or time.monotonic() > deadline:
                self.release()
                got = Shown(f"{others[min(others)]} ({self._files.root})")
                hint = (
                    "wait until it has ended, or choose another folder: --set workspace=…"
                    " (a run that was killed gives way by itself)"
                )
                raise BusyError("workspace_in_use", "workspace", "no other run in it", got, hint)
            time.sleep(0.1)
        self._renewing.start()

    def check(self) -> None:
        """Make sure that the claim still stands, before something is made valid.

        Raises
        ------
        BusyError : "workspace_taken_over"
        """
        if not self._files.is_file(self._name):
            raise self.taken_over()

    def taken_over(self) -> BusyError:
        """Return the error of a run whose workspace another run has by now."""
        hint = "this process was silent too long; run the same command again to resume"
        got = Shown(f"another run that has taken it over ({self._files.root})")
        return BusyError("workspace_taken_over", "workspace", "no other run in it", got, hint)

    def release(self) -> None:
        """Let others work there."""
        self._ended.set()
        if self._renewing.is_alive():  # it may be writing
            self._renewing.join()
        self._files.delete(self._name)

    def _write(self) -> None:
        self._files.write_json(self._name, asdict(Owner.this()))

    def _renew(self) -> None:
        while not self._ended.wait(_RENEWED_EVERY_S):
            with suppress(OSError):  # the next time will do
                if not self._files.is_file(self._name):  # a check will find it
                    return
                self._write()

    def _remove_silent(self) -> None:
        """Delete the claims of those on other machines who seem to be gone, and stay so."""
        before = self._silent()
        if not before:
            return
        _LOG.warning("a run on another machine seems to have ended; %g s to be sure", _WATCHED_S)
        time.sleep(_WATCHED_S)
        for name, since in self._silent().items():
            if before.get(name) == since:
                self._files.delete(name)

    def _silent(self) -> dict[str, int]:
        """Return when claims were made that nobody has renewed for long, by their names."""
        claims = self._claims()
        own = claims.pop(self._name, None)
        now = (own and own.mtime_ns) or 0
        times = {name: claim.mtime_ns or now for name, claim in claims.items()}
        silent = {name: of for name, of in times.items() if now - of > _GONE_AFTER_S * 1e9}
        return {name: since for name, since in silent.items() if self._has_ended(name) is None}

    def _others(self) -> dict[str, str]:
        """Delete the claims of those who have ended; return the others, as sentences have them."""
        found = {}
        for name in self._claims().keys() - {self._name}:
            with suppress(FileNotFoundError):  # given back meanwhile
                if self._has_ended(name):
                    self._files.delete(name)
                else:
                    found[name] = str(self._owner(name) or "another run")
        return found

    def _claims(self) -> dict[str, fs.FileInfo]:
        return {of.base_name: of for of in self._files.entries() if is_claim(of.base_name)}

    def _has_ended(self, name: str) -> bool | None:
        owner = self._owner(name)
        return None if owner is None else owner.has_ended()

    def _owner(self, name: str) -> Owner | None:
        try:
            return from_json(Owner, json.loads(self._files.read_bytes(name) or b""))
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError):  # being written
            return None


@contextmanager
def alone_in(files: Files) -> Iterator[Lock]:
    """Keep other runs out of a workspace.

    Raises
    ------
    BusyError : "workspace_in_use"
    """
    lock = Lock(files)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def is_claim(name: str) -> bool:
    """Whether a name in a workspace is that of a run's claim."""
    return _NAME.fullmatch(name) is not None


def _machine() -> str | None:
    """Return what this start of this machine is known by, and this container's processes."""
    try:
        started = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{started} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(process: int) -> int | None:
    """Return when a process started, in ticks of the machine; None: it has ended."""
    try:
        # the name of the program may hold anything, blanks and brackets too
        said = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    is_dead = said[0] in ("Z", "X")  # its parent has yet to ask what became of it
    return None if is_dead else int(said[19])
