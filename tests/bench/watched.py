"""Run a command and watch the memory of all the processes that it starts (Linux)."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_PAUSE_S = 0.1
_PAUSE_LOOKS = 10  # as many times as long as a look takes, which reads the processes' page tables


def run(
    command: list[str], stderr: int | None = None, env: Mapping[str, str] | None = None
) -> tuple[str, float]:
    """Run a command; return its output, and the peak GiB of memory of its processes.

    Memory that processes share is counted once (PSS), where the system tells it.

    Raises
    ------
    SystemExit : the command failed; says how, and how much memory was left at least
    """
    peak, least_left = 0.0, float("inf")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True, env=env
    ) as process:
        family = _Family(process.pid)
        while process.poll() is None:
            started = time.monotonic()
            peak = max(peak, sum(map(_memory, family.processes())))
            least_left = min(least_left, _left())
            pause = max(_PAUSE_S, _PAUSE_LOOKS * (time.monotonic() - started))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
        output = process.stdout.read()
    if process.returncode:
        how = _ended(process.returncode)
        raise SystemExit(
            f"{how}; it had {peak:.1f} GiB at most, and {least_left:.1f} were free at least"
        )
    return output, peak


class _Family:
    """A process, all that descend from it, and who is in a session with one of them.

    Sail's server and Spark's Java lead sessions of their own, and a process whose parent has ended
    is another's child.
    """

    def __init__(self, first: int) -> None:
        self._pids, self._sessions = {first}, {first}

    def processes(self) -> set[int]:
        """Return those that live."""
        found = _processes()
        known = -1
        while known != len(self._pids):  # a child may come before its parent
            known = len(self._pids)
            for pid, (parent, session) in found.items():
                if parent in self._pids or session in self._sessions:
                    self._pids.add(pid)
                    self._sessions.add(session)
        self._pids &= found.keys()
        return set(self._pids)


def _processes() -> dict[int, tuple[int, int]]:
    """Return the parent and the session of each process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            found[int(stat.parent.name)] = int(fields[1]), int(fields[3])
    return found


def _memory(pid: int) -> float:
    """GiB of a process: its own memory, and its share of what it has with others."""
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) / 2**20
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**30
    return 0.0  # it has ended


def _ended(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"failed with {status}"


def _left() -> float:
    """GiB of memory of the machine that processes could still have."""
    found = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2]
    return int(found.split()[0]) / 2**20
