"""What of this machine a process may use: containers and affinity give less than there is."""

import contextlib
import os
import sys
from pathlib import Path


def usable_cores() -> int:
    """Return how many cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no cgroup 2, or its quota is "max"
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        cores = min(cores, max(1, quota // period))
    return cores


def memory_bytes() -> int:
    """Return the memory that this process and those it starts may use, in bytes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container: cgroup 2, 1
        with contextlib.suppress(OSError, ValueError):  # there is none, or it is "max"
            memory = min(memory, int(Path("/sys/fs/cgroup", limit).read_text()))
    return memory
