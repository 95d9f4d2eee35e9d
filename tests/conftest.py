"""Tests that ask for `spark` run twice, on classic Spark and on Spark Connect; the others once."""

import contextlib
import os
from pathlib import Path

import pytest

from connect import connect_server
from lakewinnow.spark.session import session, stop


def pytest_addoption(parser):
    parser.addoption(
        "--spark",
        choices=["classic", "connect"],
        default="classic",
        help="the kind of session behind the fixture `spark`; with connect, only its tests run",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("spark") == "classic":
        return
    chosen = [item for item in items if "spark" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_report_header(config):
    return f"spark: {config.getoption('spark')}"


@pytest.fixture(scope="session")
def spark(request):
    """A session on this machine, as `lakewinnow run` starts it."""
    tests = Path(__file__).parent
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        # Workers import what tests define: from tests.stages.test_x, or a helper in tests/.
        environment.setenv("PYTHONPATH", f"{tests.parent}{os.pathsep}{tests}")
        remote = None
        if request.config.getoption("spark") == "connect":
            remote = stack.enter_context(connect_server())
        started = session("tests", remote=remote)
        # Small tables: compiling a stage of a query takes longer than running it.
        started.conf.set("spark.sql.codegen.wholeStage", "false")
        yield started
        stop(started)
