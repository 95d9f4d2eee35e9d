"""A run to which something is done: ``python victim.py CONFIG ENGINE FAULT STAGE WHEN [OPTION]…``.

ENGINE is sail, spark (on this machine) or spark://… (a cluster); FAULT is in `FAULTS`; STAGE is the
name of one, or ``each``; WHEN is before a stage, inside it or after it; options are of the command.
"""

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from lakewinnow.cli import exit_code_of
from lakewinnow.config.file import load_config
from lakewinnow.lake.versions import Versions
from lakewinnow.lake.workspace import Lake
from lakewinnow.pipeline import running
from lakewinnow.spark.sail.workers import Outsourced
from lakewinnow.spark.sessions import session

PATIENCE_S = 600
STALLED_S = 600
FILLER = "filler"  # a file beside the workspace, as long as its disk lets it be
# What the command line of a process holds, by what it is; one that is several is the last.
KINDS = {
    "server": (b"sail.server", b"deploy.SparkSubmit"),
    "worker": (b"sail.worker", b"pyspark.daemon"),
    "executor": (b"CoarseGrainedExecutorBackend",),
}


# --- what is done -------------------------------------------------------------------------------


def kill_driver():
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_server():
    """Kill Sail's server, or Spark's Java process."""
    _soon(_kill, "server")


def kill_worker():
    """Kill a process that runs Python functions."""
    _soon(_kill, "worker")


def kill_executor():
    """Kill a process of a cluster that runs tasks."""
    _soon(_kill, "executor")


def starve_server():
    """Leave the engine hardly any memory."""
    _soon(_starve, "server")


def fill_disk():
    """Write until the disk of the workspace takes no more."""
    part = bytes(2**20)
    with Path(CONFIG.workspace).parent.joinpath(FILLER).open("wb", buffering=0) as file:
        while part:
            try:
                file.write(part)
            except OSError:
                part = part[: len(part) // 2]


def turn_back_clock():
    """Have it be a day earlier."""
    now = time.time
    time.time = lambda: now() - 86_400


FAULTS = {
    of.__name__: of
    for of in (
        kill_driver,
        kill_server,
        kill_worker,
        kill_executor,
        starve_server,
        fill_disk,
        turn_back_clock,
    )
}


def _soon(do, kind):
    """Do something to a process, once there is one, while the run goes on."""
    threading.Thread(target=_to_one, args=[do, kind], daemon=True).start()


def _to_one(do, kind):
    # A cluster is our parent's.
    root = os.getppid() if sys.argv[2].startswith("spark:") else os.getpid()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = processes()
        chosen = [of for of in below(root, found) if kind_of(found[of][1]) == kind]
        if kind == "worker":
            chosen = chosen[1:]  # the first one only starts others
        for process in chosen:
            do(process)
            sys.stderr.write(f"done: {do.__name__.strip('_')}_{kind}\n")
            return
        time.sleep(0.005)


def _kill(process):
    os.kill(process, signal.SIGKILL)


def _starve(process):
    pages = int(Path("/proc", str(process), "statm").read_text().split()[0])
    most = pages * resource.getpagesize()  # what it has by now
    resource.prlimit(process, resource.RLIMIT_AS, (most, most))


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


def kind_of(line):
    """Return what a process is, by its command line."""
    return next((kind for kind, of in KINDS.items() if any(name in line for name in of)), None)


# --- tasks that are tried again -----------------------------------------------------------------


class _Disturbed:
    """A function whose first task does all its work, and then fails, or takes very long."""

    def __init__(self, function, fault):
        self._function, self._fault = function, fault

    def __call__(self, *given):
        found = self._function(*given)
        if not hasattr(found, "__next__"):
            self._disturb()
            return found
        return self._and_then(found)

    def _and_then(self, batches):
        yield from batches
        self._disturb()

    def _disturb(self):
        from pyspark import TaskContext

        task = TaskContext.get()
        if task.partitionId() == 0 and task.attemptNumber() == 0:
            if self._fault == "fail_after_writing":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(STALLED_S)  # a second attempt begins, and ends first


def disturb_tasks(fault):
    """Have the first task of every Python function tried twice."""
    of = Outsourced.of
    Outsourced.of = lambda function: of(_Disturbed(function, fault))


# --- the run ------------------------------------------------------------------------------------


def run_on(engine):
    """Have the session be one of an engine; return what the command calls that."""
    if not engine.startswith("spark:"):
        return engine
    settings = session.local_settings
    cluster = {
        "spark.master": engine,
        "spark.executor.memory": "512m",
        "spark.speculation": "true",
        "spark.speculation.interval": "100ms",
        "spark.speculation.minTaskRuntime": "2s",
        "spark.speculation.quantile": "0.5",
        "spark.speculation.task.duration.threshold": "3s",
    }
    session.local_settings = lambda *of: settings(*of) | cluster
    return "spark"


def do_once(fault, stage, when):
    """Have a fault happen once, or once a stage, at a place of a run."""
    at, done = [], []

    def at_place(now):
        if now == when and stage in (at[-1], "each") and at[-1] not in done:
            done.append(at[-1])
            FAULTS[fault]()

    do, put, commit = running._do, Versions.put, Lake.commit

    def do_stage(of, *arguments):
        at.append(of.name)
        at_place("before")
        return do(of, *arguments)

    def put_table(*arguments):
        at_place("inside")
        put(*arguments)

    def commit_stage(*arguments, **options):
        committed = commit(*arguments, **options)
        at_place("after")
        return committed

    running._do, Versions.put, Lake.commit = do_stage, put_table, commit_stage


if __name__ == "__main__":
    path, engine, fault, stage, when, *options = sys.argv[1:]
    CONFIG = load_config(path)
    if fault in FAULTS:
        do_once(fault, stage, when)
    elif fault:
        disturb_tasks(fault)
    sys.exit(exit_code_of(["run", path, f"--engine={run_on(engine)}", "--quiet", *options]))
