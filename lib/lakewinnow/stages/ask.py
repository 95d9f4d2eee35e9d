"""Ask: the rows of which one more opinion is worth most, for people or a tool for labelling.

Reads    checks/label_issues/, corpus/, opinions/*, the sets of checks that find rows alike, and
         checks/neighbors/, where a check has it made
Writes   ask/, of at most `ask.rows` rows; with `ask.format`, labelling/: files that a tool imports
Passes   2 each: the rows that gain most, of which some are alike; all of those that are left. One
         for what rows at random would gain
Shuffle  none but the ranking
Memory   with `ask.format` the driver: the texts of these rows

Rows that are alike are asked about once, and rows that the user has decided not at all.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from lakewinnow import columns as c
from lakewinnow.config.sections import AskConfig
from lakewinnow.figures.opinions import Asked
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.labelling_tools import TOOLS
from lakewinnow.lake.opinions import read_opinions, said_by_annotators
from lakewinnow.lake.queue import most_valuable
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema

TABLE: Final = "ask"
FILES: Final = "labelling"
_LEAST_GAIN: Final = 1e-6  # of less, there is nothing to ask
_STEPS: Final = 40  # of the curve
_TICKS: Final = 2.0**32  # of a gain: whole numbers add up to the same in any order
_OPINION: Final = schema({c.ANNOTATOR: "string?", c.LABEL: "string?"})
_RANKS: Final = schema({c.ROW_ID: "string", c.ASK_RANK: "int"})
ASK: Final = schema(
    {
        c.ASK_RANK: "int",  # 1 = worth most
        c.ROW_ID: "string",
        c.TEXT: "string",
        c.GIVEN_LABEL: "string",
        c.SUGGESTED_LABEL: "string",
        c.SUGGESTED_PROB: "double",
        c.GIVEN_LABEL_PROB: "double",
        c.GAIN: "double",
        c.WHY: "string",
        c.OPINIONS: ArrayType(_OPINION),
    }
)


def run(
    lake: Lake,
    config: AskConfig,
    text: Column,
    kinds: Sequence[str],
    sets: Mapping[str, str],
    own: Decisions | None = None,
    *,
    has_neighbors: bool = False,
) -> StageReport[Asked]:
    """Rank the rows.

    Parameters
    ----------
    text : of a row of corpus/, as others may see it
    kinds : of annotators that have opinions
    sets : by table, the column of the set of rows alike that a row is in
    own : the user's decisions
    has_neighbors : whether checks/neighbors/ is this run's
    """
    judged = lake.read("checks/label_issues").where(F.col(c.GAIN) > _LEAST_GAIN)
    if own is not None:
        judged = judged.join(own.rows.select(c.ROW_ID), c.ROW_ID, "left_anti")
    chosen = most_valuable(lake, judged, config.rows or 0, sets, has_neighbors=has_neighbors)
    ranked = [(row_id, rank) for rank, row_id in enumerate(chosen, 1)]
    ranks = lake.spark.createDataFrame(ranked, _RANKS)
    rows = judged.join(F.broadcast(ranks), c.ROW_ID)
    texts = accepted(lake).select(c.ROW_ID, text.alias(c.TEXT))
    rows = texts.join(F.broadcast(rows), c.ROW_ID)
    rows = rows.withColumn(c.WHY, _why(has_opinions=bool(kinds)))
    lake.publish(TABLE, _with_opinions(lake, rows, kinds), schema=ASK)
    gains = lake.read(TABLE).select(c.GAIN).toArrow()[c.GAIN].to_pylist()
    lake.drop(FILES)
    files = () if config.format is None else _write_files(lake, config.format)
    n_all = lake.rows("checks/label_issues")
    return StageReport(
        rows_in=n_all,
        rows_out=len(gains),
        reads={"checks/label_issues": 3, "corpus": 2, **dict.fromkeys(sets, 1)},
        writes=(TABLE, *files),
        figures=_figures(sorted(gains, reverse=True), judged, n_all),
    )


def _figures(gains: Sequence[float], judged: DataFrame, n_all: int) -> Asked:
    """Say what asking gains.

    Parameters
    ----------
    gains : of the rows to ask about, the largest first
    judged : all rows that would gain something
    """
    ticks = F.sum(F.floor(F.col(c.GAIN) * _TICKS).cast("bigint"))
    total = (judged.agg(ticks).collect()[0][0] or 0) / _TICKS
    n_rows = len(gains)
    n_steps = min(_STEPS, n_rows)
    return Asked(
        rows=n_rows,
        gain=math.fsum(gains),
        by_chance=total / n_all * n_rows if n_rows else 0.0,
        curve=[math.fsum(gains[: n_rows * step // n_steps]) for step in range(1, n_steps + 1)],
    )


def _write_files(lake: Lake, tool: str) -> Sequence[str]:
    """Write the rows as a tool for labelling imports them; return the names of the files."""
    rows = lake.read(TABLE).toArrow().sort_by(c.ASK_RANK).to_pylist()
    classes = lake.figures("ingest", Ingested).classes
    files = {f"{FILES}/{name}": of for name, of in TOOLS[tool].files(rows, classes).items()}
    for name, text in files.items():
        lake.files.write_text(name, text)
    return tuple(files)


def _why(*, has_opinions: bool) -> Column:
    """Say what makes a row worth asking about."""
    prob = F.concat(F.lit(" ("), portable.fixed(F.col(c.PREDICTED_PROB), 2), F.lit(")"))
    text = F.concat(F.lit("the text looks like "), F.col(c.PREDICTED_LABEL), prob)
    label = F.concat(F.lit("the label is "), F.col(c.GIVEN_LABEL))
    said = [said_by_annotators()] if has_opinions else []
    return F.concat_ws("; ", text, label, *said)


def _with_opinions(lake: Lake, rows: DataFrame, kinds: Sequence[str]) -> DataFrame:
    """Add the opinions that there are on each row."""
    none = F.array().cast(ASK[c.OPINIONS].dataType)
    if not kinds:
        return rows.withColumn(c.OPINIONS, none)
    classes = F.array(*map(F.lit, lake.figures("ingest", Ingested).classes))
    label = F.get(classes, F.col(c.LABEL)).alias(c.LABEL)
    said = read_opinions(lake, kinds).join(F.broadcast(rows.select(c.ROW_ID)), c.ROW_ID)
    by_row = said.groupBy(c.ROW_ID).agg(
        F.sort_array(F.collect_list(F.struct(c.ANNOTATOR, label))).alias(c.OPINIONS)
    )
    rows = rows.drop(c.OPINIONS).join(by_row, c.ROW_ID, "left")
    return rows.withColumn(c.OPINIONS, F.coalesce(c.OPINIONS, none))
