"""Workers without an engine, forked and not; `test_functions` has them behind a Sail server."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from lakewinnow.cli import _in_plain_words, _last_line
from lakewinnow.errors import DataError
from lakewinnow.spark.sail import workers
from lakewinnow.spark.sail.workers import Outsourced, Pool, PythonWorkerError

N_KEPT = 2
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(workers.__file__).parents[3])}
LINUX = sys.platform == "linux"

both_ways = pytest.mark.parametrize(
    "pool",
    [pytest.param(True, marks=pytest.mark.skipif(not LINUX, reason="not safe here")), False],
    indirect=True,
    ids=["forked", "started"],
)
linux = pytest.mark.skipif(not LINUX, reason="no workers are forked here")


@pytest.fixture
def pool(request, monkeypatch):
    made = Pool(N_KEPT, can_fork=getattr(request, "param", LINUX))
    monkeypatch.setattr(workers, "_pool", made)
    yield made
    made.close()


def batch(*values):
    return pa.record_batch({"x": pa.array(values, pa.int64())})


def batches(n):
    return [batch(i) for i in range(n)]


def values(found):
    return [value for each in found for value in each.column(0).to_pylist()]


def of_batches(function):
    """A function that pickles by value: a worker does not find the tests' modules."""
    return Outsourced.of(partial(_mapped, function=function, batch=batch))


def process_ids():
    return of_batches(lambda _: os.getpid())


def _mapped(given, function, batch):
    for each in given:
        yield batch(function(each))


_mapped.__module__ = batch.__module__ = "__main__"  # by value, too


@pytest.mark.usefixtures("pool")
@both_ways
def test_a_function_runs_in_a_worker():
    [here] = values(process_ids().on_batches(batches(1)))
    assert here != os.getpid()
    assert values(process_ids().on_batches(batches(3))) == [here] * 3


def test_without_a_pool_a_function_runs_here():
    assert values(process_ids().on_batches(batches(1))) == [os.getpid()]
    assert Outsourced.of(lambda x: x).on_values(batch(1)) == batch(1)


@pytest.mark.usefixtures("pool")
def test_tables_and_arrays_are_given_and_returned():
    one, other = pa.table({"x": [1, 2]}), pa.table({"y": ["a"]})
    assert Outsourced.of(lambda *tables: tables[1]).on_values(one, other) == other
    array = pa.array(["a", None])
    assert Outsourced.of(lambda array, _: array).on_values(array, array) == array
    assert Outsourced.of(lambda table: table.slice(0, 0)).on_values(one) == one.slice(0, 0)


@pytest.mark.usefixtures("pool")
def test_input_is_asked_for_when_it_is_wanted():
    asked = []

    def rows():
        for each in batches(5):
            asked.append(each["x"][0].as_py())
            yield each

    found = of_batches(lambda each: each["x"][0].as_py()).on_batches(rows())
    assert asked == []
    next(found)
    assert asked == [0]
    next(found)
    assert asked == [0, 1]
    assert values(found) == [2, 3, 4]


@pytest.mark.usefixtures("pool")
def test_a_function_may_return_more_and_less_than_it_gets():
    def repeated(given):
        for each in list(given):
            yield from [each] * 3

    assert values(Outsourced.of(repeated).on_batches(batches(2))) == [0, 0, 0, 1, 1, 1]
    assert values(Outsourced.of(lambda _: []).on_batches(batches(2))) == []
    assert values(Outsourced.of(lambda given: [next(given)]).on_batches(batches(2))) == [0]
    assert values(Outsourced.of(lambda given: given).on_batches([])) == []


@pytest.mark.usefixtures("pool")
def test_a_worker_is_used_again_and_the_one_that_ran_the_function_first():
    ids, others = process_ids(), of_batches(lambda _: -os.getpid())
    running, other = ids.on_batches(batches(1)), others.on_batches(batches(1))
    [one], [two] = values([next(running)]), values([next(other)])
    assert one != -two
    assert values(running) == values(other) == []  # `other` is given back last
    assert values(ids.on_batches(batches(1))) == [one]
    assert values(others.on_batches(batches(1))) == [two]


def test_as_many_run_as_are_called_and_few_are_kept(pool):
    n = N_KEPT + 2
    barrier_reached = threading.Barrier(n)

    def call(_):
        running = process_ids().on_batches(batches(2))
        found = values([next(running)])
        barrier_reached.wait(timeout=30)
        return found + values(running)

    with ThreadPoolExecutor(n) as threads:
        found = list(threads.map(call, range(n)))
    assert len({one for one, _ in found}) == n
    assert all(one == other for one, other in found)
    assert len(pool._idle) == N_KEPT


@pytest.mark.usefixtures("pool")
def test_functions_that_read_each_other_do_not_wait_for_ever():
    add = of_batches(lambda each: each["x"][0].as_py() + 1)
    found = batches(3)
    for _ in range(N_KEPT + 2):
        found = add.on_batches(found)
    assert values(found) == [N_KEPT + 2, N_KEPT + 3, N_KEPT + 4]


@pytest.mark.usefixtures("pool")
@both_ways
@pytest.mark.parametrize("n_taken", [1, 2])
def test_closed_early_a_function_is_closed_and_its_worker_is_free(tmp_path, n_taken):
    def noting(given):
        try:
            yield from given
        finally:
            (tmp_path / "closed").write_text(f"{os.getpid()}")

    running = Outsourced.of(noting).on_batches(batches(5))
    for _ in range(n_taken):
        next(running)
    running.close()
    [here] = values(process_ids().on_batches(batches(1)))
    assert (tmp_path / "closed").read_text() == f"{here}"


def test_a_fault_in_the_input_closes_the_function_and_is_raised(pool):
    def rows():
        yield batch(7)
        raise OSError("the disk is gone")

    def catching(given):
        try:
            yield from given
        except Exception:  # noqa: BLE001 - what this function meets is none
            yield batch(0)

    running = Outsourced.of(catching).on_batches(rows())
    assert next(running) == batch(7)
    with pytest.raises(OSError, match="the disk is gone"):
        next(running)
    assert len(pool._idle) == 1


def test_what_a_function_raises_is_told_as_spark_tells_it(pool):
    def fails(_):
        raise DataError("ragged", "column x", "3 numbers", 2)

    with pytest.raises(PythonWorkerError) as raised:
        list(of_batches(fails).on_batches(batches(1)))
    assert "in fails" in str(raised.value)
    line = "column x: expected 3 numbers, got 2"
    assert _last_line(raised.value)[:2] == (DataError.exit_code, line)
    assert len(pool._idle) == 1  # the worker is as good as before


@pytest.mark.usefixtures("pool")
def test_what_is_no_arrow_data_is_an_error_that_says_so():
    with pytest.raises(PythonWorkerError, match="TypeError: expected Arrow data, got int"):
        Outsourced.of(lambda _: 3).on_values(pa.array([1]))


@both_ways
def test_a_killed_worker_is_told_and_replaced(pool):
    def kill(_):
        os.kill(os.getpid(), 9)

    with pytest.raises(PythonWorkerError) as raised:
        list(of_batches(kill).on_batches(batches(1)))
    assert _in_plain_words(raised.value) is not None
    [here] = values(process_ids().on_batches(batches(1)))
    os.kill(here, signal.SIGKILL)  # while it is idle
    _wait_until(lambda: not pool._idle[0].channel.is_open())
    assert values(process_ids().on_batches(batches(1))) != [here]


@linux
def test_what_forks_workers_is_replaced(pool):
    parent = of_batches(lambda _: os.getppid())
    [here] = values(parent.on_batches(batches(1)))
    os.kill(here, signal.SIGKILL)
    pool._starter._process.wait()
    time.sleep(0.1)  # its workers end with it
    [there] = values(parent.on_batches(batches(1)))
    assert there != here


@pytest.mark.usefixtures("pool")
def test_a_large_function_pushes_out_those_before_it():
    small = Outsourced.of(lambda array: array)
    block = bytes(1 << 24)
    large = Outsourced.of(lambda array: pa.array([len(block)] * len(array)))
    array = pa.array([1, 2])
    for _ in range(2):
        assert small.on_values(array) == array
        assert large.on_values(array).to_pylist() == [1 << 24] * 2


def test_a_worker_has_the_environment_of_an_executor(monkeypatch):
    names = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # the user knows better
    pool = Pool(N_KEPT)
    monkeypatch.setattr(workers, "_pool", pool)
    found = Outsourced.of(lambda _: pa.array([os.environ[name] for name in names]))
    assert found.on_values(pa.array([1])).to_pylist() == ["3", "1", "1"]
    pool.close()


PRINTS = """
import pyarrow as pa
from lakewinnow.spark.sail import workers
from lakewinnow.spark.sail.workers import Outsourced

workers.start(1)
Outsourced.of(lambda array: print("a word", flush=True) or array).on_values(pa.array([1]))
workers._pool.close()
"""


def test_what_a_function_prints_goes_where_errors_go():
    ran = subprocess.run(
        [sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    assert (ran.stdout, ran.stderr) == ("", "a word\n")


SERVER = """
import os, threading, time, pyarrow as pa
from lakewinnow.spark.sail import workers
from lakewinnow.spark.sail.workers import Outsourced

workers.start(2)

def ids(given):
    yield pa.record_batch({"x": [os.getpid(), os.getppid()]})
    if next(given)["x"][0].as_py():
        time.sleep(1000)

rows = [pa.record_batch({"x": [0]}), pa.record_batch({"x": [1]})]
idle = Outsourced.of(ids).on_batches(rows[:1])
busy = Outsourced.of(ids).on_batches(rows[1:])
found = [next(each)["x"].to_pylist() for each in (idle, busy)]
threading.Thread(target=lambda: list(busy), daemon=True).start()
assert list(idle) == []
print(*sum(found, []), flush=True)
time.sleep(1000)
"""


@linux
def test_workers_end_with_their_server_however_it_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=ENVIRONMENT,
        text=True,
    ) as server:
        ids = set(map(int, server.stdout.readline().split()))
        assert len(ids) == 3  # two workers and what forked them
        assert all(Path(f"/proc/{one}").exists() for one in ids)
        server.kill()
    _wait_until(lambda: not any(map(_is_alive, ids)))
    assert list(tmp_path.iterdir()) == []


def _wait_until(is_so, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def _is_alive(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except FileNotFoundError:
        return False
    return not state.startswith("Z")  # of one that nobody has waited for
