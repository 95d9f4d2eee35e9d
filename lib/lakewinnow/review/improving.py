"""Draw the rows of a finished run that an answer helps most, for people to review.

Reads    issues/, checks/label_issues/, the sets of checks that find rows alike, and what
         `evidence` reads
Writes   review_queue/: queue.parquet, queue.csv, review.html, and queue.json, written last
Passes   2 over the label issues and the issues (the rows worth most; what is said of them)
Shuffle  the ranking of the label issues
"""

import math
from collections.abc import Mapping
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.queue import most_valuable
from lakewinnow.lake.workspace import Lake
from lakewinnow.review import files
from lakewinnow.review.evidence import TEXTS_ALONE, Sources, evidence
from lakewinnow.review.files import QUEUE, SAID, Queue


def draw_queue(
    lake: Lake,
    n: int,
    sets: Mapping[str, str],
    sources: Sources = TEXTS_ALONE,
    *,
    redraw: bool = False,
) -> Queue:
    """Draw the rows of which one more opinion is worth most, and write them and their page.

    Rows that the user has decided already are left out, and so are those that are like one drawn.

    Parameters
    ----------
    n : rows to draw
    sets : by table, its column of the set of rows alike that a row is in
    redraw : replace others that are there

    Raises
    ------
    DataError : "no_issues": the workspace has no finished run; "no_gain"; "nothing_to_review";
        "another_sample" is there
    """
    files.check(lake.files, is_drawn=False)
    classes = lake.figures("ingest", Ingested).classes
    decided = lake.read("issues").where(F.col(c.DECIDED_BY).isNotNull()).select(c.ROW_ID)
    n_decided = decided.count()
    rows = lake.read("checks/label_issues").join(decided, c.ROW_ID, "left_anti")
    if c.GAIN not in rows.columns:
        got = Shown("one that an earlier version of the package made")
        expected, hint = "a run that says what opinions are worth", "run `lakewinnow run` again"
        raise DataError("no_gain", "workspace", expected, got, hint)
    ids = most_valuable(lake, rows, n, sets, has_neighbors=sources.has_neighbors)
    if not ids:
        hint = "every row is decided in clean.decisions"
        raise DataError("nothing_to_review", "issues/", "rows to review", Shown("none"), hint)
    order = lake.spark.createDataFrame(
        pa.table({c.ROW_ID: ids, c.REVIEW_ORDER: [*range(1, len(ids) + 1)]})
    )
    chosen = rows.select(*SAID, c.GAIN).join(F.broadcast(order), c.ROW_ID)
    own = chosen.toArrow().sort_by(c.REVIEW_ORDER)
    seen = evidence(lake, own, classes, sources)
    table = pa.table(
        {
            c.REVIEW_ORDER: own[c.REVIEW_ORDER],
            c.ROW_ID: own[c.ROW_ID],
            **{name: seen[name] for name in (c.TEXT, c.TEXT_LENGTH)},
            **{name: own[name] for name in (*SAID[1:], c.GAIN)},
            **{name: seen[name] for name in (c.LIKELY_LABELS, c.OPINIONS, c.NEAREST)},
        }
    )
    found = Queue(
        id=files.id_of(classes, own.select(SAID)),
        rows=table.num_rows,
        decided=n_decided,
        classes=classes,
        gain=math.fsum(own[c.GAIN].to_pylist()),
    )
    files.write(lake.files, QUEUE, asdict(found), table, redraw=redraw)
    return found
