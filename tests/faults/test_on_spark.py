"""A cluster of Spark: a task that fails after its work is done is tried again."""

import pytest

from builders import WITHOUT_CHECKS, read_rows, text_key
from embedding.openai.fault_server import DIMENSIONS, FaultServer
from faults.cluster import cluster
from faults.places import N_ROWS, Place, write_input
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


def test_a_task_that_is_tried_again_after_it_paid_pays_for_one_chunk_again(
    spark_cluster, tmp_path, counts
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
        place.succeed("fail_after_writing", "", "", "--until=embed")
    n_again = sum(n == 2 for n in server.paid.values())
    assert set(server.paid.values()) == {1, 2}
    assert n_again < 0.75 * len(server.paid)  # of two tasks one
    counts["task failed after it wrote and paid"] += 1
    stored = read_rows(place.root, "embeddings")
    assert {row["text_key"] for row in stored} == set(map(text_key, server.paid))
    assert len(stored) == len(server.paid)
