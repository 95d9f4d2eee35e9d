"""Threads: as many as a task may have."""

import os

import pytest

from lakewinnow.embedding.local import threads
from lakewinnow.spark.sessions.machine import usable_cores

VARIABLES = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that what the test sets is undone
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_plain_process_has_all_cores():
    assert threads.limit() == usable_cores()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_worker_of_spark_has_those_of_its_task(environment, n_threads):
    environment.setenv("OMP_NUM_THREADS", str(n_threads))
    assert threads.limit() == n_threads
    parallel = "false" if n_threads == 1 else "true"
    assert [os.environ[name] for name in VARIABLES[1:]] == [str(n_threads), parallel]


def test_what_the_user_set_stays(environment):
    environment.setenv("TOKENIZERS_PARALLELISM", "false")
    assert threads.limit(2) == 2
    assert [os.environ[name] for name in VARIABLES] == ["2", "2", "false"]
