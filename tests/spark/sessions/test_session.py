"""Sessions as users meet them: in a process, a folder and an environment of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyspark
import pyspark.errors.utils
import pytest
from pyspark.sql import functions

from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import session as sessions
from lakewinnow.spark.sessions.machine import usable_cores
from lakewinnow.spark.sessions.session import local_environment, session

TESTS = Path(__file__).parents[1]
SPARK_SUBMIT = Path(pyspark.__file__).parent / "bin" / "spark-submit"
JAVA_AND_COMPILERS = ("java", "jdk", "cc", "c++", "g++", "gcc", "clang", "x86_64-linux-gnu-g")

# What a run does: Python on the executors, a table written and read, a task that fails.
JOB = """
import json, sys
import pyarrow as pa
from lakewinnow.spark.sessions.session import session, stop

def interpreters(batches):
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"python": [sys.executable]})

def broken(batches):
    for batch in batches:
        yield 1 / 0

def job(remote=None):
    spark = session("job", engine="spark", remote=remote)
    spark.range(10).write.parquet("a table")
    try:
        spark.range(1).mapInArrow(broken, "id long").collect()
        error = ""
    except Exception as caught:
        error = str(caught)
    pythons = spark.range(10).mapInArrow(interpreters, "python string").distinct().collect()
    said = {
        "class": type(spark).__module__,
        "rows": spark.read.parquet("a table").count(),
        "pythons": [row.python for row in pythons],
        "error": error,
        "settings": {key: spark.conf.get(key) for key in [
            "spark.sql.session.timeZone", "spark.master", "spark.app.name"
        ]},
    }
    stop(spark)
    return said
"""
CLASSIC = JOB + "print(json.dumps(job()))"
CONNECT = (
    JOB
    + """
from connect import connect_server
with connect_server() as remote:
    print(json.dumps(job(remote)))
"""
)
SUBMITTED = """
import json
from lakewinnow.spark.sessions.session import session, stop
spark = session("ours")
stop(spark)
print(json.dumps({"rows": spark.range(10).count(), "settings": {
    key: spark.conf.get(key, None) for key in [
        "spark.sql.session.timeZone", "spark.app.name", "spark.sql.shuffle.partitions",
        "spark.ui.enabled", "spark.sql.warehouse.dir",
    ]
}}))
"""


@pytest.fixture
def machine(tmp_path):
    """A folder with a space in its path, and an environment without Java and compilers."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for command in Path(folder).iterdir():
            link = commands / command.name
            if not command.name.startswith(JAVA_AND_COMPILERS) and not link.exists():
                link.symlink_to(command)
    work, temporary = tmp_path / "some work", tmp_path / "temporary files"
    work.mkdir()
    temporary.mkdir()
    environment = {
        "HOME": str(tmp_path),
        "PATH": str(commands),
        "PYTHONPATH": str(TESTS),
        "TMPDIR": str(temporary),
    }
    return work, environment


def run(machine, script, command=(sys.executable,)):
    """Run a script and return what it said, after making sure that it left nothing behind."""
    work, environment = machine
    (work / "job.py").write_text(script)
    done = subprocess.run(
        [*command, "job.py"], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def is_left_in(folder, patience_s=20.0):
    """Names in a folder that are still there when the JVM has had time to end."""
    deadline = time.monotonic() + patience_s
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(CLASSIC, id="classic"),
        pytest.param(CONNECT, id="connect", marks=pytest.mark.slow),
    ],
)
def test_a_machine_without_java_runs_jobs_quietly_and_tidily(script, machine):
    said, stderr = run(machine, script)
    assert said["class"].startswith(
        "pyspark.sql.connect" if script == CONNECT else "pyspark.sql.session"
    )
    assert said["rows"] == 10
    assert said["pythons"] == [sys.executable]
    assert "ZeroDivisionError" in said["error"]
    assert said["settings"]["spark.sql.session.timeZone"] == "UTC"
    assert said["settings"]["spark.master"] == f"local[{usable_cores()}]"
    assert stderr == ""
    work, environment = machine
    left = {path.name for path in work.iterdir()} - {"job.py", "a table"}
    if pyspark.__version__ == "4.0.0":
        left -= {"artifacts"}  # it makes that folder in any case
    assert left == set()
    assert is_left_in(Path(environment["TMPDIR"])) == []


def processes_of(folder):
    """Command lines that name a folder, as each JVM's does its scratch folder."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line for line in lines if str(folder).encode() in line]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at Linux's /proc")
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.0, 2.5])
def test_an_interrupted_start_leaves_no_java_behind(delay_s, machine):
    work, environment = machine
    (work / "job.py").write_text(
        "from lakewinnow.spark.sessions.session import session; session(engine='spark')"
    )
    temporary = Path(environment["TMPDIR"])
    with subprocess.Popen(
        [sys.executable, "job.py"], cwd=work, env=environment, stderr=subprocess.DEVNULL
    ) as job:
        while not list(temporary.glob("lakewinnow-*/java/pid")):
            assert job.poll() is None
            time.sleep(0.01)
        time.sleep(delay_s)
        job.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 10
    while processes_of(temporary) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(temporary) == []


@pytest.mark.slow
def test_under_spark_submit_the_settings_are_the_users(machine, tmp_path):
    work, environment = machine
    environment |= local_environment(tmp_path)
    settings = {"spark.sql.session.timeZone": "Asia/Tokyo", "spark.sql.shuffle.partitions": "3"}
    confs = [f"--conf={key}={value}" for key, value in settings.items()]
    said, _ = run(machine, SUBMITTED, (SPARK_SUBMIT, "--name=theirs", "--master=local[1]", *confs))
    assert said["rows"] == 10  # stop() left the session alone
    assert said["settings"] == settings | {
        "spark.app.name": "theirs",
        "spark.ui.enabled": None,
        "spark.sql.warehouse.dir": f"file:{work}/spark-warehouse".replace(" ", "%20"),
    }


def test_no_stack_is_looked_through_for_a_column(spark, monkeypatch):
    monkeypatch.setattr(pyspark.errors.utils, "_enable_debugging_cache", None)
    monkeypatch.setattr(pyspark.errors.utils, "_capture_call_site", None)
    assert spark.range(2).select(functions.col("id") + functions.lit(1)).count() == 2


def test_a_session_that_is_there_is_used(spark):
    assert session("another").conf.get("spark.app.name") == spark.conf.get("spark.app.name")


@pytest.mark.parametrize("remote", ["sc://127.0.0.1:1", "sc://[::1]:1/;user_id=me", "127.0.0.1"])
def test_a_server_that_is_not_there_is_an_error_at_once(remote, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(EngineError) as raised:
        session(remote=remote)
    assert raised.value.code == "spark_not_reached"


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/before")
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    with sessions._environment({"JAVA_HOME": "/within", "SPARK_LOCAL_IP": "127.0.0.1"}):
        assert (os.environ["JAVA_HOME"], os.environ["SPARK_LOCAL_IP"]) == ("/within", "127.0.0.1")
    assert os.environ["JAVA_HOME"] == "/before"
    assert "SPARK_LOCAL_IP" not in os.environ


@pytest.mark.parametrize(
    ("memory_gib", "input_mib", "heap"),
    [
        (24, 0, "12288m"),
        (24, 1, "3072m"),
        (24, 200, "3600m"),
        (24, 1024, "12288m"),
        (4, 1, "2048m"),
    ],
)
def test_java_gets_no_more_heap_than_the_input_needs(
    memory_gib, input_mib, heap, tmp_path, monkeypatch
):
    monkeypatch.delenv("SPARK_DRIVER_MEMORY", raising=False)
    monkeypatch.setattr(sessions, "memory_bytes", lambda: memory_gib << 30)
    settings = sessions.local_settings(tmp_path, input_mib << 20)
    assert settings["spark.driver.memory"] == heap
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "5g")
    assert sessions.local_settings(tmp_path, 1)["spark.driver.memory"] == "5g"
