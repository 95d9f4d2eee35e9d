"""Groups: rows of a kind that the classifier does badly on.

Reads    pred_probs/, corpus/; for clusters checks/neighbors/
Writes   checks/groups/, one row per accepted row; checks/group_members/, one per row and group;
         for clusters checks/clusters/, one per row that was clustered
Passes   1 over the probabilities, 1 over the corpus, 3 over the members; for clusters as
         `clusters`
Shuffle  row ids and self-confidence, by row id and by group; a group that many rows are in does not
         stand in one task, for only sums travel

Groups are those of the values of the user's columns, each column by itself, and clusters of the
embeddings. Groups of fewer than `min_rows` rows do not count. A group's score is its mean
self-confidence divided by that of the rows of all groups, where it is below that, else 1. The worst
group of each column is flagged if its score is below the threshold. A row has the score of the
worst of its groups.

cleanlab 2.9.0 compares a group's mean with the least *ratio* so far, so that which group it takes
for the worst, and whether any is flagged, depends on how they are numbered. Here the worst is the
one of least ratio.
"""

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.checks.groups import (
    CHECK,
    GROUP,
    IS_ISSUE,
    SCORE,
    Group,
    GroupFigures,
    GroupsConfig,
    clusters,
)
from lakewinnow.config.sections import Config
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake import check_tables, redaction
from lakewinnow.lake.corpus import accepted, accepted_probs, input_column
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema

_MEMBERS: Final = "checks/group_members"
_KIND: Final = "kind"  # the column, or clusters.KIND
_GROUP: Final = "group"
_TICKS: Final = "ticks"
_TICK: Final = 2.0**-32  # self-confidence is summed in whole numbers of these: in any order
_MEMBER = schema({c.ROW_ID: "string", _KIND: "string", _GROUP: "string", _TICKS: "bigint"})


def run(run: Run, config: GroupsConfig) -> StageReport[GroupFigures]:
    """Find the groups that the classifier does badly on."""
    lake = run.lake
    by_cluster = config.clusters and run.config.input.pred_probs is None
    if by_cluster:
        clusters.publish(lake, config.max_distance)
    lake.publish(
        _MEMBERS, _members(lake, run.config, config, by_cluster=by_cluster), schema=_MEMBER
    )
    scored = _scored(lake.read(_MEMBERS), config.min_rows)
    worst = _worst(scored, config.threshold)
    check_tables.publish(lake, CHECK, _judged(lake, scored, worst))
    n_issues = lake.files.count_true(CHECK.table, IS_ISSUE)
    figures = GroupFigures(rows=n_issues, worst=worst, threshold=config.threshold)
    reads = {"pred_probs": 1, "corpus": 2, _MEMBERS: 3}
    if not by_cluster:
        return check_tables.report(lake, CHECK, reads, figures, _MEMBERS)
    reads |= {"checks/neighbors": 2, clusters.TABLE: 2}
    return check_tables.report(lake, CHECK, reads, figures, _MEMBERS, clusters.TABLE)


def _members(lake: Lake, config: Config, groups: GroupsConfig, *, by_cluster: bool) -> DataFrame:
    """Return the groups that each row is in, and its self-confidence; a value of null is none."""
    own = F.get(c.PRED_PROBS, F.col(c.LABEL)).cast("double")
    ticks = portable.rint(own / F.lit(_TICK))
    confidence = accepted_probs(lake).select(c.ROW_ID, ticks.alias(_TICKS))
    kinds = [
        F.struct(F.lit(name).alias(_KIND), _text(lake, config, name).alias(_GROUP))
        for name in groups.columns
    ]
    rows = accepted(lake)
    if by_cluster:
        rows = rows.join(clusters.of_rows(lake, groups.max_distance), c.ROW_ID, "left")
        kinds.append(F.struct(F.lit(clusters.KIND).alias(_KIND), F.col(_GROUP).alias(_GROUP)))
    return (
        rows.select(c.ROW_ID, F.inline(F.array(*kinds)))
        .where(F.col(_GROUP).isNotNull())
        .join(confidence, c.ROW_ID)
    )


def _text(lake: Lake, config: Config, name: str) -> Column:
    schema = StructType.fromJson(lake.figures("ingest", Ingested).input_columns)
    value = portable.as_text(input_column(config.input, name), schema[name].dataType)
    return redaction.group_names(value, config.clean, config.checks)


def _scored(members: DataFrame, min_rows: int) -> DataFrame:
    """Add to each group of `min_rows` rows its score, and return (kind, group, n, score)."""
    groups = (
        members.groupBy(_KIND, _GROUP)
        .agg(F.count("*").alias("n"), F.sum(F.col(_TICKS).cast("decimal(38,0)")).alias(_TICKS))
        .where(F.col("n") >= min_rows)
    )
    means = groups.groupBy(_KIND).agg(_mean(F.sum(_TICKS), F.sum("n")).alias("of_all"))
    ratio = _mean(F.col(_TICKS), F.col("n")) / F.col("of_all")
    return groups.join(F.broadcast(means), _KIND).select(
        _KIND, _GROUP, "n", F.when(ratio < 1, ratio).otherwise(1.0).alias("score")
    )


def _mean(ticks: Column, n: Column) -> Column:
    return ticks.cast("double") / n * _TICK


def _worst(scored: DataFrame, threshold: float) -> list[Group]:
    """Return the worst group of each kind; of several the one that comes first by name."""
    found = scored.groupBy(_KIND).agg(F.min(F.struct("score", _GROUP, "n")).alias("worst"))
    return [
        Group(
            by=row[_KIND],
            group=row["worst"][_GROUP],
            rows=row["worst"]["n"],
            score=row["worst"]["score"],
            is_issue=row["worst"]["score"] < threshold,
        )
        for row in found.orderBy(_KIND).collect()
    ]


def _judged(lake: Lake, scored: DataFrame, worst: list[Group]) -> DataFrame:
    flagged = F.lit(False)  # noqa: FBT003
    for one in worst:
        if one.is_issue:
            flagged |= (F.col(_KIND) == one.by) & (F.col(_GROUP) == one.group)
    name = F.concat_ws(" ", _KIND, _GROUP)
    groups = scored.select(_KIND, _GROUP, "score", flagged.alias("flagged"), name.alias("name"))
    of_rows = (
        lake.read(_MEMBERS)
        .join(groups, [_KIND, _GROUP])
        .groupBy(c.ROW_ID)
        .agg(F.min(F.struct("score", "name")).alias("least"), F.max("flagged").alias("flagged"))
    )
    score = F.coalesce("least.score", F.lit(1.0))
    why = F.format_string(
        "of a group that does badly: %s, confidence %s of that of all",
        "least.name",
        portable.fixed(score, 2),
    )
    rows = accepted(lake).select(c.ROW_ID).join(of_rows, c.ROW_ID, "left")
    scored = rows.withColumns({SCORE: score, GROUP: F.when(score < 1, F.col("least.name"))})
    return check_tables.flagged(CHECK, scored, F.col("flagged"), why)
