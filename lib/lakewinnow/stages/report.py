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
from dataclasses import fields
from operator import itemgetter
from typing import Final, TypeVar

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.figures.examples import (
    DriftExample,
    DuplicateExample,
    DuplicateSet,
    Examples,
    Histogram,
    LabelChange,
    LabelExample,
    OutlierExample,
)
from lakewinnow.figures.labels import LabelIssues
from lakewinnow.figures.rows import Decided
from lakewinnow.lake.workspace import Lake, StageReport

T = TypeVar("T")
MOST_CLASSES: Final = 24  # with the most label issues; the others are in the tables by class alone
WORST: Final = 5  # examples of a class
N_BINS: Final = 25
N_OUTLIERS: Final = 10
N_DRIFTED: Final = 10  # of a comparison
N_SETS: Final = 6  # of each kind, the largest
SET_EXAMPLES: Final = 3
N_CHANGES: Final = 20

# By kind: the stage that finds them, and the column of a row's set.
_SETS: Final = {
    "exact": ("duplicates", c.EXACT_DUPLICATE_SET),
    "near": ("near_duplicates", c.NEAR_DUPLICATE_SET),
}


def run(lake: Lake, *, has_drift: bool = False) -> StageReport[Examples]:
    """Collect them."""
    issues = lake.read("issues")
    by_class: Mapping[str, int] = lake.figures("label_issues", LabelIssues).by_class
    most_first = sorted(by_class, key=lambda name: (-by_class[name], name))
    classes = most_first[:MOST_CLASSES]
    overall, of_class = _histograms(issues, classes)
    n_fixed = lake.figures("decide", Decided).decisions.get("fix", 0)
    sets = {
        kind: of
        for kind, (stage, of) in _SETS.items()
        if of in issues.columns and _found_sets(lake, stage)
    }
    examples = Examples(
        histogram=overall,
        histograms=of_class,
        changes=_changes(issues) if n_fixed else [],
        worst=_worst(issues, classes),
        outliers=_outliers(issues),
        sets={kind: _largest_sets(issues, name) for kind, name in sets.items()},
        drifted=_drifted(lake) if has_drift else {},
    )
    return StageReport(
        rows_in=lake.rows("issues"),
        rows_out=0,
        reads={"issues": 2 + bool(n_fixed) + 2 * len(sets)},
        figures=examples,
    )


def _histograms(
    issues: DataFrame, classes: Sequence[str]
) -> tuple[Histogram, dict[str, Histogram]]:
    """Count rows by label score, flagged or not: of all, and of each of some classes."""
    name = F.when(F.col(c.GIVEN_LABEL).isin(list(classes)), F.col(c.GIVEN_LABEL))
    at = F.least(F.floor(F.col(c.LABEL_SCORE) * N_BINS), F.lit(N_BINS - 1)).cast("int")
    counted = issues.groupBy(name.alias("name"), c.IS_LABEL_ISSUE, at.alias("at")).count()
    overall = _empty()
    of_class = {shown: _empty() for shown in classes}
    for of, is_issue, i, n in counted.collect():
        for histogram in (overall, *([of_class[of]] if of is not None else [])):
            (histogram.flagged if is_issue else histogram.kept)[i] += n
    return overall, of_class


def _columns(cls: type) -> list[str]:
    return [f.name for f in fields(cls)]


def _example(cls: type[T], row: Row) -> T:
    return cls(**{name: row[name] for name in _columns(cls)})


def _found_sets(lake: Lake, stage: str) -> bool:
    commit = lake.committed(stage)
    return commit is not None and commit.figures["sets"] > 0


def _empty() -> Histogram:
    return Histogram(kept=[0] * N_BINS, flagged=[0] * N_BINS)


def _changes(issues: DataFrame) -> list[LabelChange]:
    """Return which labels were put in the place of which, the most frequent first."""
    counted = issues.where(F.col(c.NEW_LABEL).isNotNull()).groupBy(c.GIVEN_LABEL, c.NEW_LABEL)
    most = counted.count().orderBy(F.desc("count"), c.GIVEN_LABEL, c.NEW_LABEL).limit(N_CHANGES)
    return [LabelChange(given=given, new=new, rows=n) for given, new, n in most.collect()]


def _worst(issues: DataFrame, classes: Sequence[str]) -> dict[str, list[LabelExample]]:
    """Return the worst label issues of each of some classes."""
    flagged = issues.where(F.col(c.IS_LABEL_ISSUE) & F.col(c.GIVEN_LABEL).isin(list(classes)))
    in_class = Window.partitionBy(c.GIVEN_LABEL).orderBy(c.LABEL_RANK)
    ranked = flagged.withColumn("nth", F.row_number().over(in_class)).where(f"nth <= {WORST}")
    found: dict[str, list[LabelExample]] = {name: [] for name in classes}
    # Sorted here, as Spark takes a sample, in a job of its own, before it sorts
    rows = ranked.select(c.LABEL_RANK, *_columns(LabelExample)).collect()
    for row in sorted(rows, key=itemgetter(c.LABEL_RANK)):
        found[row[c.GIVEN_LABEL]].append(_example(LabelExample, row))
    return {name: rows for name, rows in found.items() if rows}


def _outliers(issues: DataFrame) -> list[OutlierExample]:
    if c.IS_OUTLIER_ISSUE not in issues.columns:
        return []
    furthest = issues.where(c.IS_OUTLIER_ISSUE).orderBy(c.OUTLIER_SCORE, c.ROW_ID)
    rows = furthest.select(*_columns(OutlierExample)).limit(N_OUTLIERS).collect()
    return [_example(OutlierExample, row) for row in rows]


def _drifted(lake: Lake) -> dict[str, list[DriftExample]]:
    """Return, of what was compared, the rows that are least like the reference."""
    commit = lake.committed("drift")
    if commit is None or not commit.rows_out:
        return {}
    rows = lake.read("checks/drift").orderBy(F.desc(c.DRIFT_SCORE), c.ROW_ID)
    found: dict[str, list[DriftExample]] = {}
    for row in rows.collect():
        found.setdefault(row[c.DRIFT_GROUP], []).append(_example(DriftExample, row))
    return {name: some[:N_DRIFTED] for name, some in found.items()}


def _largest_sets(issues: DataFrame, of: str) -> list[DuplicateSet]:
    """Return the largest sets of rows that are alike, with a few of their rows."""
    rows = issues.where(F.col(of).isNotNull())
    sizes = rows.groupBy(of).agg(
        F.count("*").alias("n"), F.count_distinct(c.GIVEN_LABEL).alias("n_labels")
    )
    largest = sizes.orderBy(F.desc("n"), of).limit(N_SETS).collect()
    in_set = Window.partitionBy(of).orderBy(c.ROW_ID)
    some = (
        rows.where(F.col(of).isin([row[of] for row in largest]))
        .withColumn("nth", F.row_number().over(in_set))
        .where(f"nth <= {SET_EXAMPLES}")
        .select("nth", of, *_columns(DuplicateExample))
        .collect()
    )
    examples: dict[str, list[DuplicateExample]] = {row[of]: [] for row in largest}
    for one in sorted(some, key=itemgetter("nth")):
        examples[one[of]].append(_example(DuplicateExample, one))
    return [
        DuplicateSet(set=row[of], rows=row["n"], labels=row["n_labels"], examples=examples[row[of]])
        for row in largest
    ]
