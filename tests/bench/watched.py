"""Run a command and watch the memory of all the processes that it starts (Linux)."""

import signal
import subprocess
import time
from pathlib import Path


def run(command: list[str], stderr: int | None = None) -> tuple[str, float]:
    """Run a command; return its output, and the peak GiB of resident memory of its processes.

    Raises
    ------
    SystemExit : the command failed; says how, and how much memory was left at least
    """
    peak, least_left = 0.0, float("inf")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            least_left = min(least_left, _left())
            time.sleep(0.1)
        output = process.stdout.read()
    if process.returncode:
        how = _ended(process.returncode)
        raise SystemExit(
            f"{how}; it had {peak:.1f} GiB at most, and {least_left:.1f} were free at least"
        )
    return output, peak


def _ended(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"failed with {status}"


def _left() -> float:
    """GiB of memory of the machine that processes could still have."""
    found = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2]
    return int(found.split()[0]) / 2**20


def _resident(session: int) -> float:
    """GiB of resident memory of all processes of a session."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * 4096
    return total / 2**30
