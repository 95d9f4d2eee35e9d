"""Non-iid: whether rows that are alike come one after the other, in the order of some column.

Reads    checks/neighbors/, corpus/
Writes   checks/non_iid/, one row per accepted row
Passes   1 over the neighbours, 2 over the keys and the column of the corpus
Shuffle  row ids once, to bring what was found to the rows
Memory   one task: `lake.graphs.row_graph`

A table on a lake has no order of its own, so a column has to say it: numbers (in text, too) by
their size, anything else as it compares, rows without a value last, equal ones by their ids. Where
texts are compared with a sample of texts, it is that sample's order that is tested. As in Datalab
the row that is least by chance is flagged, for all, if the test says that the order matters.
"""

import contextlib
import json
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.non_iid import CHECK, IS_ISSUE, SCORE, NonIidConfig, OrderFigures
from lakewinnow.core.checks import non_iid as core
from lakewinnow.core.checks.row_graph import RowGraph
from lakewinnow.core.types import IntArray
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import input_column
from lakewinnow.lake.graphs import row_graph
from lakewinnow.lake.observed import MAX, Observed
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

_BY: Final = "by"
_NOTE: Final = "note"  # in one row: the figures, as JSON
_LEAST_ROWS: Final = 3
_FOUND = schema({c.ROW_ID: "string", IS_ISSUE: "boolean", SCORE: "double?", _NOTE: "string?"})


def run(run: Run, config: NonIidConfig) -> StageReport[OrderFigures]:
    """Test the order, and find the row whose neighbours are least where chance would have them."""
    lake = run.lake
    by = input_column(run.config.input, config.by).alias(_BY)
    seen = Observed(lake, row_graph.judged(lake, [by], _test, _FOUND), {_NOTE: MAX})
    why = F.format_string("rows that are alike are near to each other by %s", F.lit(config.by))
    rows = row_graph.with_all_rows(lake, seen.rows)
    judged = check_tables.flagged(CHECK, rows, F.col(IS_ISSUE), why)
    check_tables.publish(lake, CHECK, judged)
    found = json.loads(seen.figures()[_NOTE])
    figures = OrderFigures(by=config.by, significant=core.SIGNIFICANT, **found)
    return check_tables.report(lake, CHECK, {"checks/neighbors": 1, "corpus": 2}, figures)


def _test(rows: pa.Table, graph: RowGraph) -> pa.Table:
    n_rows = len(rows)
    scores, is_issue = np.full(n_rows, np.nan), np.zeros(n_rows, bool)
    figures: dict[str, float | None] = {"rows": 0, "judged": 0, "statistic": None, "p_value": None}
    if n_rows >= _LEAST_ROWS:
        ranked = _in_order(rows.column(_BY).combine_chunks())
        places = np.empty(n_rows, np.int64)
        places[ranked] = np.arange(n_rows)
        found = core.order(places[graph.positions[ranked]])
        scores[ranked] = found.scores
        is_significant = found.p_value < core.SIGNIFICANT
        is_issue[ranked[found.scores.argmin()]] = is_significant
        figures = {
            "rows": int(is_significant),
            "judged": n_rows,
            "statistic": found.statistic,
            "p_value": found.p_value,
        }
    columns = {
        c.ROW_ID: rows.column(c.ROW_ID).combine_chunks(),
        IS_ISSUE: is_issue,
        SCORE: pa.array(scores, mask=np.isnan(scores)),
        _NOTE: pa.array([json.dumps(figures), *[None] * (n_rows - 1)], pa.string()),
    }
    return arrow.table(_FOUND, columns)


def _in_order(values: pa.Array) -> IntArray:
    """Return the rows in the order of their values; level ones stay in the order of their ids."""
    if pa.types.is_string(values.type):
        with contextlib.suppress(pa.ArrowInvalid):  # which are no numbers
            values = values.cast(pa.float64())
    ranked: IntArray = pc.sort_indices(values).to_numpy()
    return ranked.astype(np.int64)
