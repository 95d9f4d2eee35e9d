"""A server begun before its session is asked for: it is the session's, or ends unused."""

import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from lakewinnow.spark.sail import embedded

pytestmark = [
    pytest.mark.skipif(find_spec("pysail") is None, reason="needs pysail"),
    pytest.mark.skipif(embedded.why_not() is not None, reason="pysail does not take this PySpark"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at Linux's /proc"),
]
PATIENCE_S = 20.0
BEGUN = """
import os
from lakewinnow.spark.sessions import session
from pathlib import Path

def children():
    stats = (path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat"))
    return [head.split()[0] for head, _, tail in stats if int(tail.split()[1]) == os.getpid()]

session.begin(engine=ENGINE)
session.begin(engine=ENGINE)
"""


def run(script, engine):
    """Run in a process of its own; return what it prints."""
    code = BEGUN.replace("ENGINE", repr(engine)) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def is_gone(pid):
    end = time.monotonic() + PATIENCE_S
    while Path("/proc", pid).exists() and time.monotonic() < end:
        time.sleep(0.1)
    return not Path("/proc", pid).exists()


def test_a_session_takes_what_was_begun():
    n, *servers = run(
        """
        spark = session.session(engine="sail")
        print(spark.range(7).count(), *children())
        session.stop(spark)
        """,
        "auto",
    )
    assert (n, len(servers)) == ("7", 1)
    assert is_gone(servers[0])


@pytest.mark.parametrize("wait", ["session._begun[0].result()", "pass"])
def test_what_nobody_wants_ends_with_the_process(wait):
    script = f"""
    {wait}
    while not children():
        pass
    print(*children())
    """
    [server] = run(script, "sail")
    assert is_gone(server)


def test_a_server_that_cannot_start_is_the_sessions_error():
    said = run(
        """
        session.embedded.Server.__init__ = lambda *_, **__: 1 / 0
        session._begun.clear()
        session.begin(engine="sail")
        try:
            session.session(engine="sail")
        except ZeroDivisionError:
            print("raised")
        """,
        "spark",
    )
    assert said == ["raised"]


def test_nothing_is_begun_where_spark_is_wanted():
    assert run("print(len(session._begun), len(children()))", "spark") == ["0", "0"]


def test_nothing_is_begun_where_a_session_is_there():
    said = run(
        """
        spark = session.session(engine="sail")
        session.begin(engine="sail")
        print(len(session._begun), len(children()))
        session.stop(spark)
        """,
        "spark",
    )
    assert said == ["0", "1"]
