"""What a stage may ask of a session."""

from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

from lakewinnow.spark import cluster


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("type_", ["int", "bigint"])
def test_rows_of_an_index_are_in_the_partition_of_that_number(spark, n, type_):
    rows = spark.range(100).withColumn("i", (F.col("id") % n).cast(type_))
    at = cluster.in_partitions(rows, n, F.col("i"))
    found = at.select("i", F.spark_partition_id().alias("at")).distinct().collect()
    assert sorted(tuple(row) for row in found) == [(i, i) for i in range(n)]


@pytest.mark.parametrize(
    ("master", "cores"),
    [("local", 1), ("local[3]", 3), ("local[3,4]", 3), ("local-cluster[3,1,1024]", 0), ("yarn", 0)],
)
def test_the_cores_of_a_machine_are_not_those_of_a_cluster(master, cores):
    session = SimpleNamespace(conf={"spark.master": master, "spark.sql.shuffle.partitions": "8"})
    assert cluster.is_local(session) == (cores > 0)
    assert cluster.parallelism(session) == (cores or 8)
    assert cluster.threads_per_task(session, 1) == max(1, cores)
