"""Integer arrays are added up over partitions, exactly and in any order."""

from functools import partial

import numpy as np
import pyarrow as pa

from lakewinnow.core.sparse import Sparse
from lakewinnow.spark.passes import states

BIG = 2**60


def count(batches, n_bins):
    """Count ids by remainder, and add up something large."""
    bins, largest = np.zeros((n_bins, 2), np.int64), np.zeros(1, np.int64)
    for batch in batches:
        ids = batch.column("id").to_numpy()
        np.add.at(bins, (ids % n_bins, ids % 2), 1)
        largest += BIG * int((ids < 3).sum())
    return {"bins": bins, "largest": largest}


def test_a_partition_sends_its_non_zero_cells():
    [bins, largest] = states._scan_partition(
        [pa.record_batch({"id": [0, 2, 0]}), pa.record_batch({"id": [5]})], partial(count, n_bins=3)
    )
    assert bins.to_pylist() == [
        {"name": "bins", "cell": 0, "value": 2},
        {"name": "bins", "cell": 4, "value": 1},
        {"name": "bins", "cell": 5, "value": 1},
    ]
    assert largest.to_pylist() == [{"name": "largest", "cell": 0, "value": 3 * BIG}]


def test_partitions_add_up(spark):
    shapes = {"bins": (3, 2), "largest": 1, "never": 2}
    zeros = {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
    expected = count([pa.record_batch({"id": range(100)})], n_bins=3)
    for n_partitions in (1, 5):
        rows = spark.range(100).repartition(n_partitions)
        total = states.total(rows, partial(count, n_bins=3), zeros)
        np.testing.assert_array_equal(total["bins"], expected["bins"])
        assert total["largest"].tolist() == [3 * BIG]
        assert total["never"].tolist() == [0, 0]


def test_no_rows_are_zeros(spark):
    zeros = {"bins": np.zeros((2, 2), np.int64)}
    total = states.total(spark.range(0), partial(count, n_bins=2), zeros)
    assert total["bins"].tolist() == [[0, 0], [0, 0]]


def count_pairs(batches, n_classes):
    """Count ids in a matrix that has no room for its zeros."""
    found = Sparse.none(n_classes)
    for batch in batches:
        ids = batch.column("id").to_numpy()
        found += Sparse.of_pairs(n_classes, ids % 7, ids % 2, np.ones(len(ids), np.int64))
    return {"pairs": found}


def test_number_13_matrices_by_their_cells_add_up(spark):
    expected = count_pairs([pa.record_batch({"id": range(100)})], 10_000)["pairs"]
    zeros = {"pairs": Sparse.none(10_000)}
    for rows in (spark.range(100).repartition(5), spark.range(0)):
        found = states.total(rows, partial(count_pairs, n_classes=10_000), zeros)["pairs"]
        if rows.count():
            np.testing.assert_array_equal(found.cell, expected.cell)
            np.testing.assert_array_equal(found.value, expected.value)
        else:
            assert len(found.cell) == 0
