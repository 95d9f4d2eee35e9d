"""Report: the examples and counts that the report shows and no other stage has written down.

Reads    issues/, checks/drift/
Writes   nothing; what it finds goes into report.html, which is written with summary.json
Passes   1 over the issues to count them by score and 1 for the flagged rows; where there are some,
         1 for new labels, 1 for outliers, 2 for each kind of sets of rows that are alike, and 1 for
         rows that have drifted, a few
Shuffle  of the flagged rows of `MOST_CLASSES` classes, by class
Memory   the driver: `MOST_CLASSES` × `WORST` rows and 25 bins a class, whatever the corpus
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.lake.workspace import Lake, StageReport

MOST_CLASSES: Final = 24  # with the most label issues; the others are in the tables by class alone
WORST: Final = 5  # examples of a class
N_BINS: Final = 25
N_OUTLIERS: Final = 10
N_DRIFTED: Final = 10  # of a comparison
N_SETS: Final = 6  # of each kind, the largest
SET_EXAMPLES: Final = 3
N_CHANGES: Final = 20

_EXAMPLE: Final = (
    c.ROW_ID,
    c.TEXT_PREVIEW,
    c.GIVEN_LABEL,
    c.PREDICTED_LABEL,
    c.SUGGESTED_LABEL,
    c.SUGGESTED_PROB,
    c.LABEL_SCORE,
    c.DECISION,
)
# By kind: the stage that finds them, and the column of a row's set.
_SETS: Final = {
    "exact": ("duplicates", c.EXACT_DUPLICATE_SET),
    "near": ("near_duplicates", c.NEAR_DUPLICATE_SET),
}


def run(lake: Lake) -> StageReport:
    """Collect them."""
    issues = lake.read("issues")
    by_class: Mapping[str, int] = lake.details("label_issues")["label_issues"]["by_class"]
    most_first = sorted(by_class, key=lambda name: (-by_class[name], name))
    classes = most_first[:MOST_CLASSES]
    overall, of_class = _histograms(issues, classes)
    n_fixed = lake.details("decide")["decisions"].get("fix", 0)
    sets = {
        kind: of
        for kind, (stage, of) in _SETS.items()
        if of in issues.columns and _found_sets(lake, stage)
    }
    details = {
        "histogram": overall,
        "histograms": of_class,
        "changes": _changes(issues) if n_fixed else [],
        "worst": _worst(issues, classes),
        "outliers": _outliers(issues),
        "sets": {kind: _largest_sets(issues, name) for kind, name in sets.items()},
        "drifted": _drifted(lake),
    }
    return StageReport(
        rows_in=lake.rows("issues"),
        rows_out=0,
        reads={"issues": 2 + bool(n_fixed) + 2 * len(sets)},
        details={"report": details},
    )


def _histograms(
    issues: DataFrame, classes: Sequence[str]
) -> tuple[dict[str, list[int]], dict[str, dict[str, list[int]]]]:
    """Count rows by label score, flagged or not: of all, and of each of some classes."""
    name = F.when(F.col(c.GIVEN_LABEL).isin(list(classes)), F.col(c.GIVEN_LABEL))
    at = F.least(F.floor(F.col(c.LABEL_SCORE) * N_BINS), F.lit(N_BINS - 1)).cast("int")
    counted = issues.groupBy(name.alias("name"), c.IS_LABEL_ISSUE, at.alias("at")).count()
    overall = _empty()
    of_class = {shown: _empty() for shown in classes}
    for of, is_issue, i, n in counted.collect():
        kind = "flagged" if is_issue else "kept"
        overall[kind][i] += n
        if of is not None:
            of_class[of][kind][i] += n
    return overall, of_class


def _found_sets(lake: Lake, stage: str) -> bool:
    commit = lake.committed(stage)
    return commit is not None and commit.figures["sets"] > 0


def _empty() -> dict[str, list[int]]:
    return {"kept": [0] * N_BINS, "flagged": [0] * N_BINS}


def _changes(issues: DataFrame) -> list[dict[str, Any]]:
    """Return which labels were put in the place of which, the most frequent first."""
    counted = issues.where(F.col(c.NEW_LABEL).isNotNull()).groupBy(c.GIVEN_LABEL, c.NEW_LABEL)
    most = counted.count().orderBy(F.desc("count"), c.GIVEN_LABEL, c.NEW_LABEL).limit(N_CHANGES)
    return [{"given": given, "new": new, "rows": n} for given, new, n in most.collect()]


def _worst(issues: DataFrame, classes: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the worst label issues of each of some classes."""
    flagged = issues.where(F.col(c.IS_LABEL_ISSUE) & F.col(c.GIVEN_LABEL).isin(list(classes)))
    in_class = Window.partitionBy(c.GIVEN_LABEL).orderBy(c.LABEL_RANK)
    ranked = flagged.withColumn("nth", F.row_number().over(in_class)).where(f"nth <= {WORST}")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in classes}
    # Sorted here, as Spark takes a sample, in a job of its own, before it sorts
    rows = ranked.select(c.LABEL_RANK, *_EXAMPLE).collect()
    for row in sorted(rows, key=itemgetter(c.LABEL_RANK)):
        found[row[c.GIVEN_LABEL]].append({name: row[name] for name in _EXAMPLE})
    return {name: rows for name, rows in found.items() if rows}


def _outliers(issues: DataFrame) -> list[dict[str, Any]]:
    if c.IS_OUTLIER_ISSUE not in issues.columns:
        return []
    furthest = issues.where(c.IS_OUTLIER_ISSUE).orderBy(c.OUTLIER_SCORE, c.ROW_ID)
    names = (c.ROW_ID, c.TEXT_PREVIEW, c.GIVEN_LABEL, c.OUTLIER_SCORE, c.DECISION)
    return [row.asDict() for row in furthest.select(*names).limit(N_OUTLIERS).collect()]


def _drifted(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """Return, of what was compared, the rows that are least like the reference."""
    commit = lake.committed("drift")
    if commit is None or not commit.rows_out:
        return {}
    rows = lake.read("checks/drift").orderBy(F.desc(c.DRIFT_SCORE), c.ROW_ID)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.collect():
        found.setdefault(row[c.DRIFT_GROUP], []).append(row.asDict())
    return {name: some[:N_DRIFTED] for name, some in found.items()}


def _largest_sets(issues: DataFrame, of: str) -> list[dict[str, Any]]:
    """Return the largest sets of rows that are alike, with a few of their rows."""
    rows = issues.where(F.col(of).isNotNull())
    sizes = rows.groupBy(of).agg(
        F.count("*").alias("n"), F.count_distinct(c.GIVEN_LABEL).alias("n_labels")
    )
    largest = sizes.orderBy(F.desc("n"), of).limit(N_SETS).collect()
    in_set = Window.partitionBy(of).orderBy(c.ROW_ID)
    shown = (of, c.ROW_ID, c.TEXT_PREVIEW, c.GIVEN_LABEL, c.DECISION)
    some = (
        rows.where(F.col(of).isin([row[of] for row in largest]))
        .withColumn("nth", F.row_number().over(in_set))
        .where(f"nth <= {SET_EXAMPLES}")
        .select("nth", *shown)
        .collect()
    )
    examples: dict[str, list[dict[str, Any]]] = {row[of]: [] for row in largest}
    for one in sorted(some, key=itemgetter("nth")):
        examples[one[of]].append({name: one[name] for name in shown})
    return [
        {
            "set": row[of],
            "rows": row["n"],
            "labels": row["n_labels"],
            "examples": examples[row[of]],
        }
        for row in largest
    ]
