"""How far the running Spark jobs are.

Classic Spark is asked, by the status tracker; a Connect server tells, by the session's progress
handler. This module is the one place that knows the difference.
"""

from typing import Any

from pyspark.sql import SparkSession


class JobProgress:
    """The share of the tasks of the running job that are done.

    Parameters
    ----------
    spark : classic or Connect
    """

    def __init__(self, spark: SparkSession) -> None:
        self._tracker: Any = None
        self._last: tuple[int, int] | None = None
        if hasattr(spark, "registerProgressHandler") and not hasattr(spark, "_jsparkSession"):
            spark.registerProgressHandler(self._remember)  # type: ignore[arg-type]
        else:
            self._tracker = spark.sparkContext.statusTracker()

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
