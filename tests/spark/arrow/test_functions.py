"""Functions of Arrow data on each engine; `sail/test_functions` has what is particular to Sail."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from lakewinnow.cli import _last_line
from lakewinnow.errors import DataError
from lakewinnow.spark.arrow.functions import apply_to_cogroups, apply_to_groups, map_batches
from lakewinnow.spark.arrow.udf import on_arrow

SUM = StructType([StructField("n", LongType())])


def test_batches_are_mapped(spark):
    def doubled(batches):
        for batch in batches:
            yield pa.record_batch({"n": pc.multiply(batch["id"], 2)})

    found = map_batches(spark.range(5), doubled, SUM)
    assert sorted(row.n for row in found.collect()) == [0, 2, 4, 6, 8]


def test_groups_and_cogroups_become_tables(spark):
    def add(*tables):
        return pa.table({"n": [sum(pc.sum(table["id"]).as_py() or 0 for table in tables)]})

    rows = spark.range(6).withColumn("g", F.col("id") % 2)
    found = apply_to_groups(rows, ["g"], add, SUM)
    assert sorted(row.n for row in found.collect()) == [6, 9]
    found = apply_to_cogroups(rows, rows.where("id > 0"), "g", add, SUM)
    assert sorted(row.n for row in found.collect()) == [12, 18]


def test_arrays_become_an_array(spark):
    def joined(*arrays):
        return pc.binary_join_element_wise(*arrays, "-")

    rows = spark.createDataFrame([("a", "b"), ("c", None)], "x string, y string")
    found = rows.select(on_arrow(joined, StringType())("x", "y").alias("found"))
    assert [row.found for row in found.collect()] == ["a-b", None]


def test_what_a_function_raises_reaches_the_client(spark):
    def fails(batches):
        next(batches)
        raise DataError("ragged", "column x", "3 numbers", 2, "count again")

    with pytest.raises(Exception, match="expected 3 numbers") as raised:
        map_batches(spark.range(3), fails, SUM).collect()
    line = "column x: expected 3 numbers, got 2"
    assert _last_line(raised.value) == (DataError.exit_code, line, "count again")
