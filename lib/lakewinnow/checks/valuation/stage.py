"""Valuation: what each row adds to a classifier by nearest neighbours.

Reads    checks/neighbors/, corpus/
Writes   checks/valuation/, one row per accepted row
Passes   1 over the neighbours, 2 over the keys of the corpus
Shuffle  row ids once, to bring what was found to the rows
Memory   one task: `lake.graphs.row_graph`

Where texts are compared with a sample of texts, rows of that sample are judged, among themselves.
"""

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.valuation import CHECK, IS_ISSUE, SCORE, ValuationConfig, ValuationFigures
from lakewinnow.core.checks import valuation as core
from lakewinnow.core.checks.row_graph import RowGraph
from lakewinnow.figures.labels import NeighborFigures
from lakewinnow.lake import check_tables
from lakewinnow.lake.graphs import row_graph
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema

_VALUED = schema({c.ROW_ID: "string", SCORE: "double"})


def run(run: Run, config: ValuationConfig) -> StageReport[ValuationFigures]:
    """Find the rows that do more harm than good."""
    lake = run.lake
    valued = row_graph.judged(lake, [], _value, _VALUED)
    score = F.col(SCORE)
    why = F.format_string(
        f"of low value: %s, below {config.threshold:.6g}", portable.fixed(score, 6)
    )
    rows = row_graph.with_all_rows(lake, valued)
    judged = check_tables.flagged(CHECK, rows, score < config.threshold, why)
    check_tables.publish(lake, CHECK, judged)
    found = lake.read(CHECK.table)
    n_issues, n_judged, mean = found.agg(
        F.count_if(IS_ISSUE), F.count(score), portable.mean(score)
    ).collect()[0]
    figures = ValuationFigures(
        rows=n_issues,
        judged=n_judged,
        mean=mean,
        threshold=config.threshold,
        k=lake.figures("neighbors", NeighborFigures).k,
    )
    return check_tables.report(lake, CHECK, {"checks/neighbors": 1, "corpus": 2}, figures)


def _value(rows: pa.Table, graph: RowGraph) -> pa.Table:
    labels = rows.column(c.LABEL).to_numpy().astype("int64")
    columns = {
        c.ROW_ID: rows.column(c.ROW_ID).combine_chunks(),
        SCORE: core.values(labels, graph.positions),
    }
    return arrow.table(_VALUED, columns)
