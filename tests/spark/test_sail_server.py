"""The embedded Sail server: who can reach it, and what is left when it or its client ends."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from lakewinnow.errors import EngineError
from lakewinnow.spark.sail import access, embedded, server
from lakewinnow.spark.sessions import session as sessions

pytestmark = [
    pytest.mark.skipif(embedded.why_not() is not None, reason="Sail cannot run here"),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]

SAMPLE = Path(__file__).parents[2] / "conf" / "sample"
STRANGER = 12345
PATIENCE_S = 20.0

# A client that says where its server is, and then does what it is told.
CLIENT = """
import json, sys
from lakewinnow.spark.sessions import session as sessions
spark = sessions.session(engine="sail")
[started] = sessions._started.values()
print(json.dumps([started._process.pid, str(started._folder)]), flush=True)
print(spark.range(1000).count(), flush=True)
"""
WAITING = CLIENT + "sys.stdin.read()"
INTERRUPTED_IN_GRPC = (
    CLIENT
    + """
import grpc._channel
def interrupted(_):
    raise KeyboardInterrupt  # as Ctrl-C may: the call is under way, and nobody listens
grpc._channel._run_channel_spin_thread = interrupted
try:
    spark.range(3).collect()
except KeyboardInterrupt:
    sessions.stop(spark)
    print("stopped")
"""
)
IN_A_QUERY = (
    CLIENT
    + """
def sleeping(batches):
    import time
    for batch in batches:
        time.sleep(600)
        yield batch

spark.range(1).mapInArrow(sleeping, "id long").collect()
"""
)


@contextlib.contextmanager
def client(script, folder, arguments=(), **options):
    """Run a client; give it with its server's process id and folder."""
    environment = os.environ | {"TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )
    try:
        pid, scratch = json.loads(process.stdout.readline())
        assert process.stdout.readline() == "1000\n"
        yield process, pid, Path(scratch)
    finally:
        process.kill()
        process.communicate()


def eventually(condition, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def is_there(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def processes_of(scratch):
    """The server and what it forked: all have its folder in their command lines."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{server.__name__}\0{scratch}\0".encode() in path.read_bytes():
                found.add(int(path.parent.name))
    return found


def ports_of(pids):
    """Ports that processes listen on."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and line[9] in inodes
    ]


def nothing_is_left(folder, scratch):
    return eventually(lambda: not processes_of(scratch) and not any(folder.iterdir()))


@pytest.fixture
def started():
    running = embedded.Server(n_cores=2, memory_bytes=2**30)
    yield running
    running.stop()


closed_off = pytest.mark.skipif(access.why_not() is not None, reason="no socket filters here")


@closed_off
def test_a_port_hears_nobody_but_the_ports_it_is_closed_off_to():
    with socket.create_server((access.ADDRESS, 0)) as listener:
        [known] = access.bind_ports(1)
        [unknown] = access.bind_ports(1)
        access.close_off(listener, [known.getsockname()[1]])
        elsewhere = socket.socket()
        elsewhere.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        elsewhere.bind(("127.0.0.2", known.getsockname()[1]))
        stranger = socket.socket()
        for sender in (stranger, unknown, elsewhere):
            sender.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sender.connect(listener.getsockname())
            sender.close()
        known.settimeout(5)
        known.connect(listener.getsockname())
        known.close()


@closed_off
def test_the_filter_stays():
    detach_filter = 27
    with socket.create_server((access.ADDRESS, 0)) as listener:
        access.close_off(listener, [1])
        with pytest.raises(PermissionError):
            listener.setsockopt(socket.SOL_SOCKET, detach_filter, 0)


@closed_off
def test_no_port_of_the_server_answers_not_even_its_own_user(started):
    ports = ports_of(processes_of(started._folder))
    assert len(ports) == 1
    with pytest.raises(TimeoutError):
        socket.create_connection((access.ADDRESS, ports[0]), 0.3)


@closed_off
@pytest.mark.skipif(os.getuid() != 0, reason="only root may be another user")
def test_another_user_reaches_neither_the_port_nor_the_socket(started):
    [port] = ports_of(processes_of(started._folder))
    probe = f"""
import socket
def tried(kind, address):
    sender = socket.socket(kind)
    sender.settimeout(0.3)
    try:
        sender.connect(address)
    except OSError as error:
        return type(error).__name__ + str(error.errno or "")
    return "connected"
print(tried(socket.AF_INET, ("127.0.0.1", {port})))
print(tried(socket.AF_UNIX, {str(started._folder / server.SOCKET)!r}))
"""
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", probe],
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["TimeoutError", "PermissionError13"], done.stderr


@closed_off
@pytest.mark.skipif(os.getuid() != 0, reason="only root may be another user")
def test_another_user_cannot_send_from_a_bound_port():
    [held] = access.bind_ports(1)
    port = held.getsockname()[1]
    probe = f"""
import socket
for address in ("127.0.0.1", "0.0.0.0", ""):
    for option in (socket.SO_REUSEPORT, socket.SO_REUSEADDR):
        sender = socket.socket()
        sender.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            sender.bind((address, {port}))
        except OSError as error:
            print(error.errno)
"""
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", probe],
        user=STRANGER,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["98"] * 6, done.stderr
    held.close()


@pytest.mark.parametrize("script", [WAITING, IN_A_QUERY], ids=["waiting", "in a query"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_client_and_leaves_nothing(script, number, tmp_path):
    with client(script, tmp_path, start_new_session=True) as (process, pid, scratch):
        assert is_there(pid)
        assert scratch.parent == tmp_path
        time.sleep(1)  # until it is in the query, if it is to be
        os.killpg(process.pid, number)
        process.wait(PATIENCE_S)
        assert nothing_is_left(tmp_path, scratch)


def test_the_server_ends_with_an_interpreter_that_never_stopped_it(tmp_path):
    with client(CLIENT, tmp_path) as (process, _, scratch):
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")
        assert processes_of(scratch) == set()
        assert list(tmp_path.iterdir()) == []


def test_a_client_whose_forked_children_live_on_takes_its_server_along(tmp_path):
    forking = CLIENT + "import os, time\nif os.fork() == 0: time.sleep(60)\nsys.stdin.read()"
    with client(forking, tmp_path, start_new_session=True) as (process, _, scratch):
        os.kill(process.pid, signal.SIGKILL)
        assert nothing_is_left(tmp_path, scratch)
        os.killpg(process.pid, signal.SIGKILL)


def test_two_servers_do_not_disturb_each_other(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    again = CLIENT + "sys.stdin.readline(); print(spark.range(7).count(), flush=True)"
    with (
        client(again, folders[0]) as (first, _, _),
        client(again, folders[1]) as (second, _, scratch),
    ):
        second.kill()
        assert nothing_is_left(folders[1], scratch)
        out, err = first.communicate("\n", timeout=PATIENCE_S)
        assert (out, err) == ("7\n", "")


def test_a_temporary_folder_with_a_long_odd_name_will_do(tmp_path):
    odd = tmp_path / "a b%41?#"
    long = tmp_path / ("long" * 30)
    for folder in (odd, long):
        folder.mkdir()
        with client(CLIENT, folder) as (process, _, scratch):
            assert process.communicate(timeout=PATIENCE_S) == ("", "")
            assert not scratch.exists()


COMMAND = "from lakewinnow.cli import main; main()"
LOST = """
import json, os, signal, sys, threading, time
from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import session as sessions
spark = sessions.session(engine="sail")
[started] = sessions._started.values()
print(json.dumps([started._process.pid, str(started._folder)]), flush=True)
print(spark.range(1000).count(), flush=True)

def sleeping(batches):
    for batch in batches:
        time.sleep(600)
        yield batch

try:
    with sessions.explaining_lost_engine():
        spark.range(1).mapInArrow(sleeping, "id long").collect()
except EngineError as error:
    print(error.code, error, error.hint, sep="\\n", flush=True)
spark = sessions.session(engine="sail")
print(spark.range(3).count())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_killed_is_told_of_and_the_next_session_is_a_new_one(number, tmp_path):
    with client(LOST, tmp_path) as (process, pid, scratch):
        time.sleep(1)
        os.kill(pid, number)
        out, err = process.communicate(timeout=60)
    code, message, hint, n_rows = out.splitlines()
    log = scratch / server.LOG
    lacked = ", probably out of memory" if number == signal.SIGKILL else ""
    how = f"was killed by signal 9{lacked}" if lacked else "ended with exit status 143"
    assert (code, err, n_rows) == ("engine_lost", "", "3")
    assert message == (
        f"Sail: expected a server that lives as long as the run, got one that {how}; "
        f"its log is {log}"
    )
    assert hint.endswith("the same command resumes at this stage")
    assert ("--engine spark" in hint) == bool(lacked)
    assert log.read_text().startswith("Sail ")
    assert [path.name for path in tmp_path.rglob("*")] == [scratch.name, log.name]
    assert processes_of(scratch) == set()


def test_a_run_whose_server_is_killed_says_so_and_goes_on_where_it_was(tmp_path):
    rows = pyarrow.csv.read_csv(SAMPLE / "support.csv")
    pyarrow.parquet.write_table(rows, tmp_path / "support.parquet")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "run.yaml").write_text(
        f"input: {{path: {tmp_path}/support.parquet, format: parquet,"
        f" text: message, label: queue}}\n"
        f"workspace: {tmp_path}/out\n"
    )
    command = [sys.executable, "-c", COMMAND, "run", str(tmp_path / "run.yaml"), "--engine", "sail"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert eventually((tmp_path / "out" / "corpus").exists, 60)
        [scratch] = temporary.glob("lakewinnow-*")
        os.kill(min(processes_of(scratch)), signal.SIGKILL)
        _, told = run.communicate(timeout=60)
    assert run.returncode == EngineError.exit_code, told
    assert told.count("lakewinnow: error: ") == 1
    assert "got one that was killed by signal 9, probably out of memory; its log is" in told
    assert "Traceback" not in told
    assert (scratch / server.LOG).exists()
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "manifest.json").exists()


def test_the_log_does_not_grow_without_bound(tmp_path):
    log = tmp_path / server.LOG
    with log.open("ab", buffering=0) as writer:
        line = b"x" * 99 + b"\n"
        writer.write(line * (server._LONGEST_LOG // 100 + 100))
        server._shorten(log)
        assert log.stat().st_size == server._LOG_KEPT
        writer.write(b"the end\n")
    assert log.stat().st_size == server._LOG_KEPT + 8
    assert log.read_bytes().endswith(line + b"the end\n")


SEEN = """
import itertools, sys
from lakewinnow.spark.sail import access, server
access.n_accepted = itertools.count().__next__  # somebody always came in between
sys.argv[1:] = [".", server.PRIVATE]
server.main()
"""


@closed_off
def test_a_server_that_somebody_may_have_reached_first_ends(tmp_path):
    command = [sys.executable, "-c", SEEN]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (server.WAS_SEEN, b"")


@closed_off
def test_whoever_is_let_in_anywhere_is_counted():
    before = access.n_accepted()
    with socket.create_server((access.ADDRESS, 0)) as listener:
        socket.create_connection(listener.getsockname()).close()
    assert access.n_accepted() > before


@pytest.fixture
def without_filters(monkeypatch):
    monkeypatch.setattr(access, "why_not", lambda: "no filters here")


@pytest.mark.usefixtures("without_filters")
def test_an_open_port_is_for_machines_without_other_people(monkeypatch):
    monkeypatch.setattr(access, "others", lambda: None)
    running = embedded.Server(n_cores=2, memory_bytes=2**30)
    try:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", running.target)
    finally:
        running.stop()
    monkeypatch.setattr(access, "others", lambda: "the user ann is logged in")
    with pytest.raises(EngineError) as caught:
        embedded.Server(n_cores=2, memory_bytes=2**30)
    assert caught.value.code == "sail_not_private"
    assert str(caught.value).endswith("got no filters here, and the user ann is logged in")


@pytest.mark.usefixtures("without_filters")
def test_auto_takes_spark_where_sail_would_be_open_to_others(monkeypatch, caplog):
    monkeypatch.setattr(access, "others", lambda: "the user ann is logged in")
    monkeypatch.setattr(sessions, "_has_java", lambda: True)
    assert not sessions._takes_sail(0)
    [message] = caplog.messages
    assert message == "Spark runs this, not Sail: no filters here, and the user ann is logged in"


@pytest.mark.skipif(os.getuid() != 0, reason="only root may be another user")
def test_processes_of_other_people_are_noticed():
    command = ["/usr/bin/env", "sleep", "60"]
    with subprocess.Popen(command, user=STRANGER, cwd="/") as stranger:
        try:
            assert access.others() == f"the user with the number {STRANGER} has processes"
        finally:
            stranger.kill()


def test_auto_says_why_it_leaves_a_large_input_to_spark(monkeypatch, caplog):
    monkeypatch.setattr(sessions, "memory_bytes", lambda: 4 * 2**30)
    monkeypatch.setattr(sessions, "_has_java", lambda: True)
    most = 2 * 2**30 // 24
    assert sessions._takes_sail(most)
    assert caplog.messages == []
    assert not sessions._takes_sail(most + 2**20)
    [message] = caplog.messages
    assert f"the input has {(most >> 20) + 1} MiB" in message
    monkeypatch.setattr(sessions, "_has_java", lambda: False)
    assert sessions._takes_sail(most + 2**20)
    assert "may lack memory" in caplog.messages[-1]


def test_neither_engine_is_one_error_that_names_both_ways(monkeypatch):
    monkeypatch.setattr(embedded, "why_not", lambda: "pysail is not installed")
    monkeypatch.setattr(sessions, "_has_java", lambda: False)
    with pytest.raises(EngineError) as caught:
        sessions._takes_sail(0)
    assert caught.value.code == "no_engine"
    assert "lakewinnow[sail]" in caught.value.hint
    assert "Java" in caught.value.hint


SORT = """
import sys
from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import session as sessions
from pyspark.sql import functions as F
sessions._heap_bytes = lambda: 160 << 20
spark = sessions.session(engine="sail")
rows = spark.range(1_500_000).select("id", F.sha2(F.col("id").cast("string"), 512).alias("key"))
if sys.argv[1] == "sort":
    rows.orderBy("key").select("id").write.parquet("sorted")
    print(spark.read.parquet("sorted").count())
else:
    try:
        with sessions.explaining_lost_engine():
            rows.join(rows.withColumnRenamed("id", "other"), "key").write.parquet("joined")
    except EngineError as error:
        print(error.code, error, sep="\\n")
"""


def test_a_sort_larger_than_the_memory_spills(tmp_path):
    assert run_in(tmp_path, SORT, "sort") == ["1500000"]


def test_a_query_that_cannot_spill_fails_with_figures(tmp_path):
    code, message = run_in(tmp_path, SORT, "join")
    assert code == "out_of_memory"
    assert "160 MiB" in message


def run_in(folder, script, *arguments):
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_session_whose_query_was_interrupted_inside_grpc_stops(tmp_path):
    with client(INTERRUPTED_IN_GRPC, tmp_path) as (process, _, scratch):
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert said == "stopped\n"
        assert nothing_is_left(tmp_path, scratch)


NEVER_ALONE = """
import sys
from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import session as sessions
from lakewinnow.spark.sail import embedded
embedded._ATTEMPTS = 0  # as if a stranger had been at each port that was opened
if sys.argv[1:]:
    sessions._has_java = lambda: False
try:
    print(sessions.session(engine="auto").range(3).count())
except EngineError as error:
    print(error.code, error.hint)
"""


@pytest.mark.skipif(sessions.is_remote_only(), reason="PySpark's client alone")
@pytest.mark.parametrize("java", [[], ["none"]])
def test_where_no_server_can_be_had_for_oneself_auto_takes_spark_if_there_is_java(java):
    command = [sys.executable, "-c", NEVER_ALONE, *java]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if java:
        assert done.stdout.startswith("sail_not_private --engine spark")
    else:
        assert done.stdout == "3\n"
        assert "Spark runs this, not Sail: engine: expected sail, if nobody" in done.stderr


LOST_IN = (
    CLIENT
    + """
import os, signal
import lakewinnow
from lakewinnow.errors import EngineError
from pyspark.sql import functions as F
frame = spark.range(4).select(
    F.col("id").cast("string").alias("task"), F.lit("ann").alias("annotator"),
    F.lit("a").alias("label"), F.array(F.lit("a")).alias("labels"),
    F.array(F.lit(0.6), F.lit(0.4)).alias("probs"),
)
os.kill(started._process.pid, signal.SIGKILL)
calls = {
    "find_label_issues": {"label": "label", "pred_probs": "probs", "classes": ["a", "b"]},
    "find_multilabel_issues": {"labels": "labels", "pred_probs": "probs", "classes": ["a", "b"]},
    "find_consensus": {
        "rows": frame, "id": "task", "annotator": "annotator", "label": "label",
        "pred_probs": "probs",
    },
}
name = sys.argv[1]
try:
    getattr(lakewinnow, name)(frame, **calls[name])
except EngineError as error:
    print(error.code)
"""
)


@pytest.mark.parametrize("name", ["find_label_issues", "find_multilabel_issues", "find_consensus"])
def test_functions_of_frames_say_that_the_server_is_lost(name, tmp_path):
    with client(LOST_IN, tmp_path, [name]) as (process, _, _):
        said, err = process.communicate(timeout=60)
    assert (said, err) == ("engine_lost\n", "")
