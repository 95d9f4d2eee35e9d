"""Values that are to be names of folders come back the same, or are refused."""

import re

import pytest

from builders import make_config
from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.folder_values import check_partition_by
from lakewinnow.spark.sessions.engines import is_sail


def check(spark, values, format_="parquet", **input_):
    config = make_config("x.csv", output={"partition_by": ["k"], "format": format_}, input=input_)
    df = spark.createDataFrame([(value,) for value in values], "k string")
    check_partition_by(df, config.input, config.output)


@pytest.mark.parametrize("values", [["01", "1"], ["007", None], ["1.0", "1"], ["a", ""], ["1e3"]])
def test_number_6_values_that_readers_would_change_are_refused(spark, values):
    with pytest.raises(DataError) as caught:
        check(spark, values)
    error = caught.value
    assert (error.code, error.where) == ("folder_value_changes", "output.partition_by")
    assert re.search(r"[12] (row has|rows have) ", str(error))
    assert "in k" in str(error)


@pytest.mark.parametrize(
    "values", [["1", "2", "-7", "0"], ["01", "a"], ["x y", "é/z"], ["2026-01-01"]]
)
def test_values_that_readers_give_back_may_be_folders(spark, tmp_path, values):
    check(spark, values)
    df = spark.createDataFrame([(1, value) for value in values], "n int, k string")
    df.write.partitionBy("k").parquet(f"{tmp_path}/t")
    found = spark.read.parquet(f"{tmp_path}/t").collect()
    assert sorted(str(row.k) for row in found) == sorted(values)


def test_the_log_of_a_table_has_types(spark):
    check(spark, ["01", "1"], "delta")
    check(spark, ["", "1"], "iceberg")
    with pytest.raises(DataError):
        check(spark, ["", "1"], "delta")


def test_rows_without_a_label_are_not_in_the_output(spark):
    check(spark, ["", None, "a"], label="k")


def test_null_is_a_folder_of_spark_alone(spark):
    if not is_sail(spark):
        check(spark, [None, "a"])
        return
    with pytest.raises(DataError):
        check(spark, [None, "a"])
