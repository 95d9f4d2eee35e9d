"""What a stage may ask of a session."""

from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from lakewinnow.spark.sessions import cluster


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("type_", ["int", "bigint"])
def test_rows_of_an_index_are_in_the_partition_of_that_number(spark, n, type_):
    rows = spark.range(100).withColumn("i", (F.col("id") % n).cast(type_))
    at = cluster.in_partitions(rows, n, F.col("i"))
    found = at.select("i", F.spark_partition_id().alias("at")).distinct().collect()
    assert sorted(tuple(row) for row in found) == [(i, i) for i in range(n)]


def _out_of_order(batches):
    """Count the rows that come before one that belongs before them, and those of each group."""
    last, n_wrong, groups = None, 0, []
    for batch in batches:
        for row in zip(batch.column("k").to_pylist(), batch.column("v").to_pylist(), strict=True):
            n_wrong += last is not None and row < last
            last = row
            groups.append(row[0])
    names = sorted(set(groups))
    yield pa.record_batch(
        {"k": pa.array(names, pa.int64()), "wrong": pa.array([n_wrong] * len(names), pa.int64())}
    )


@pytest.mark.parametrize("n", [None, 1, 5])
def test_a_python_function_meets_rows_together_and_in_order(spark, n):
    rows = spark.range(40_000).select((F.xxhash64("id") % 100).alias("k"), F.hash("id").alias("v"))
    dealt = cluster.colocated(rows, ["k"], n)
    found = cluster.colocated_in_order(dealt, ["k"], ["k", "v"]).mapInArrow(
        _out_of_order, "k long, wrong long"
    )
    seen = found.collect()
    assert len(seen) == len({k for k, _ in seen}) == rows.select("k").distinct().count()
    assert {wrong for _, wrong in seen} == {0}


def test_one_row_of_each_value_is_left_the_first_where_there_is_an_order(spark):
    rows = spark.range(100).select((F.col("id") % 10).alias("k"), F.array("id").alias("v"))
    assert sorted(row.k for row in cluster.first_of_group(rows, ["k"]).collect()) == list(range(10))
    firsts = cluster.first_of_group(rows, ["k"], [F.desc(F.get("v", F.lit(0)))]).collect()
    assert sorted(row.v[0] for row in firsts) == list(range(90, 100))


@pytest.mark.sail_only
def test_one_of_equal_vectors_is_left_of_many(spark):
    numbers = F.array(*(F.col("id") + i for i in range(8)))
    vectors = spark.range(20_000).select("id", F.flatten(F.array_repeat(numbers, 200)).alias("v"))
    assert (
        cluster.first_of_group(vectors, ["id"]).select(F.sum(F.size("v"))).first()[0]
        == 20_000 * 1_600
    )


@pytest.mark.parametrize(
    ("master", "cores"),
    [("local", 1), ("local[3]", 3), ("local[3,4]", 3), ("local-cluster[3,1,1024]", 0), ("yarn", 0)],
)
def test_the_cores_of_a_machine_are_not_those_of_a_cluster(master, cores):
    session = SimpleNamespace(conf={"spark.master": master, "spark.sql.shuffle.partitions": "8"})
    assert cluster.is_local(session) == (cores > 0)
    assert cluster.parallelism(session) == (cores or 8)
    assert cluster.threads_per_task(session, 1) == max(1, cores)
