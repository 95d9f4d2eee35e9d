"""Spark, here and on a cluster: processes that are killed, and tasks that are tried again.

A cluster does again what an executor or a worker was at when it ended, and makes a second attempt
at what takes long; local Spark ends the run, and the next one goes on.
"""

import pytest

from builders import WITHOUT_CHECKS, read_rows, text_key
from embedding.openai.fault_server import DIMENSIONS, FaultServer
from faults.cluster import cluster
from faults.places import LOST, N_ROWS, Place, write_input
from lakewinnow.errors import EngineError
from lakewinnow.spark.sessions import java


def _has_java():
    try:
        java.find()
    except EngineError:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _has_java(), reason="there is no Java"),
]
TRIED_AGAIN = ("fail_after_writing", "stall_after_writing")
SMALL = {"checks": WITHOUT_CHECKS, "crossval": {"folds": 2}, "export": {}}


@pytest.fixture(scope="module")
def spark_cluster():
    with cluster() as address:
        yield address


def new_place(folder, engine, **sections):
    """Return a place where nothing has run yet."""
    folder.mkdir()
    place = Place(folder, engine)
    write_input(place.input, N_ROWS, seed=2)
    place.configure(**SMALL, **sections)
    return place


def test_a_worker_of_local_spark_that_is_killed(tmp_path, counts):
    undisturbed, place = (new_place(tmp_path / name, "spark") for name in ("undisturbed", "place"))
    undisturbed.succeed()
    done = place.run("kill_worker", "crossval", "before")
    assert done.returncode in {0, LOST}  # it may have been idle
    counts["kill worker of Spark"] += done.stderr.count("done: kill_worker")
    place.succeed()
    place.check_the_same(undisturbed)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, spark_cluster):
    """A place where a run on the cluster was not disturbed."""
    place = new_place(tmp_path_factory.mktemp("undisturbed") / "place", spark_cluster)
    place.succeed()
    return place


@pytest.mark.parametrize("fault", ["kill_executor", "kill_worker"])
def test_a_process_of_a_cluster_that_is_killed_at_every_stage(
    spark_cluster, undisturbed, tmp_path, counts, fault
):
    place = new_place(tmp_path / "place", spark_cluster)
    done = place.succeed(fault, "each", "before")
    n_killed = done.stderr.count(f"done: {fault}")
    assert n_killed > 1
    counts[f"{fault.replace('_', ' ')} of a cluster"] += n_killed
    place.check_the_same(undisturbed)


@pytest.mark.parametrize("fault", TRIED_AGAIN)
def test_tasks_that_are_tried_again_after_they_wrote(
    spark_cluster, undisturbed, tmp_path, counts, fault
):
    place = new_place(tmp_path / "place", spark_cluster)
    place.succeed(fault)
    counts[fault.replace("_", " ")] += 1
    place.check_the_same(undisturbed)


@pytest.mark.parametrize("fault", TRIED_AGAIN)
def test_a_task_that_is_tried_again_after_it_paid_pays_for_one_chunk_again(
    spark_cluster, tmp_path, counts, fault
):
    with FaultServer() as server:
        service = {"base_url": server.url, "price_per_million_tokens": 1.0}
        embedding = {"provider": "openai", "model": "m", "dimensions": DIMENSIONS}
        place = new_place(
            tmp_path / "place",
            spark_cluster,
            embedding={**embedding, "openai": service},
            input={"embedding": None},
        )
        place.succeed(fault, "", "", "--until=embed")
    n_again = sum(n == 2 for n in server.paid.values())
    assert set(server.paid.values()) == {1, 2}
    assert n_again < 0.75 * len(server.paid)  # of two tasks one
    counts[f"{fault.replace('_', ' ')}, and paid"] += 1
    stored = read_rows(place.root, "embeddings")
    assert {row["text_key"] for row in stored} == set(map(text_key, server.paid))
    assert len(stored) == len(server.paid)
