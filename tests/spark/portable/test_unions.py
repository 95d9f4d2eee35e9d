"""The rows of two frames as one, as a Python function then gets them."""

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.portable.unions import union


def test_what_a_frame_lacks_is_null_and_types_are_those_of_both(spark):
    one = spark.createDataFrame([(1, "a")], "n int, name string").withColumn("w", F.lit(None))
    other = spark.createDataFrame([(0.5, 2)], "w double, n long").withColumn("at", F.array("n"))
    both = union(one, other)
    assert both.columns == ["n", "name", "w", "at"]
    rows = sorted(tuple(row) for row in both.collect())
    assert rows == [(1, "a", None, None), (2, None, 0.5, [2])]
    types = apply_to_groups(both, ["n"], _types, "types string").collect()
    assert {row.types for row in types} == {"int64, string, double, list"}


def _types(table):
    names = [str(type_).partition("<")[0].replace("large_", "") for type_ in table.schema.types]
    return pa.table({"types": [", ".join(names)]})
