"""Tests that ask for `spark` run on Sail, classic Spark and Spark Connect; the others once."""

import contextlib
import functools
import importlib.util
import json
import os
import re
import signal
import time
import zlib
from pathlib import Path

import hypothesis
import pytest

from builders import USERS_CODE, assert_keeps_the_contracts, lake_in, sample_run
from connect import connect_server, set_compiling
from lakewinnow import figures
from lakewinnow.config import file, schema
from lakewinnow.lake.files import Files
from lakewinnow.plan.registry import other_checks
from lakewinnow.spark.sessions.session import session, stop
from lakewinnow.typed_json import to_json

# What is started in the background of a shell ignores Ctrl-C, and so would the runs of tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A landing is not to depend on chance: elsewhere the examples are new ones in every run.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

FIGURES = Path(figures.__file__).parent
ENGINES = ("sail", "classic", "connect")
SPARK = ENGINES[1:]
_SHARES = 6  # of the files, of which one has its turn on Spark
_PARTS = {"core": ("core",), "servers": ("faults", "spark")}  # folders of tests without `spark`


def _also_by_the_schema(parse):
    """Return the loader, that the JSON Schema takes what it takes being tested by the way."""
    import jsonschema

    @functools.cache
    def validator(others):
        return jsonschema.Draft7Validator(schema.json_schema(others))

    def parse_config(raw):
        config = parse(raw)
        validator(other_checks(raw, [])).validate(to_json(raw))
        return config

    return parse_config


def _and_check_the_workspace(write_json):
    """Return what writes a file, and holds what a run ends with against schemas and contracts."""
    import jsonschema

    schemas = {f"{of}.json": _schema_of(of) for of in ("summary", "manifest")}

    def write(files, name, content):
        if name in schemas:
            jsonschema.Draft202012Validator(schemas[name]).validate(content)
        write_json(files, name, content)
        is_ours = name == "manifest.json" and content["config"]["output"]["format"] == "parquet"
        has_refused = files.exists(
            "refused"
        )  # rows of corpus/, which the checker takes for accepted
        if is_ours and not has_refused and "://" not in files.root:
            assert_keeps_the_contracts(files.root)

    return write


def _schema_of(name):
    return json.loads(FIGURES.joinpath(f"{name}.schema.json").read_text(encoding="utf-8"))


if importlib.util.find_spec("jsonschema"):
    file.parse_config = _also_by_the_schema(file.parse_config)
    Files.write_json = _and_check_the_workspace(Files.write_json)


def pytest_addoption(parser):
    parser.addoption(
        "--engine",
        choices=ENGINES,
        default="sail" if importlib.util.find_spec("pysail") else "classic",
        help="what is behind the fixture `spark` (default: Sail, where it is installed)",
    )
    parser.addoption(
        "--turn",
        type=int,
        help="on Spark, run the tests of those files alone whose turn it is: of this number's",
    )
    parser.addoption(
        "--part",
        choices=("sessions", *_PARTS, "others"),
        help="run the tests that ask for `spark`, or of the others those of core, those that start "
        "and kill servers and commands, or the rest",
    )
    parser.addoption(
        "--slow",
        action="store_true",
        help="run the tests marked as slow, too, which CI has no time for",
    )
    parser.addoption("--seconds", type=Path, help="a file to add the seconds of each test to")


def pytest_collection_modifyitems(config, items):
    chosen = [item for item in items if _is_wanted(item, config)]
    left_out = set(items) - set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = chosen


def pytest_ignore_collect(collection_path, config):
    """Leave out files of other parts of the tests: imports take long."""
    part = config.getoption("part")
    if part is None or not collection_path.match("test_*.py"):
        return None
    if part == "sessions":
        return None if _names_a_session(collection_path) else True
    return None if part == _part_of(collection_path, config) else True


def _part_of(path, config):
    """Return the part that a file's tests are which do not ask for a session."""
    area = path.relative_to(config.rootpath / "tests").parts[0]
    return next((part for part, areas in _PARTS.items() if area in areas), "others")


@functools.cache
def _names_a_session(path):
    return re.search(r"\b(spark|sample|lake)\b", path.read_text()) is not None  # fixtures


def _is_wanted(item, config):
    slow = ["slow"] if config.getoption("engine") == "sail" else ["slow", "slow_on_spark"]
    if _has_any(item, *slow) and not config.getoption("slow"):
        return False
    part = config.getoption("part")
    if "spark" not in getattr(item, "fixturenames", ()):
        return part in (None, _part_of(item.path, config))
    if part not in (None, "sessions"):
        return False
    if not _names_a_session(item.path):
        raise pytest.UsageError(f"{item.nodeid}: a fixture that leads to a session has a new name")
    engine = config.getoption("engine")
    if engine == "sail":
        return not _has_any(item, "spark_only", "classic_only")
    if _has_any(item, "sail_only"):
        return False
    if _has_any(item, "whole_run", "classic_only") and engine != "classic":
        return False
    return _has_turn(item, config)


def _has_any(item, *marks):
    return any(item.get_closest_marker(name) for name in marks)


def _has_turn(item, config):
    """Whether it is the turn of a test's file: in twelve numbers, once on each kind of Spark."""
    turn = config.getoption("turn")
    of_file = zlib.crc32(item.path.relative_to(config.rootpath).as_posix().encode())
    return turn is None or (of_file + turn // len(SPARK)) % _SHARES == 0


def pytest_report_header(config):
    slow = "run, too" if config.getoption("slow") else "left out (--slow runs them)"
    return f"engine: {config.getoption('engine')}; slow tests: {slow}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Note how long a test takes, its fixtures too."""
    started = time.monotonic()
    try:
        return (yield)
    finally:
        seconds = item.config.getoption("seconds")
        if seconds is not None:
            area = item.path.relative_to(item.config.rootpath / "tests").parts[0]
            with seconds.open("a") as file:
                took = time.monotonic() - started
                file.write(f"{item.config.getoption('engine')}\t{area}\t{took:.3f}\n")


@pytest.fixture(scope="session")
def spark(request):
    """A session on this machine, as `lakewinnow run` starts it."""
    engine = request.config.getoption("engine")
    tests = Path(__file__).parent
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        # Workers import what tests define, from tests.stages.test_x or a helper in tests/, and the
        # package of this checkout. Sail's server has the path of this process.
        for folder in (USERS_CODE, tests, tests.parent, tests.parent / "lib"):
            environment.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        environment.syspath_prepend(tests.parent)
        environment.syspath_prepend(USERS_CODE)
        remote = stack.enter_context(connect_server()) if engine == "connect" else None
        started = session("tests", engine="sail" if engine == "sail" else "spark", remote=remote)
        if engine != "sail":
            set_compiling(started, compiles=False)
        yield started
        stop(started)


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path / "workspace")


@pytest.fixture(scope="session")
def sample(spark):
    """The workspace of a run over the bundled sample. Only to be read."""
    return sample_run(spark)[1].workspace
