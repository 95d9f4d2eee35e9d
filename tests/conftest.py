"""Tests that ask for `spark` run twice, on classic Spark and on Spark Connect; the others once."""

import contextlib
import os
import zlib
from pathlib import Path

import pytest

from connect import connect_server
from lakewinnow.spark.session import session, stop

os.environ["LAKEWINNOW_JAVA_ARCHIVE"] = "off"  # no run of a test has one made for its user

KINDS = ("classic", "connect")
_SHARES = 4  # of files that CI runs once: the process of one, classic, has all other tests, too


def pytest_addoption(parser):
    parser.addoption(
        "--once",
        action="store_true",
        help="run each test with a session on one kind of it, which its file decides",
    )
    parser.addoption(
        "--slow",
        action="store_true",
        help="run the tests marked as slow, too, which CI has no time for",
    )
    parser.addoption(
        "--spark",
        choices=KINDS,
        default="classic",
        help="the kind of session behind the fixture `spark`; with connect, only its tests run",
    )


def pytest_collection_modifyitems(config, items):
    chosen = [item for item in items if _is_wanted(item, config)]
    left_out = set(items) - set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = chosen


def _is_wanted(item, config):
    """Whether a test is for this kind of session: of those with a session, CI runs each on one."""
    if item.get_closest_marker("slow") and not config.getoption("slow"):
        return False
    kind = config.getoption("spark")
    if "spark" not in getattr(item, "fixturenames", ()) or item.get_closest_marker("classic_only"):
        return kind == "classic"
    in_file = zlib.crc32(item.path.relative_to(config.rootpath).as_posix().encode())
    return not config.getoption("once") or kind == KINDS[in_file % _SHARES > 0]


def pytest_report_header(config):
    slow = "run, too" if config.getoption("slow") else "left out (--slow runs them)"
    return f"spark: {config.getoption('spark')}; slow tests: {slow}"


@pytest.fixture(scope="session")
def spark(request):
    """A session on this machine, as `lakewinnow run` starts it."""
    tests = Path(__file__).parent
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        # Workers import what tests define: from tests.stages.test_x, or a helper in tests/.
        folders = (tests.parent / "lib", tests.parent, tests)  # this checkout's package, too
        environment.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))
        remote = None
        if request.config.getoption("spark") == "connect":
            remote = stack.enter_context(connect_server())
        started = session("tests", engine="spark", remote=remote)
        # Small tables: compiling a stage of a query takes longer than running it.
        started.conf.set("spark.sql.codegen.wholeStage", "false")
        yield started
        stop(started)
