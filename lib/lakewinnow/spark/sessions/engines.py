"""Which engine runs a session's queries.

The stages know one engine, Spark's DataFrames; what another one lacks is made up for in this
folder: `observed`, `cluster`, `lake.workspace` for tables without rows, `lake.text_files` for CSV.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

# What a session raises where its engine does.
errors: tuple[type[Exception], ...] = (PySparkException,)
with contextlib.suppress(ImportError):  # PySpark's client alone brings no py4j
    from py4j.protocol import Py4JJavaError

    errors += (Py4JJavaError,)

SAIL: Final = "Sail"
SPARK: Final = "Spark"


@dataclass(frozen=True)
class Engine:
    """An engine and its version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


_known: WeakKeyDictionary[SparkSession, Engine] = WeakKeyDictionary()


def engine_of(spark: SparkSession) -> Engine:
    """Return the engine behind a session, classic or Connect."""
    if spark not in _known:
        _known[spark] = _ask(spark)
    return _known[spark]


def is_sail(spark: SparkSession) -> bool:
    """Whether the engine is Sail."""
    return engine_of(spark).name == SAIL


def is_classic(spark: SparkSession) -> bool:
    """Whether the driver is this process, and no Connect server between."""
    return hasattr(spark, "_jsparkSession")


def _ask(spark: SparkSession) -> Engine:
    """Ask for the version: Spark's has the hash of its source beside it, Sail's stands alone."""
    if is_classic(spark):
        return Engine(SPARK, spark.version)
    answer: Any = spark.sql("SELECT version()").collect()[0][0]
    number, _, revision = str(answer).partition(" ")
    return Engine(SPARK if revision else SAIL, number)
