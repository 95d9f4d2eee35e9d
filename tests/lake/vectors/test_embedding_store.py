"""Vectors are kept by provider, model, size and text, and added once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructField, StructType

from builders import lake_in, make_commit, make_table
from lakewinnow.config.sections import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.lake.vectors.embedding_store import (
    EMBEDDINGS,
    VECTORS,
    EmbeddingStore,
    store_of,
    write_rows,
)

IDENTITY = EmbeddingIdentity("static", "m", 2)


def row(key, vector=(1.0, 0.0), **identity):
    return {"text_key": key, "vector": list(vector), **vars(replace(IDENTITY, **identity))}


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path)


@pytest.fixture
def store(lake):
    return EmbeddingStore(lake.spark, lake.files.path("embeddings"))


def keys(store, identity=IDENTITY):
    return sorted(bytes(key) for key, _ in store.vectors(identity).collect())


def test_a_store_that_was_never_filled_is_empty(store):
    assert not store.exists()
    assert (store.size(), keys(store)) == (0, [])


def test_what_is_added_comes_back_beside_what_was_there(lake, store):
    for key in (b"a", b"b"):
        store.append(lake.spark.createDataFrame([row(key)], EMBEDDINGS))
    assert keys(store) == [b"a", b"b"]
    assert store.vectors(IDENTITY).first()["vector"] == [1.0, 0.0]
    assert store.size() > 0


def test_a_text_that_two_runs_added_comes_once(lake, store):
    for _ in range(2):
        make_table(lake, "embeddings", [row(b"a"), row(b"b")], EMBEDDINGS)
    assert keys(store) == [b"a", b"b"]


@pytest.mark.parametrize("other", [{"provider": "p"}, {"model": "n"}, {"dimensions": 3}])
def test_vectors_of_another_identity_are_others(lake, store, other):
    make_table(lake, "embeddings", [row(b"a"), row(b"b", **other)], EMBEDDINGS)
    assert keys(store) == [b"a"]
    assert keys(store, replace(IDENTITY, **other)) == [b"b"]


def test_own_vectors_are_in_the_place_of_the_store(lake):
    make_commit(lake, "ingest", own_vectors=True)
    make_table(lake, "vectors", [{"text_key": b"a", "vector": [1.0]}], VECTORS)
    assert keys(store_of(lake, EmbeddingConfig(store="another"))) == [b"a"]


def test_the_store_is_the_workspaces_own_or_the_one_that_is_named(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = store_of(lake, EmbeddingConfig())
    named = store_of(lake, EmbeddingConfig(store="shared/vectors"))
    make_table(lake, "embeddings", [row(b"a")], EMBEDDINGS)
    make_table(lake, "shared/vectors", [row(b"b")], EMBEDDINGS)
    assert (keys(own), keys(named)) == ([b"a"], [b"b"])


MADE = ["text_key", "vector", "error_code", "error"]


def made(*rows):
    types = [EMBEDDINGS[name] for name in MADE]
    return pa.RecordBatch.from_pylist(
        [dict(zip(MADE, row, strict=True)) for row in rows],
        to_arrow_schema(StructType([StructField(f.name, f.dataType) for f in types])),
    )


def test_a_file_that_a_task_writes_is_read_as_what_spark_writes(store):
    batches = [
        made((b"a", [1.0, 0.5], None, None), (None, None, None, None)),
        made((b"b", None, "embedding_refused", "no")),
    ]
    with store.appending() as folder:
        [told] = write_rows(batches, IDENTITY, folder)
        assert store.data_files() == []
    assert told.to_pylist() == [dict.fromkeys(MADE)]
    assert keys(store) == [b"a"]
    [refused] = store.refused(IDENTITY).collect()
    assert tuple(refused) == (b"b", "embedding_refused", "no")
    assert store.rows().where("text_key = 'a'").first()["model"] == IDENTITY.model


def test_vectors_of_many_bytes_are_many_row_groups(store, monkeypatch):
    monkeypatch.setattr("lakewinnow.lake.vectors.embedding_store._ROW_GROUP_BYTES", 1_000)
    with store.appending() as folder:
        batches = (made((b"%d" % i, [1.0] * 20, None, None)) for i in range(50))
        assert list(write_rows(batches, IDENTITY, folder)) == []
    [name] = store.data_files()
    assert 1 < pq.ParquetFile(f"{store.files.root}/{name}").num_row_groups < 50
    assert store.n_rows() == 50


def test_a_file_that_is_not_whole_is_not_added(store):
    def cut_off():
        yield made((b"a", [1.0, 0.5], None, None))
        raise KeyboardInterrupt

    def append():
        with store.appending() as folder:
            list(write_rows([made((b"b", [1.0, 0.5], None, None))], IDENTITY, folder))
            list(write_rows(cut_off(), IDENTITY, folder))

    with pytest.raises(KeyboardInterrupt):
        append()
    assert keys(store) == [b"b"]
    assert store.files.entries("_appending") == []


def test_a_task_that_makes_nothing_leaves_no_file(store):
    with store.appending() as folder:
        list(write_rows([made((None, None, None, None))], IDENTITY, folder))
    assert not store.exists()


def test_runs_that_add_at_once_lose_nothing(lake, store):
    def add(run):
        for i in range(3):
            ids = lake.spark.range(200).repartition(2).select("id").collect()
            rows = [row(f"{run} {i} {id_}".encode()) for (id_,) in ids]
            store.append(lake.spark.createDataFrame(rows, EMBEDDINGS).repartition(2))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(3)))
    assert len(keys(store)) == 3 * 3 * 200
    assert lake.files.entries("embeddings/_appending") == []
