"""What Sail does otherwise than Spark, and what goes round it: a Sail that mends it shows here.

Each test says what Spark does. One that passes on Sail fails the run, so that the way round goes.
"""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Observation, Window
from pyspark.sql import functions as F

pytestmark = pytest.mark.sail_only


def bug(way_round):
    """Mark a test of what Sail has wrong; the reason says what goes round it."""
    return pytest.mark.xfail(strict=True, reason=way_round)


def n_partitions(rows):
    return rows.select(F.spark_partition_id().alias("at")).distinct().count()


def n_files(folder):
    return len(list(folder.glob("*.parquet")))


@bug("lake.observed")
def test_figures_are_observed(spark):
    seen = Observation()
    spark.range(3).observe(seen, F.sum("id").alias("sum")).collect()
    assert seen.get == {"sum": 3}


@bug("cluster.in_order")
def test_a_sort_before_a_python_function_is_not_needless(spark):
    rows = spark.range(5).coalesce(1).sortWithinPartitions(F.desc("id"))
    found = rows.mapInArrow(lambda batches: batches, "id long").collect()
    assert [row.id for row in found] == [4, 3, 2, 1, 0]


@bug("spark.quantiles")
def test_a_percentile_heeds_how_often_a_value_counts(spark):
    rows = spark.createDataFrame([(1.0, 9), (2.0, 1)], "value double, n long")
    assert rows.select(F.percentile("value", 0.5, F.col("n"))).first()[0] == 1.0


@bug("cluster.together")
def test_rows_that_are_clustered_are_in_several_partitions(spark):
    assert n_partitions(spark.range(1000).repartition("id")) > 1


@bug("lake.workspace")
def test_a_table_without_rows_has_a_file(spark, tmp_path):
    spark.range(0).write.parquet(f"{tmp_path}/rows")
    assert n_files(tmp_path / "rows")


@bug("F.transform")
def test_a_field_of_an_array_of_structs_is_an_array(spark):
    rows = spark.createDataFrame([([("a", 1)],)], "pairs array<struct<name:string,n:int>>")
    assert rows.select(F.col("pairs").getField("name")).first()[0] == ["a"]


@bug("rows, not a range, in cluster.in_order")
def test_a_window_orders_bytes(spark):
    rows = spark.createDataFrame([(b"b",), (b"a",)], "key binary")
    window = Window.partitionBy(F.lit(1)).orderBy("key")
    counted = rows.select("key", F.count("*").over(window).alias("n"))
    assert sorted((bytes(row.key), row.n) for row in counted.collect()) == [(b"a", 1), (b"b", 2)]


@bug("cluster.partition_keys")
def test_rows_are_grouped_by_their_partition(spark):
    rows = spark.range(10).repartition(2, "id")
    assert rows.groupBy(F.spark_partition_id()).count().count() == 2


@bug("spark.unions")
def test_a_function_gets_the_types_of_a_union(spark):
    untyped, numbers = (spark.range(2).withColumn("x", F.lit(x)) for x in (None, 1.0))
    groups = untyped.union(numbers).groupBy("id")
    assert groups.applyInArrow(lambda table: table.select(["id"]), "id long").count() == 4


@bug("classifiers.tasks.settle")
def test_a_group_without_rows_is_none(spark):
    def count(table):
        return pa.table({"n": [table.num_rows]})

    assert spark.range(0).groupBy().applyInArrow(count, "n long").collect() == []


@bug("lake.source.text_of")
def test_integers_of_a_parquet_file_become_text(spark, tmp_path):
    spark.createDataFrame([(3,), (20,)], "n long").coalesce(1).write.parquet(f"{tmp_path}/rows")
    rows = spark.read.parquet(f"{tmp_path}/rows").select(F.col("n").cast("string").alias("id"))
    counted = rows.withColumn("n", F.count("*").over(Window.partitionBy("id")))
    assert sorted(row.id for row in counted.where("n = 1").collect()) == ["20", "3"]


@bug("checks.groups.clusters: types are named")
def test_a_struct_that_may_be_null_joins_those_that_may_not(spark):
    rows = spark.createDataFrame([(b"x", [1.0])], "key binary, numbers array<double>")
    pairs = F.transform("numbers", lambda n: F.struct(F.lit(b"y").alias("key"), n.alias("n")))
    itself = F.struct("key", F.lit(0.0).alias("n"))
    assert len(rows.select(F.array_append(pairs, itself)).first()[0]) == 2


@bug("lake.files.Files.split")
def test_a_file_has_so_many_rows_at_most(spark, tmp_path):
    writer = spark.range(10).coalesce(1).write.option("maxRecordsPerFile", 4)
    writer.parquet(f"{tmp_path}/rows")
    assert n_files(tmp_path / "rows") == 3


@bug("lake.ordered_files")
def test_a_partition_is_written_to_one_file(spark, tmp_path):
    rows = spark.range(3).repartition(3).mapInArrow(_a_row_a_batch, "id long").repartition(1)
    rows.write.parquet(f"{tmp_path}/rows")
    assert n_files(tmp_path / "rows") == 1


def _a_row_a_batch(batches):
    for batch in batches:
        yield from (batch.slice(at, 1) for at in range(batch.num_rows))


@bug("lake.source")
def test_a_path_that_is_not_there_is_an_error(spark, tmp_path):
    with pytest.raises(Exception, match="PATH_NOT_FOUND"):
        _ = spark.read.parquet(f"{tmp_path}/nothing").schema


@bug("nothing: the file has to be mended")
def test_a_parquet_text_that_is_not_utf8_is_read(spark, tmp_path):
    raw = pa.array([b"good", b"caf\xe9"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table({"text": text}), tmp_path / "rows.parquet")
    rows = spark.read.parquet(f"{tmp_path}/rows.parquet")
    assert sorted(row.n for row in rows.select(F.octet_length("text").alias("n")).collect()) == [
        4,
        4,
    ]


@bug("checks.groups.clusters and review.sampling: types are named")
def test_sorted_structs_are_of_the_type_they_had(spark, tmp_path):
    spark.createDataFrame([([0.5, 0.1],)], "p array<float>").write.parquet(f"{tmp_path}/rows")
    pairs = F.transform("p", lambda p, k: F.struct(-p, k))
    found = spark.read.parquet(f"{tmp_path}/rows").select(F.slice(F.array_sort(pairs), 1, 1))
    assert found.first()[0][0][1] == 0


@bug("cluster.once")
def test_one_of_equal_vectors_takes_no_more_memory_than_the_vectors(spark):
    numbers = F.array(*(F.col("id") + i for i in range(8)))
    vectors = spark.range(20_000).select("id", F.flatten(F.array_repeat(numbers, 200)).alias("v"))
    vectors.dropDuplicates(["id"]).write.format("noop").mode("overwrite").save()


@bug("passes.local_issues.as_frame")
def test_a_table_of_this_process_may_be_of_any_size(spark):
    text = pa.array(["x" * 1_000_000]).take(pa.array([0] * 140))
    assert spark.createDataFrame(pa.table({"text": text})).count() == 140
