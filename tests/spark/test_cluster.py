"""What a stage may ask of a session."""

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
