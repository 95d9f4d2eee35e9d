"""Report: the examples and counts that the report shows and no other stage has written down.

Reads    issues/, and what checks of the whole input list: checks/drift/
Writes   nothing; what it finds goes into report.html, which is written with summary.json
Passes   1 over the issues to count them by score and 1 for the flagged rows; where there are
         some, 1 for new labels, 1 for each check that lists rows, 2 for each check that finds sets
         of rows which are alike, and 1, over a few rows, for what drift lists
Shuffle  of the flagged rows of `MOST_CLASSES` classes, by class
Memory   the driver: `MOST_CLASSES` × `WORST` rows and 25 bins a class, whatever the corpus
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import itemgetter
from typing import Any, Final, TypeVar

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.figures.examples import (
    DuplicateExample,
    DuplicateSet,
    Examples,
    GroupExample,
    Histogram,
    LabelChange,
    LabelExample,
    ListedExample,
)
from lakewinnow.figures.labels import LabelIssueFigures
from lakewinnow.figures.rows import Decided
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.check import Check

T = TypeVar("T")
MOST_CLASSES: Final = 24  # with the most label issues; the others are in the tables by class alone
WORST: Final = 5  # examples of a class
N_BINS: Final = 25
N_LISTED: Final = 10
N_OF_GROUP: Final = 10
N_SETS: Final = 6  # of each kind, the largest
SET_EXAMPLES: Final = 3
N_CHANGES: Final = 20


def run(lake: Lake, checks: Sequence[Check[Any]]) -> StageReport[Examples]:
    """Collect them."""
    issues = lake.read("issues").where(F.col(c.GIVEN_LABEL).isNotNull())
    by_class: Mapping[str, int] = lake.figures("label_issues", LabelIssueFigures).by_class
    most_first = sorted(by_class, key=lambda name: (-by_class[name], name))
    classes = most_first[:MOST_CLASSES]
    overall, of_class = _histograms(issues, classes)
    n_fixed = lake.figures("decide", Decided).decisions.get("fix", 0)
    sets = [check for check in checks if check.set_of and _found(lake, check)["sets"]]
    of_rows = [check for check in checks if check.lists_rows and check.is_issue is not None]
    listed = [check for check in of_rows if _found(lake, check)["rows"]]
    grouped = [check for check in checks if check.lists_rows and check.is_issue is None]
    examples = Examples(
        histogram=overall,
        histograms=of_class,
        changes=_changes(issues) if n_fixed else [],
        worst=_worst(issues, classes),
        listed={check.name: _listed(issues, check) for check in listed},
        sets={check.name: _largest_sets(issues, check) for check in sets},
        grouped={check.name: _by_group(lake, check) for check in grouped},
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


def _found(lake: Lake, check: Check[Any]) -> Mapping[str, Any]:
    commit = lake.committed(check.name)
    return {"sets": 0, "rows": 0} if commit is None else commit.figures


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


def _listed(issues: DataFrame, check: Check[Any]) -> list[ListedExample]:
    """Return the rows of the worst score by a check."""
    is_issue, score = f"{check.is_issue}", f"{check.score}"
    worst = issues.where(is_issue).orderBy(score, c.ROW_ID).limit(N_LISTED)
    rows = worst.withColumn("score", F.col(score)).select(*_columns(ListedExample)).collect()
    return [_example(ListedExample, row) for row in rows]


def _by_group(lake: Lake, check: Check[Any]) -> dict[str, list[GroupExample]]:
    """Return the rows of greatest score that a check of the whole input lists, by their group."""
    commit = lake.committed(check.name)
    if commit is None or not commit.rows_out:
        return {}
    group, score = F.col(f"{check.group}"), F.col(f"{check.score}")
    rows = lake.read(check.table).withColumns({"group": group, "score": score})
    found: dict[str, list[GroupExample]] = {}
    for row in rows.orderBy(score.desc(), c.ROW_ID).select(*_columns(GroupExample)).collect():
        found.setdefault(row["group"], []).append(_example(GroupExample, row))
    return {name: some[:N_OF_GROUP] for name, some in found.items()}


def _largest_sets(issues: DataFrame, check: Check[Any]) -> list[DuplicateSet]:
    """Return the largest sets of rows that are alike, with a few rows of each, or one of equals."""
    of, n_examples = f"{check.set_of}", 1 if check.score is None else SET_EXAMPLES
    rows = issues.where(F.col(of).isNotNull())
    sizes = rows.groupBy(of).agg(
        F.count("*").alias("n"), F.count_distinct(c.GIVEN_LABEL).alias("n_labels")
    )
    largest = sizes.orderBy(F.desc("n"), of).limit(N_SETS).collect()
    in_set = Window.partitionBy(of).orderBy(c.ROW_ID)
    some = (
        rows.where(F.col(of).isin([row[of] for row in largest]))
        .withColumn("nth", F.row_number().over(in_set))
        .where(f"nth <= {n_examples}")
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
