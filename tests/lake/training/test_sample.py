"""Samples: so many rows of each cell, the same ones however the table lies."""

import numpy as np
from pyspark.sql import functions as F

from lakewinnow.lake.training.sample import hash_bound, stratified


def sampled(spark, counts, wanted, n_partitions):
    rows = [(f"{cell}-{i}", cell) for cell, n in enumerate(counts) for i in range(n)]
    table = spark.createDataFrame(rows, "row_id string, cell int").repartition(n_partitions)
    hash_ = F.xxhash64("row_id")
    found = stratified(table, F.col("cell"), hash_, np.array(counts), np.array(wanted))
    assert found.columns == ["row_id", "cell"]
    return sorted(map(tuple, found.collect()))


def test_so_many_of_each_cell_of_smallest_hash(spark):
    counts, wanted = [500, 20, 3, 0], [40, 20, 1, 0]
    found = sampled(spark, counts, wanted, 3)
    assert np.bincount([cell for _, cell in found], minlength=4).tolist() == wanted
    assert sampled(spark, counts, wanted, 1) == found
    assert set(sampled(spark, counts, [39, 20, 1, 0], 2)) < set(found)


def test_all_rows_where_all_are_wanted(spark):
    assert len(sampled(spark, [5, 2], [5, 2], 2)) == 7


def test_a_share_of_all_hashes():
    assert [hash_bound(share) for share in (0.0, 0.5, 1.0, 7.0)] == [-(2**63), 0, *[2**63 - 1] * 2]
