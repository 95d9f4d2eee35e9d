"""The session: the one that is there, a remote one, or one of an engine started here."""

import atexit
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Final, get_args
from urllib.request import getproxies
from weakref import WeakKeyDictionary

from pyspark.errors import PySparkException, PySparkRuntimeError
from pyspark.sql import SparkSession
from pyspark.util import is_remote_only

from lakewinnow.config.types import EngineName
from lakewinnow.errors import ConfigError, EngineError, Shown, did_you_mean
from lakewinnow.spark.sail import embedded
from lakewinnow.spark.sessions import java
from lakewinnow.spark.sessions.engines import CALL_SITES
from lakewinnow.spark.sessions.machine import memory_bytes, usable_cores

_LOG = logging.getLogger(__name__)

# Set by what starts us: spark-submit, a Connect environment, Databricks.
_GIVEN_BY = ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "DATABRICKS_RUNTIME_VERSION")

_GIB: Final = 2**30
# Memory that a run on Sail takes, beside bytes of its input as Parquet: 2.0 GiB for 12 MB and 4.1
# GiB for 118 MB (tests/bench/engines.py). Beyond, ``auto`` takes Spark where it can.
_SAIL_BYTES: Final = 2 * _GIB
_SAIL_BYTES_PER_BYTE: Final = 24
# Java's heap for local Spark: 2 GiB do for a million texts, which are 118 MB; with 3 GiB less is
# collected and spilled. All processes take 2 GiB more.
_LEAST_HEAP: Final = 3 * _GIB
_HEAP_BYTES_PER_BYTE: Final = 18
_GONE_S: Final = 5.0  # in which a server ends whose connections have ended
_OUT_OF_MEMORY: Final = "Failed to allocate additional"  # what a query of Sail's says that cannot
_LESS_MEMORY: Final = (
    "--engine spark spills to disk what does not fit, and fewer cores need less memory"
    " (taskset -c 0 lakewinnow …); "
)
_GOES_ON: Final = "the same command resumes at this stage"
_CONNECT_MODE: Final = "SPARK_CONNECT_MODE_ENABLED"
_CONNECT_PORT: Final = 15002  # of sc:// without a port
_CONNECT_TIMEOUT_S: Final = 10.0

# What was started, and the embedded server behind it, if it has one.
_started: WeakKeyDictionary[SparkSession, embedded.Server | None] = WeakKeyDictionary()
# The server that `begin` has begun, until a session takes it: at most one.
_begun: list[Future[embedded.Server]] = []


def session(
    app_name: str = "lakewinnow",
    *,
    engine: EngineName = "auto",
    remote: str | None = None,
    input_bytes: int = 0,
    wide_rows: bool = False,
) -> SparkSession:
    """Return the session to work with.

    Without `remote` that is the session there is (in a notebook), else the one that spark-submit,
    Databricks or SPARK_REMOTE provides, none of whose settings are touched, else one of an engine
    that is started here and ends with this process.

    Parameters
    ----------
    app_name : str
        Name that a session started here shows.
    engine : {"auto", "sail", "spark"}
        What to start: ``"sail"``, which needs no Java; ``"spark"``, local Spark; ``"auto"``, Sail
        where it can run and the input is not too large for it, else local Spark.
    remote : str, optional
        ``sc://host:port`` of a Spark Connect server.
    input_bytes : int
        Size of what is to be worked on, for ``"auto"``.
    wide_rows : bool
        Whether a row may hold thousands of numbers, for Sail: it takes fewer at once then.

    Raises
    ------
    ConfigError : "unknown_engine"
    EngineError
        ``"no_java"``, ``"no_sail"``, ``"no_engine"``, ``"spark_not_started"``,
        ``"sail_not_started"``, ``"sail_not_private"``, ``"spark_not_reached"``
    """
    known = get_args(EngineName)
    if engine not in known:
        hint = did_you_mean(str(engine), known)
        raise ConfigError("unknown_engine", "engine", " | ".join(known), engine, hint)
    if remote is not None:
        return _connect(app_name, remote)
    if (there := _active()) is not None:
        return there
    if any(name in os.environ for name in _GIVEN_BY):
        return SparkSession.builder.getOrCreate()
    if engine == "sail":
        return _start_sail(app_name, wide_rows=wide_rows)
    if engine == "auto" and _takes_sail(input_bytes):
        try:
            return _start_sail(app_name, wide_rows=wide_rows)
        except EngineError as error:
            if error.code != "sail_not_private" or is_remote_only() or not _has_java():
                raise
            _LOG.warning("Spark runs this, not Sail: %s", error)
    return _start(app_name, input_bytes)


def begin(*, engine: EngineName = "auto", wide_rows: bool = False) -> None:
    """Have Sail's server start already, where `session` will want it, and return at once.

    It takes half a second, and what works with it as long to import. Nothing is raised here: what
    keeps the server from starting is for `session` to say, and one that is not wanted then ends
    with this process.
    """
    if engine == "spark" or _begun or embedded.why_not() is not None:
        return
    if _active() is not None or any(name in os.environ for name in _GIVEN_BY):
        return
    server: Future[embedded.Server] = Future()
    _begun.append(server)

    def start() -> None:
        try:
            server.set_result(_new_server(wide_rows=wide_rows))
        except BaseException as error:  # noqa: BLE001 - who takes it gets it
            server.set_exception(error)

    threading.Thread(target=start, name="Sail's start", daemon=True).start()
    atexit.register(_end_begun)


@contextlib.contextmanager
def running(
    *,
    engine: EngineName = "auto",
    remote: str | None = None,
    input_bytes: int = 0,
    wide_rows: bool = False,
) -> Iterator[SparkSession]:
    """Give the session to work with, and stop it at the end if it was started for this."""
    earlier = list(_started)
    spark = session(engine=engine, remote=remote, input_bytes=input_bytes, wide_rows=wide_rows)
    try:
        with explaining_lost_engine():
            yield spark
    finally:
        if spark not in earlier:
            stop(spark)


@contextlib.contextmanager
def explaining_lost_engine() -> Iterator[None]:
    """Say in plain words that an embedded server is gone, or out of memory, whatever that led to.

    The session of one that is gone is stopped, so that the next one asked for is a new one.

    Raises
    ------
    EngineError : "engine_lost", "out_of_memory"
    """
    try:
        yield
    except Exception as error:
        # What clients get from connections that end
        is_cut_off = "UNAVAILABLE" in str(error) or "Socket closed" in str(error)
        patience_s = _GONE_S if is_cut_off else 0.0
        for spark, server in list(_started.items()):
            if server is not None and server.has_ended_within(patience_s):
                lost = _engine_lost(server)
                stop(spark)
                raise lost from error
            if server is not None and _OUT_OF_MEMORY in str(error):
                raise _out_of_memory(server) from error
        raise


def _out_of_memory(server: embedded.Server) -> EngineError:
    expected = f"queries that fit into {server.memory_mib} MiB, half of the memory"
    hint = f"{_LESS_MEMORY}{_GOES_ON}"
    return EngineError("out_of_memory", "Sail", expected, Shown("one that does not"), hint)


def stop(session: SparkSession) -> None:
    """Stop a session that `session` started; leave any other as it is."""
    if session not in _started:
        return
    server = _started.pop(session)
    if server is None:
        session.stop()
        return
    from lakewinnow.spark.sail import channel

    channel.stop(session, is_there=server.is_alive)
    server.stop()
    os.environ.pop(_CONNECT_MODE, None)  # the next session may be one of a JVM


def _engine_lost(server: embedded.Server) -> EngineError:
    lacked = "probably out of memory" if server.may_have_lacked_memory else ""
    how = ", ".join(filter(None, [f"one that {server.how_it_ended()}", lacked]))
    expected = "a server that lives as long as the run"
    got = Shown(f"{how}; its log is {server.log}")
    hint = f"{_LESS_MEMORY if lacked else ''}{_GOES_ON}"
    return EngineError("engine_lost", "Sail", expected, got, hint)


def local_settings(scratch: Path, input_bytes: int = 0) -> dict[str, str]:
    """Return the Spark settings of a local driver that keeps its files in `scratch`.

    Parameters
    ----------
    input_bytes : size of what is to be worked on; 0: not known
    """
    heap = os.environ.get("SPARK_DRIVER_MEMORY") or f"{_heap_bytes(input_bytes) >> 20}m"
    log4j = Path(__file__).with_name("log4j2.properties").as_uri()  # a space is %20 in a URI
    options = (
        "-XX:-UsePerfData",  # no hsperfdata folder in /tmp
        f"-Dlog4j2.configurationFile={log4j}",
        f'"-Djava.io.tmpdir={scratch}"',
    )
    return {
        "spark.driver.memory": heap,
        "spark.driver.defaultJavaOptions": " ".join(options),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        CALL_SITES: "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # It makes a job of every shuffle, and waits for it before it plans the rest. With as many
        # partitions as cores there is little to gain by that.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # INT96 loses the zone
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(usable_cores()),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }


def local_environment(scratch: Path, found: java.Java | None = None) -> dict[str, str]:
    """Return the environment of a local driver, with a JAVA_HOME for it made in `scratch`.

    Parameters
    ----------
    found : what it runs on; default: `java.find`'s
    """
    home = scratch / "java"
    found = found or java.find()
    java.write_launcher(found, home)
    return {
        "JAVA_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def scratch_folder() -> Path:
    """Make a folder for one driver's temporary files, removed when this process ends."""
    scratch = Path(tempfile.mkdtemp(prefix="lakewinnow-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return scratch


def _active() -> SparkSession | None:
    with contextlib.suppress(PySparkRuntimeError):  # there is none
        return SparkSession.active()
    return None


def _start(app_name: str, input_bytes: int) -> SparkSession:
    if is_remote_only():
        expected = "all of PySpark, for Spark on this machine"
        hint = "pip uninstall pyspark-client, then pip install 'lakewinnow[java]'"
        raise EngineError("no_spark", "engine", expected, Shown("its client alone"), hint)
    os.environ.pop(_CONNECT_MODE, None)  # of a process with a session of Sail, which started this
    scratch = scratch_folder()
    found = java.find()
    environment = local_environment(scratch, found)
    builder = SparkSession.builder.appName(app_name).master(f"local[{usable_cores()}]")
    for key, value in local_settings(scratch, input_bytes).items():
        builder = builder.config(key, value)
    try:
        with _environment(environment):
            started = builder.getOrCreate()
    except PySparkException as error:
        expected, got = "a local session that starts", Shown(str(error))
        hint = "`lakewinnow doctor` says what is missing on this machine"
        raise EngineError("spark_not_started", "Spark", expected, got, hint) from error
    except BaseException:
        # Ctrl-C, say. A JVM that has lost Spark's Python before they met would live on; one that
        # they share, and a second attempt in this process would need, ends with this process.
        from pyspark import SparkContext

        if SparkContext._gateway is None:  # noqa: SLF001
            java.kill_launched(Path(environment["JAVA_HOME"]))
        raise
    _end_on_interrupt()
    _keep_accumulators_quiet(started)
    _started[started] = None
    return started


def _keep_accumulators_quiet(started: SparkSession) -> None:
    """Have PySpark's thread for accumulators print no traceback when the Java process is gone.

    What goes on in this process then ends in an error that says so.
    """
    server = getattr(started.sparkContext, "_accumulatorServer", None)
    if server is not None:
        server.handle_error = lambda *_: None


def _end_on_interrupt() -> None:
    """Make Ctrl-C a KeyboardInterrupt even where cancelling the jobs fails, as in Spark 4.0."""
    cancel_jobs = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        try:
            if callable(cancel_jobs):
                cancel_jobs(number, frame)
        finally:
            raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)


def _connect(app_name: str, remote: str) -> SparkSession:
    _knock(remote)
    try:
        connected = SparkSession.builder.remote(remote).appName(app_name).getOrCreate()
    except PySparkException as error:
        raise _not_reached(remote, error) from error
    _started[connected] = None
    return connected


def _takes_sail(input_bytes: int) -> bool:
    """Decide for ``auto``.

    Raises
    ------
    EngineError : "no_engine"
    """
    why_not = embedded.why_not()
    if why_not is None and (why_not := embedded.not_private()) is None:
        most = max(0, memory_bytes() - _SAIL_BYTES) // _SAIL_BYTES_PER_BYTE
        if input_bytes <= most:
            return True
        size = f"the input has {input_bytes >> 20} MiB; on this machine Sail takes {most >> 20} MiB"
        if _has_java():
            _LOG.warning("Spark runs this, not Sail: %s (--engine sail does it anyway)", size)
            return False
        _LOG.warning(
            "Sail runs this, since there is no Java for Spark, but may lack memory: %s. "
            "pip install 'lakewinnow[java]' brings Java",
            size,
        )
        return True
    if not _has_java():
        hint = (
            "pip install 'lakewinnow[sail]', or install Java, which "
            "pip install 'lakewinnow[java]' does, too"
        )
        got = Shown(f"neither: {why_not}, and no Java was found")
        raise EngineError("no_engine", "engine", "Sail, or Java for Spark", got, hint)
    if find_spec("pysail") is not None:
        _LOG.warning("Spark runs this, not Sail: %s", why_not)
    return False


def _has_java() -> bool:
    try:
        java.find()
    except EngineError:
        return False
    return True


def _start_sail(app_name: str, *, wide_rows: bool) -> SparkSession:
    if (why_not := embedded.why_not()) is not None:
        hint = "pip install 'lakewinnow[sail]', or --engine spark"
        raise EngineError("no_sail", "engine", "sail, where it can run", Shown(why_not), hint)
    server = _begun.pop().result() if _begun else _new_server(wide_rows=wide_rows)
    os.environ[_CONNECT_MODE] = "1"  # what makes a column one of Spark Connect's, not of a JVM's
    try:
        from lakewinnow.spark.sail import channel

        started: SparkSession = channel.connect(server.target, app_name)
    except BaseException:
        del os.environ[_CONNECT_MODE]
        server.stop()
        raise
    _started[started] = server
    return started


def _new_server(*, wide_rows: bool) -> embedded.Server:
    return embedded.Server(n_cores=usable_cores(), memory_bytes=_heap_bytes(), wide_rows=wide_rows)


def _end_begun() -> None:
    """End a server that was begun, and that nobody wanted."""
    for server in _begun:
        if server.done() and server.exception() is None:  # else it ends with its standard input
            server.result().stop()
    _begun.clear()


def _knock(remote: str) -> None:
    """Find out in seconds that nobody is there: the client itself retries for ten minutes."""
    if not remote.startswith("sc://"):
        raise _not_reached(remote, "no sc:// address")
    host, _, port = remote.removeprefix("sc://").split("/")[0].rpartition(":")
    if not port.isdecimal():
        host, port = f"{host}:{port}".removeprefix(":"), str(_CONNECT_PORT)
    if getproxies():
        return  # the client goes through the proxy, a plain connection would not
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_S).close()
    except TimeoutError as error:
        raise _not_reached(remote, f"no answer in {_CONNECT_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise _not_reached(remote, error) from error


def _not_reached(remote: str, why: object) -> EngineError:
    hint = "give its address as sc://HOST:PORT, and see that it runs"
    return EngineError("spark_not_reached", remote, "a Spark Connect server", Shown(str(why)), hint)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for as long as the JVM needs to read them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _heap_bytes(input_bytes: int = 0) -> int:
    """Half of the memory, since the Python workers need theirs; 1 to 16 GiB.

    Java takes all that it may, needed or not, so less for an input that is known to be small.
    """
    half = min(max(memory_bytes() // 2, _GIB), 16 * _GIB)
    if not input_bytes:
        return half
    return min(half, max(_LEAST_HEAP, input_bytes * _HEAP_BYTES_PER_BYTE))
