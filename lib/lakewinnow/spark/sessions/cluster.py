"""How much runs at once: what a stage may ask of a session without touching its settings."""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.machine import memory_bytes, usable_cores

_NTH: Final = "__lw_nth"


def parallelism(spark: SparkSession) -> int:
    """Return how many tasks a stage should have so that all cores work."""
    return _local_cores(spark) or int(spark.conf.get("spark.sql.shuffle.partitions", "200") or 200)


def threads_per_task(spark: SparkSession, n_tasks: int) -> int:
    """Return how many cores each of `n_tasks` tasks may keep busy.

    On a cluster that is what the scheduler gave the task; in local mode, where few tasks may run on
    many cores, it is their share of the machine.
    """
    cores = _local_cores(spark)
    if cores:
        return max(1, cores // n_tasks)
    return int(spark.conf.get("spark.task.cpus", "1") or 1)


def memory_per_task(spark: SparkSession, n_tasks: int) -> int | None:
    """Return how many bytes of this machine each of `n_tasks` tasks has; None on a cluster."""
    cores = _local_cores(spark)
    return memory_bytes() // max(1, min(cores, n_tasks)) if cores else None


def in_partitions(rows: DataFrame, n: int, index: Column) -> DataFrame:
    """Return rows in n partitions, those of index i, 0 .. n - 1, in partition i."""
    if n == 1:
        return rows.coalesce(1)
    return rows.repartition(n, partition_key(rows.sparkSession, n, index))


def partition_key(spark: SparkSession, n: int, index: Column) -> Column:
    """Return a number that goes by its hash into the partition of an index, 0 .. n - 1."""
    known = F.array(*(F.lit(key).cast("bigint") for key in partition_keys(spark, n)))
    return F.get(known, index.cast("int"))


def colocated(rows: DataFrame, by: Sequence[str], n: int | None = None) -> DataFrame:
    """Return rows of equal values in one partition.

    Parameters
    ----------
    n : partitions; default: as the engine sees fit, and on Sail, which would take one, when
        something needs it
    """
    if n is not None:
        return rows.repartition(n, *by)
    return rows if is_sail(rows.sparkSession) else rows.repartition(*by)


def colocated_in_order(
    rows: DataFrame, by: Sequence[str], order: Sequence[str | Column]
) -> DataFrame:
    """Return what `colocated` does, each partition in order.

    Sail takes what nobody is known to need for needless, a sort before a Python function too; it
    keeps the order that a window function gives its rows, which begins with `by`.
    """
    if not is_sail(rows.sparkSession):
        return rows.sortWithinPartitions(*order)
    # Where the number is read, or the window would be needless
    return _numbered(rows, by, order).where(F.col(_NTH) > 0).drop(_NTH)


def first_of_group(
    rows: DataFrame, by: Sequence[str], order: Sequence[str | Column] = (), n: int = 1
) -> DataFrame:
    """Return the first row of each group, or the first n; any, without an order.

    Sail would aggregate, and count the memory of a batch of lists once for each of its rows: for
    2,400 vectors it asked for 6 GB.
    """
    if not order and n == 1 and not is_sail(rows.sparkSession):
        return rows.dropDuplicates([*by])
    return _numbered(rows, by, order or by).where(F.col(_NTH) <= n).drop(_NTH)


def _numbered(rows: DataFrame, by: Sequence[str], order: Sequence[str | Column]) -> DataFrame:
    up_to_each = (Window.unboundedPreceding, Window.currentRow)  # Sail orders no binary by range
    window = Window.partitionBy(*by).orderBy(*order).rowsBetween(*up_to_each)
    return rows.withColumn(_NTH, F.row_number().over(window))


def partition_keys(spark: SparkSession, n: int) -> list[int]:
    """Return for each of n partitions a number (a bigint) that goes there by its hash.

    By its hash, which each engine has its own of, a number may go anywhere, two of them into one
    partition; so each index stands for a number that is known to go where it should.
    """
    ids = spark.range(64 * n).repartition(n, "id")  # far more than it takes to meet each partition
    # Sail knows the partition where columns are selected, and nowhere else.
    placed = ids.select("id", F.spark_partition_id().alias("at")).groupBy("at").agg(F.min("id"))
    return [number for _, number in sorted(placed.collect())]


def is_local(spark: SparkSession) -> bool:
    """Whether all tasks run on one machine, whose cores one task may have for itself."""
    return _local_cores(spark) > 0


def _local_cores(spark: SparkSession) -> int:
    """Cores of a local session (classic, or a Connect server on this machine); 0 on a cluster."""
    master = spark.conf.get("spark.master", "") or ""
    if not master and is_sail(spark):  # which has no such key, and is on this machine
        return usable_cores()
    if master != "local" and not master.startswith("local["):  # local-cluster[...] is a cluster
        return 0
    inside = master.removeprefix("local").strip("[]").split(",")[0]
    return int(inside) if inside.isdigit() else (usable_cores() if inside == "*" else 1)
