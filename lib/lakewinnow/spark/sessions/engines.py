"""Which engine runs a session's queries.

The stages know one engine, Spark's DataFrames; what another one lacks is made up for in this
folder, in `lake.observed`, in `lake.workspace` for tables without rows, `lake.inputs.text_files`
for CSV.
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

# Whether PySpark notes where in the code each column was made, for its errors. Our users have not
# written that code, and a column then takes 0.2 ms in the client, 3 ms with a JVM.
CALL_SITES: Final = "spark.python.sql.dataFrameDebugging.enabled"

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


class JobProgress:
    """The share of the tasks of the running job that are done.

    Parameters
    ----------
    spark : classic or Connect
    """

    def __init__(self, spark: SparkSession) -> None:
        self._tracker: Any = None
        self._last: tuple[int, int] | None = None
        if is_classic(spark):
            self._tracker = spark.sparkContext.statusTracker()
        else:
            spark.registerProgressHandler(self._remember)  # type: ignore[arg-type]

    def share(self) -> float | None:
        """Return done tasks over all tasks, or None when no job runs."""
        done, total = self._ask() if self._tracker is not None else self._last or (0, 0)
        return done / total if total else None

    def _ask(self) -> tuple[int, int]:
        stages = [self._tracker.getStageInfo(i) for i in self._tracker.getActiveStageIds()]
        running = [stage for stage in stages if stage is not None]
        return sum(s.numCompletedTasks for s in running), sum(s.numTasks for s in running)

    def _remember(self, stages: Any, *_: Any, **__: Any) -> None:
        known = [stage for stage in stages or [] if stage.num_tasks]
        self._last = sum(s.num_completed_tasks for s in known), sum(s.num_tasks for s in known)
