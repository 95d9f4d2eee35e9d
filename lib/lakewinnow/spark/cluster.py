"""How much runs at once: what a stage may ask of a session without touching its settings."""

import os

from pyspark.sql import SparkSession


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


def is_local(spark: SparkSession) -> bool:
    """Whether all tasks run on one machine, whose cores one task may have for itself."""
    return _local_cores(spark) > 0


def _local_cores(spark: SparkSession) -> int:
    """Cores of a local session (classic, or a Connect server on this machine); 0 on a cluster."""
    master = spark.conf.get("spark.master", "") or ""
    if not master.startswith("local"):
        return 0
    inside = master.removeprefix("local").strip("[]").split(",")[0]
    return int(inside) if inside.isdigit() else (os.cpu_count() or 1 if inside == "*" else 1)
