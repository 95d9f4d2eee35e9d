"""Runs a folder of cases on one engine: ``python runs.py ENGINE N_PARTITIONS CASE…``.

Its own process, since a process has one kind of session; its start-up is paid once for all cases.
What a run ends with, an error too, is in CASE/ENGINE-N/, beside CASE/config.yaml and the input.
"""

import contextlib
import sys
import time
import traceback
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

import lakewinnow
from connect import connect_server, set_compiling
from lakewinnow.config.file import parse_config
from lakewinnow.errors import LakewinnowError
from lakewinnow.spark.sessions.session import session, stop

ENGINES = ("classic", "connect", "sail")
ERROR = "error.txt"
_COMPILED_OF = 4  # so many cases is one whose queries Spark compiles


@contextlib.contextmanager
def started(engine, n_partitions):
    """Give a session whose shuffles make so many partitions."""
    with contextlib.ExitStack() as stack:
        if engine == "sail":
            # Set for the process that is started next: it has no setting for a session's.
            from lakewinnow.spark.sail import embedded

            usual = embedded._environment
            name = "SAIL_EXECUTION__DEFAULT_PARALLELISM"
            embedded._environment = lambda *of, **how: {
                **usual(*of, **how),
                name: str(n_partitions),
            }
            spark = session("differential", engine="sail")
        else:
            remote = stack.enter_context(connect_server()) if engine == "connect" else None
            spark = session("differential", engine="spark", remote=remote)
            settings = {
                "spark.sql.shuffle.partitions": n_partitions,
                "spark.sql.adaptive.coalescePartitions.enabled": "false",
            }
            for key, value in settings.items():
                spark.conf.set(key, str(value))
        try:
            yield spark
        finally:
            stop(spark)


def run_case(spark, case, engine, n_partitions):
    """Run one case; an error of ours is an answer like another."""
    raw = yaml.safe_load((case / "config.yaml").read_text())
    raw["input"]["path"] = str(case / f"input-{n_partitions}")
    workspace = case / f"{engine}-{n_partitions}"
    raw["workspace"] = str(workspace)
    begun = time.monotonic()
    try:
        lakewinnow.run(parse_config(raw), spark=spark)
        ending = "done"
    except LakewinnowError as error:
        ending = f"{type(error).__name__} {error}"
        workspace.mkdir(exist_ok=True)
        (workspace / ERROR).write_text(ending.replace(str(workspace), "WORKSPACE"))
    except Exception:  # noqa: BLE001 - whatever it is, the comparison shows it
        ending = traceback.format_exc()
        workspace.mkdir(exist_ok=True)
        (workspace / ERROR).write_text(f"not ours, on {engine}: {ending}")
    seconds = time.monotonic() - begun
    sys.stdout.write(f"{case.name} {engine} {n_partitions} {seconds:.1f} s {ending}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    kind, n = sys.argv[1], int(sys.argv[2])
    with started(kind, n) as running:
        for at, path in enumerate(map(Path, sys.argv[3:])):
            if kind != "sail":
                set_compiling(running, compiles=at % _COMPILED_OF == 0)
            run_case(running, path, kind, n)
