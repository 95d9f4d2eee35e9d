"""A run of which one process is killed: ``python victim.py CONFIG WHO STAGE WHEN``.

WHO is driver, server or worker; WHEN is before the stage, inside it or after it.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from lakewinnow.cli import exit_code_of
from lakewinnow.lake.versions import Versions
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline import running

PATIENCE_S = 20


def processes():
    """Return the parent and the command line of each process."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_bytes()
        except (ValueError, OSError):
            continue
    return found


def below(root, found):
    """Return the processes that a process has started, and those that these have."""
    own = [process for process, (parent, _) in found.items() if parent == root]
    return [*own, *(inner for process in own for inner in below(process, found))]


def kill(who):
    """Kill this process, its server, or one that runs the server's functions."""
    if who == "driver":
        os.kill(os.getpid(), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = processes()
        named = {process: found[process][1] for process in below(os.getpid(), found)}
        servers = [process for process, line in named.items() if b"sail" in line]
        workers = [process for process, line in named.items() if b"sail.worker" in line]
        chosen = workers[1:] if who == "worker" else [of for of in servers if of not in workers]
        if chosen:
            os.kill(chosen[0], signal.SIGKILL)
            sys.stderr.write(f"killed {who}\n")
            return
        time.sleep(0.005)


def main(config, who, stage, when):
    """Run, and have a process killed once."""
    at, done = [], []

    def once(now):
        if at[-1:] == [stage] and now == when and not done:
            done.append(True)
            if who == "driver":
                kill(who)
            threading.Thread(target=kill, args=[who], daemon=True).start()

    do, put, commit = running._do, Versions.put, Lake.commit

    def do_stage(of, *arguments):
        at.append(of.name)
        once("before")
        return do(of, *arguments)

    def put_table(*arguments):
        once("inside")
        put(*arguments)

    def commit_stage(*arguments, **options):
        committed = commit(*arguments, **options)
        once("after")
        return committed

    running._do, Versions.put, Lake.commit = do_stage, put_table, commit_stage
    sys.exit(exit_code_of(["run", config, "--engine=sail", "--quiet"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
