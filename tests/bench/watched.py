"""Run a command and watch the memory of all the processes that it starts (Linux)."""

import subprocess
import time
from pathlib import Path


def run(command: list[str], stderr: int | None = None) -> tuple[str, float]:
    """Run a command; return its output, and the peak GiB of resident memory of its processes.

    Raises
    ------
    SystemExit : the command failed; with its status
    """
    peak = 0.0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
    ) as process:
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(0.1)
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(process.returncode)
    return output, peak


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
