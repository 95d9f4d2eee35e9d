"""Tables are published whole or not at all, and valid only with their stage's record."""

from dataclasses import dataclass

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from builders import lake_in, read_rows, read_table
from lakewinnow.errors import EngineError
from lakewinnow.lake import versions
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.sessions.engines import is_sail

SCHEMA = StructType(
    [
        StructField("name", StringType(), nullable=False),
        StructField("id", LongType(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Found:
    """Figures of a stage."""

    word: str


@pytest.fixture
def lake(spark, tmp_path):
    return lake_in(spark, tmp_path / "a workspace")


def commit(lake, name="stage", **tables):
    for table, n_rows in tables.items():
        lake.publish(table, lake.spark.range(n_rows))
    found = Found(word="ü")
    report = StageReport(rows_in=1, rows_out=2, reads={}, writes=tuple(tables), figures=found)
    return lake.commit(name, "fingerprint", 0.12345, report)


def test_a_published_table_reads_back(lake):
    lake.publish("checks/t", lake.spark.range(3))
    assert lake.rows("checks/t") == 3
    assert sorted(lake.read("checks/t").collect()) == [(0,), (1,), (2,)]


def test_a_table_is_read_as_spark_would_have_found_it(lake):
    rows = lake.spark.range(3).select("id", F.array(F.lit(1.5)).alias("a"), F.lit("x").alias("of"))
    lake.publish("t", rows, partition_by=["of"])
    assert (lake.files.spark_schema("t") is None) == is_sail(lake.spark)  # it leaves none
    found = lake.spark.read.parquet(lake.files.path("t"))
    assert lake.read("t").schema == found.schema
    assert sorted(lake.read("t").collect()) == sorted(found.collect())


@pytest.mark.classic_only
def test_to_read_a_table_takes_no_job(lake):
    lake.publish("t", lake.spark.range(3))
    tracker = lake.spark.sparkContext.statusTracker()
    before = len(tracker.getJobIdsForGroup(None))
    found = lake.read("t")
    assert found.columns == ["id"]
    assert len(tracker.getJobIdsForGroup(None)) == before
    found.collect()
    assert len(tracker.getJobIdsForGroup(None)) > before


def test_a_table_of_another_writer_reads_back(lake):
    for n_rows in (3, 2):
        lake.publish_small("t", pa.table({"id": range(n_rows), "name": ["é"] * n_rows}))
        assert lake.files.spark_schema("t") is None
        assert lake.rows("t") == n_rows
        assert sorted(lake.read("t").collect()) == [(i, "é") for i in range(n_rows)]
    assert not lake.files.entries("_versions")


def test_a_schema_fixes_columns_order_and_types(lake):
    rows = lake.spark.range(2).select(
        F.col("id").cast("int"), F.lit("more").alias("more"), F.lit("n").alias("name")
    )
    lake.publish("t", rows, schema=SCHEMA)
    assert read_table(lake.files.root, "t").schema.names == ["name", "id"]
    assert read_rows(lake.files.root, "t") == [{"name": "n", "id": 0}, {"name": "n", "id": 1}]


def test_a_frame_that_lacks_a_column_is_not_written(lake):
    with pytest.raises(PySparkException):
        lake.publish("t", lake.spark.range(2), schema=SCHEMA)
    assert not lake.files.exists("t")


def test_a_write_that_fails_leaves_the_table_as_it_was(lake):
    lake.publish("t", lake.spark.range(3))
    fails_late = lake.spark.range(100).select(
        F.when(F.col("id") == 99, F.raise_error(F.lit("disk full"))).otherwise(F.col("id"))
    )
    with pytest.raises(PySparkException):
        lake.publish("t", fails_late)
    assert lake.rows("t") == 3


def test_a_second_publication_replaces_the_first(lake):
    lake.publish("t", lake.spark.range(3))
    lake.publish("t", lake.spark.range(1))
    assert lake.rows("t") == 1
    assert not lake.files.entries("_versions")


def test_tables_are_split_by_column_and_by_rows(lake):
    rows = lake.spark.range(10).withColumn("kind", F.lit("a")).coalesce(1)
    lake.publish("t", rows, partition_by=["kind"], rows_per_file=4)
    files = [info.base_name for info in lake.files.entries("t/kind=a")]
    assert len([name for name in files if name.endswith(".parquet")]) == 3
    assert lake.rows("t") == 10


@pytest.fixture
def by_partition(spark):
    """Have the session replace only the partitions that are written to, where it does not say."""
    key = "spark.sql.sources.partitionOverwriteMode"
    spark.conf.set(key, "dynamic")
    yield
    spark.conf.unset(key)


@pytest.mark.usefixtures("by_partition")
@pytest.mark.parametrize("renames_folders", [True, False])
def test_number_9_no_partition_of_an_earlier_table_stays(lake, monkeypatch, renames_folders):
    monkeypatch.setattr(lake.files, "renames_folders", renames_folders)

    def rows(kind):
        return lake.spark.range(3).withColumn("kind", F.lit(kind))

    lake.publish("t", rows("old"), partition_by=["kind"])
    # A run that was killed here left what it had written.
    rows("killed").write.mode("append").partitionBy("kind").parquet(
        lake.files.path(lake.versions.begin("t"))
    )
    lake.publish("t", rows("new"), partition_by=["kind"])
    assert {path.partition("/")[0] for path in lake.files.data_files("t")} == {"kind=new"}


def test_a_record_comes_back_as_it_was(lake):
    record = commit(lake, t=3)
    assert lake.committed("stage") == record
    assert (record.rows_in, record.rows_out, record.tables) == (1, 2, {"t": 3})
    assert record.bytes_written > 0
    assert lake.figures("stage", Found) == Found("ü")


def test_a_record_without_its_table_does_not_count(lake):
    commit(lake, t=3, u=1)
    lake.files.delete("u")
    assert lake.committed("stage") is None


def test_a_record_of_another_version_of_the_package_counts_if_it_says_enough(lake):
    written = commit(lake, t=3)
    record = lake.files.read_json("_commits/stage.json")
    lake.files.write_json("_commits/stage.json", {**record, "of a later version": 1})
    assert lake.committed("stage") == written
    del record["needs"]
    lake.files.write_json("_commits/stage.json", record)
    assert lake.committed("stage") is None


def test_a_revoked_record_is_gone(lake):
    commit(lake, t=3)
    lake.revoke("stage")
    assert lake.committed("stage") is None
    assert lake.rows("t") == 3


def test_many_bytes_are_described_by_tasks_as_few_are_here(lake, monkeypatch):
    lake.publish("t", lake.spark.range(7).repartition(3), rows_per_file=2)
    paths = lake.files.data_files("t")
    here = versions.describe(lake.spark, lake.files, "t", paths)
    assert sum(file.rows for file in here) == 7
    assert {file.path: file.bytes for file in here} == paths
    monkeypatch.setattr(versions, "_FEW_BYTES", 0)
    assert versions.describe(lake.spark, lake.files, "t", paths) == here


def test_figures_of_a_stage_whose_table_is_lost_are_an_engine_error(lake):
    commit(lake, t=3)
    lake.files.delete("t")
    with pytest.raises(EngineError) as caught:
        lake.figures("stage", Found)
    assert (caught.value.code, caught.value.where) == ("no_commit", "stage")


def test_figures_of_a_stage_that_did_not_run_are_an_engine_error(lake):
    with pytest.raises(EngineError) as caught:
        lake.figures("ingest", Found)
    assert (caught.value.code, caught.value.where) == ("no_commit", "ingest")


def test_a_workspace_is_ours_once_it_has_a_record(lake):
    lake.publish("clean", lake.spark.range(1))
    assert not lake.is_ours()
    commit(lake)
    assert lake.is_ours()
