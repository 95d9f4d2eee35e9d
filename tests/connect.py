"""Spark in tests: a real Connect server in a process of its own; sessions that do not compile."""

import contextlib
import os
import subprocess
from pathlib import Path

import pyspark

from lakewinnow.spark.sessions.machine import usable_cores
from lakewinnow.spark.sessions.session import local_environment, local_settings, scratch_folder
from serving import free_port, is_up_within

START_TIMEOUT_S = 120


def set_compiling(spark, *, compiles):
    """Have Spark compile its queries or not: of small tables that takes longer than a run."""
    spark.conf.set("spark.sql.codegen.wholeStage", str(compiles).lower())
    spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK" if compiles else "NO_CODEGEN")


@contextlib.contextmanager
def connect_server():
    """Yield the ``sc://`` address of a server that stops at the end."""
    scratch = scratch_folder()
    port = free_port()
    settings = local_settings(scratch) | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
    }
    command = [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        "--class=org.apache.spark.sql.connect.service.SparkConnectServer",
        f"--master=local[{usable_cores()}]",
        *(f"--conf={key}={value}" for key, value in settings.items()),
        "spark-internal",
    ]
    environment = os.environ | local_environment(scratch)
    environment.pop("SPARK_CONNECT_MODE_ENABLED", None)  # of a client in this process
    log = scratch / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as server,
    ):
        try:
            if not is_up_within(START_TIMEOUT_S, server, port):
                raise RuntimeError(f"the Connect server did not start: {log.read_text()}")
            yield f"sc://127.0.0.1:{port}"
        finally:
            server.terminate()
