"""What changed between two runs: rows, flags, decisions, labels, thresholds and the configuration.

Rows of the two meet by row id, in one join of the two issues/ tables; what reaches the driver is
counts, and the rows that changed most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.file import leaves
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.lake.reading import FinishedRun
from lakewinnow.spark.sessions.session import explaining_lost_engine, session

CHANGE: Final = "change"  # of a row, the first that applies of these
REMOVED: Final = "only in the first"
ADDED: Final = "only in the second"
DECISION_CHANGED: Final = "another decision"
LABEL_CHANGED: Final = "another label"
FLAGGED: Final = "newly flagged"
CLEARED: Final = "no longer flagged"
CHANGES: Final = (DECISION_CHANGED, LABEL_CHANGED, FLAGGED, CLEARED, REMOVED, ADDED)
_SHOWN: Final = (c.GIVEN_LABEL, c.DECISION, c.NEW_LABEL, c.IS_LABEL_ISSUE, c.LABEL_SCORE, c.REASON)
_SIDES: Final = ("first", "second")
_NO_ROW: Final = "no row"  # in a decision's place, of a row that one run does not have


@dataclass(frozen=True)
class RunDiff:
    """What changed from a first run to a second.

    Attributes
    ----------
    workspaces : of the two
    rows : of the two, of both, and by change (`CHANGES`; a row counts once)
    flags : rows of both that are newly, no longer and still flagged
    decisions : rows by (first decision, second decision), of those that differ
    thresholds : by class (first, second), None where a run does not have it
    label_quality : by class, the share of its labels that the noise model takes to be right
    config : by key (first, second), of those that differ
    table : one row per changed row: row_id, change, and first_/second_ of the columns of issues/
    """

    workspaces: tuple[str, str]
    rows: Mapping[str, int]
    flags: Mapping[str, int]
    decisions: Mapping[tuple[str, str], int]
    thresholds: Mapping[str, tuple[float | None, float | None]]
    label_quality: Mapping[str, tuple[float | None, float | None]]
    config: Mapping[str, tuple[Any, Any]]
    table: DataFrame

    def figures(self) -> dict[str, Any]:
        """Return all but the table as what JSON can hold."""
        return {
            "workspaces": list(self.workspaces),
            "rows": dict(self.rows),
            "flags": dict(self.flags),
            "decisions": [
                {"first": first, "second": second, "rows": n}
                for (first, second), n in self.decisions.items()
            ],
            "thresholds": {name: list(pair) for name, pair in self.thresholds.items()},
            "label_quality": {name: list(pair) for name, pair in self.label_quality.items()},
            "config": {key: list(pair) for key, pair in self.config.items()},
        }

    def worst(self, n: int) -> list[Any]:
        """Return `n` changed rows: changes in `CHANGES`'s order, then the lowest label scores."""
        order = F.array_position(F.array(*map(F.lit, CHANGES)), F.col(CHANGE))
        score = F.least(f"first_{c.LABEL_SCORE}", f"second_{c.LABEL_SCORE}")
        return self.table.orderBy(order, score, c.ROW_ID).limit(n).collect()


@explaining_lost_engine()
def diff(first: str, second: str, spark: SparkSession | None = None) -> RunDiff:
    """Compare two finished runs.

    Parameters
    ----------
    first, second : workspaces. Rows are the same row where their row ids are: `input.id`, or the
        content.
    spark : default: the active session, else a local one

    Raises
    ------
    DataError : "no_run": a workspace without a finished run
    """
    spark = spark or session()
    runs = [FinishedRun(of) for of in (first, second)]
    models = [NoiseModel.from_dict(of.read_json("noise_model.json")) for of in runs]
    together = _together(*(of.read("issues", "spark", spark) for of in runs))
    rows, flags, decisions = _counts(together)
    return RunDiff(
        workspaces=(runs[0].files.root, runs[1].files.root),
        rows=rows,
        flags=flags,
        decisions=decisions,
        thresholds=_by_class(models, [model.thresholds for model in models]),
        label_quality=_by_class(models, [m.inverse_noise_matrix.diagonal() for m in models]),
        config=_differing(*(of.manifest["config"] for of in runs)),
        table=together.where(F.col(CHANGE).isNotNull()),
    )


def _together(*issues: DataFrame) -> DataFrame:
    """Return a row for each row of either run, with how it changed; null: it did not."""
    sides = [
        rows.select(c.ROW_ID, *(F.col(n).alias(f"{side}_{n}") for n in _SHOWN))
        for rows, side in zip(issues, _SIDES, strict=True)
    ]
    together = sides[0].join(sides[1], c.ROW_ID, "full")
    before, after = (F.col(f"{side}_{c.DECISION}") for side in ("first", "second"))
    was, is_ = (F.col(f"{side}_{c.IS_LABEL_ISSUE}") for side in ("first", "second"))
    change = (
        F.when(after.isNull(), REMOVED)
        .when(before.isNull(), ADDED)
        .when(before != after, DECISION_CHANGED)
        .when(_label("first") != _label("second"), LABEL_CHANGED)
        .when(is_ & ~was, FLAGGED)
        .when(was & ~is_, CLEARED)
    )
    return together.withColumn(CHANGE, change)


def _label(side: str) -> Column:
    """Return the label that a row leaves a run with."""
    return F.coalesce(f"{side}_{c.NEW_LABEL}", f"{side}_{c.GIVEN_LABEL}")


def _counts(
    together: DataFrame,
) -> tuple[dict[str, int], dict[str, int], dict[tuple[str, str], int]]:
    """Count rows by change, flags of rows that both have, and decisions that differ."""
    sides = [f"{side}_{name}" for name in (c.DECISION, c.IS_LABEL_ISSUE) for side in _SIDES]
    counted = together.groupBy(CHANGE, *sides).count().collect()
    rows = dict.fromkeys(("first", "second", "both", *CHANGES), 0)
    flags = dict.fromkeys((FLAGGED, CLEARED, "still flagged"), 0)
    decisions: dict[tuple[str, str], int] = {}
    for change, before, after, was, is_, n in counted:
        rows["first"] += n * (before is not None)
        rows["second"] += n * (after is not None)
        if change is not None:
            rows[change] += n
        if before != after:
            pair = (before or _NO_ROW, after or _NO_ROW)
            decisions[pair] = decisions.get(pair, 0) + n
        if before is not None and after is not None:
            rows["both"] += n
            flags[FLAGGED] += n * (is_ and not was)
            flags[CLEARED] += n * (was and not is_)
            flags["still flagged"] += n * (was and is_)
    by_size = sorted(decisions.items(), key=lambda item: (-item[1], item[0]))
    return rows, flags, dict(by_size)


def _by_class(
    models: list[NoiseModel], values: list[Any]
) -> dict[str, tuple[float | None, float | None]]:
    """Return a number of each class in both runs, in the order of the first's classes."""
    of = [
        dict(zip(model.classes, map(float, numbers), strict=True))
        for model, numbers in zip(models, values, strict=True)
    ]
    names = dict.fromkeys((*models[0].classes, *models[1].classes))
    return {name: (of[0].get(name), of[1].get(name)) for name in names}


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the values of keys that differ; an empty section is as good as none."""
    of = [{k: v for k, v in leaves(config) if v != {}} for config in (first, second)]
    pairs = {key: (of[0].get(key), of[1].get(key)) for key in of[0] | of[1]}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1] and key != "workspace"}
