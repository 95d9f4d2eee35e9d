"""A cluster of Spark on this machine: a master and two workers, each under an address of its own.

Spark makes a second attempt at a slow task on another machine alone, and knows these by address.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pyspark

from lakewinnow.spark.sessions.session import local_environment, scratch_folder
from serving import free_port

MASTER = "127.0.0.1"
WORKERS = ("127.0.0.2", "127.0.0.3")
TIMEOUT_S = 600


@contextlib.contextmanager
def cluster():
    """Yield the ``spark://`` address of a cluster that ends at the end."""
    scratch = scratch_folder()
    port = free_port()
    address, log = f"spark://{MASTER}:{port}", scratch / "log"
    environment = os.environ | local_environment(scratch)
    environment |= {
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-Dspark.deploy.maxExecutorRetries=-1",
    }
    del environment["SPARK_LOCAL_IP"]
    commands = [["master.Master", *_options(MASTER, port=port)]]
    for host in WORKERS:
        size = {"cores": 1, "memory": "1g", "work-dir": scratch / host}
        commands.append(["worker.Worker", *_options(host, **size), address])
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        for name, *arguments in commands:
            started = subprocess.Popen(
                [_spark_class(), f"org.apache.spark.deploy.{name}", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            stack.enter_context(started)
            stack.callback(started.terminate)
        deadline = time.monotonic() + TIMEOUT_S
        while log.read_text().count("Registering worker") < len(WORKERS):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address


def _options(host, **others):
    options = {"host": host, "webui-port": 0, **others}
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def _spark_class():
    return str(Path(pyspark.__file__).parent / "bin" / "spark-class")
