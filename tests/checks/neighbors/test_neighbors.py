"""Neighbours: those of a brute force search, whatever the slots; of a sample where it is large."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from builders import corpus_row, lake_in, make_commit, make_table, read_rows, read_table, text_key
from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.config.sections import EmbeddingConfig, NeighborsConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import EngineError
from lakewinnow.lake.vectors.embedding_store import EMBEDDINGS
from lakewinnow.typed_json import to_json

N_TEXTS, N_COLUMNS, K = 50, 6, 4
COPIES = np.array([2 if i % 7 == 0 else 1 for i in range(N_TEXTS)])
COPIES[3] = K + 2


def vectors():
    return np.random.default_rng(20240229).normal(size=(N_TEXTS, N_COLUMNS)).astype(np.float32)


TEXTS = np.repeat(np.arange(N_TEXTS), COPIES)  # of the rows, in the order of their ids


def workspace(spark, folder, stored=slice(None), labels=None, **source):
    """Put a corpus, in which some texts are repeated, and its vectors into a workspace."""
    lake = lake_in(spark, folder)
    labels = np.zeros(len(TEXTS), int) if labels is None else labels
    rows = [
        corpus_row(
            f"{i:03}", f"text {text}", int(labels[i]), **{k: v[i] for k, v in source.items()}
        )
        for i, text in enumerate(TEXTS)
    ]
    identity = vars(registry.identify(EmbeddingConfig()))
    embedded = [
        {"text_key": text_key(f"text {i}"), "vector": vector, **identity}
        for i, vector in enumerate(vectors().tolist())
    ]
    for part in (rows[1::2], rows[::2]):
        make_table(lake, "corpus", part)
    for part in (embedded[stored], embedded[:1]):  # two runs at once have stored one of them twice
        make_table(lake, "embeddings", part, EMBEDDINGS)
    make_commit(lake, "ingest", classes=list("abcd"))
    return lake


def found_by(lake, **options):
    report = neighbors.run(lake, EmbeddingConfig(), NeighborsConfig(k=K, **options))
    rows = {row["text_key"]: row for row in read_rows(lake.files.root, "checks/neighbors")}
    return report, [rows[text_key(f"text {i}")] for i in range(N_TEXTS)]


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    return workspace(spark, tmp_path_factory.mktemp("neighbors"))


def brute_force(reference):
    """Return, for each text, its nearest texts of some and their distances."""
    search = NearestNeighbors(n_neighbors=K + 1, metric="cosine").fit(vectors()[reference])
    distances, positions = search.kneighbors(vectors())
    nearest = []
    for i, (near, far) in enumerate(zip(reference[positions], distances, strict=True)):
        others = near != i
        nearest.append((near[others][:K], far[others][:K]))
    return nearest


def test_neighbours_are_those_of_a_brute_force_search_whatever_the_slots(lake, monkeypatch):
    report, rows = found_by(lake)
    for i, (row, (near, far)) in enumerate(zip(rows, brute_force(np.arange(N_TEXTS)), strict=True)):
        assert row["neighbors"] == [text_key(f"text {j}") for j in near]
        np.testing.assert_allclose(row["distances"], far, atol=1e-6)
        assert row["n_rows"] == COPIES[i]
        assert row["neighbor_rows"] == COPIES[near].tolist()
        assert row["in_reference"]
        others = np.repeat(np.append(0, row["distances"]), [COPIES[i] - 1, *COPIES[near]])
        assert row["mean_distance"] == pytest.approx(others[:K].mean(), abs=1e-12)
    assert rows[3]["mean_distance"] == 0
    assert to_json(report.figures) == {
        "k": K,
        "metric": "cosine",
        "texts": N_TEXTS,
        "reference_texts": N_TEXTS,
    }
    once = read_table(lake.files.root, "checks/neighbors").sort_by("text_key")
    monkeypatch.setattr(neighbors, "count_slots", lambda *_: 3)
    found_by(lake)
    again = read_table(lake.files.root, "checks/neighbors").sort_by("text_key")
    assert again.equals(once)


def test_of_more_texts_than_are_wanted_a_sample_is_what_all_are_compared_with(lake):
    report, rows = found_by(lake, max_reference_rows=20)
    index = {text_key(f"text {i}"): i for i in range(N_TEXTS)}
    reference = np.array(sorted({index[key] for row in rows for key in row["neighbors"]}))
    assert report.figures.reference_texts == 20 == len(reference)
    assert [i for i, row in enumerate(rows) if row["in_reference"]] == reference.tolist()
    for row, (near, far) in zip(rows, brute_force(reference), strict=True):
        assert [index[key] for key in row["neighbors"]] == near.tolist()
        np.testing.assert_allclose(row["distances"], far, atol=1e-6)


def test_a_vector_that_is_missing_is_said_to_be(spark, tmp_path):
    lake = workspace(spark, tmp_path / "lake", stored=slice(2, None))
    with pytest.raises(EngineError) as caught:
        found_by(lake)
    assert caught.value.code == "embedding_missing"


def test_slots_are_as_many_as_the_work_and_the_memory_of_a_task_ask_for():
    assert neighbors.count_slots(600, 600, 256) == 1
    assert neighbors.count_slots(100_000, 20_000, 256) == 8
    assert neighbors.count_slots(10**9, 20_000, 256) == 25_600
    assert neighbors.count_slots(10**6, 20_000, 1) == 10
    assert neighbors.count_slots(0, 0, 0) == 1
