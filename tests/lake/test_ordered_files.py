"""Files whose names and order are given."""

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from builders import lake_in
from lakewinnow.lake import ordered_files

NAMES = ["out/a.jsonl", "out/b.jsonl", "out/c.jsonl"]


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path / "a workspace")


def rows(lake, n):
    return (
        lake.spark.range(n)
        .repartition(3)
        .select("id", F.format_string("ü %05d", "id").alias("line"), (-F.col("id")).alias("place"))
    )


def write(lake, frame, at, columns, names):
    return ordered_files.write(lake, frame, at, ["place"], columns, names)


def test_rows_are_in_the_file_of_their_place_and_in_order(lake):
    at = F.when(F.col("id") < 10, 2).otherwise(0)
    assert sorted(write(lake, rows(lake, 30_000), at, ["line"], NAMES)) == [NAMES[0], NAMES[2]]
    assert lake.files.read_bytes(NAMES[2]).decode() == "".join(
        f"ü {i:05}\n" for i in reversed(range(10))
    )
    assert lake.files.read_bytes(NAMES[0]).decode() == "".join(
        f"ü {i:05}\n" for i in reversed(range(10, 30_000))
    )
    assert {entry.base_name for entry in lake.files.entries("out")} == {"a.jsonl", "c.jsonl"}


def test_more_columns_are_a_parquet_file(lake, tmp_path):
    names = ["data/train.parquet"]
    assert write(lake, rows(lake, 100), F.lit(0), ["line", "id"], names) == names
    written = pq.read_table(tmp_path / "a workspace" / names[0])
    assert written.column_names == ["line", "id"]
    assert written.column("id").to_pylist() == list(reversed(range(100)))


def test_a_second_writing_takes_the_place_of_the_first(lake):
    write(lake, rows(lake, 5), F.lit(1), ["line"], NAMES)
    write(lake, rows(lake, 1), F.lit(1), ["line"], NAMES)
    assert lake.files.read_bytes(NAMES[1]).decode() == "ü 00000\n"
