"""Personal data: rows whose text has an email address, a phone, card or account number in it.

Reads    corpus/
Writes   checks/pii/, one row per accepted row
Passes   1 over the corpus; 1 over what it writes, to count
Shuffle  none
Memory   a batch of texts a task
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import PiiConfig
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.row_checks import PII, PII_SAID, WHY
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.text import pii


def run(lake: Lake, config: PiiConfig) -> StageReport:
    """Look for personal data in every text."""
    texts = accepted(lake).select(c.ROW_ID, c.TEXT)
    found = map_batches(texts, partial(_find_batches, kinds=config.kinds), PII.schema)
    lake.publish(PII.table, found, schema=PII.schema)
    kinds = lake.read(PII.table).select(F.explode(c.PII_KINDS).alias("kind"))
    by_kind: dict[str, int] = dict(kinds.groupBy("kind").count().collect())
    n_issues = lake.read(PII.table).where(c.IS_PII_ISSUE).count()
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows(PII.table),
        reads={"corpus": 1, PII.table: 2},
        writes=(PII.table,),
        details={
            "rows": n_issues,
            "rows_by_kind": {kind: by_kind.get(kind, 0) for kind in config.kinds},
        },
    )


def _find_batches(
    batches: Iterable[pa.RecordBatch], kinds: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = [pii.find(text, kinds) for text in batch.column(c.TEXT).to_pylist()]
        of_row = [sorted({span.kind for span in spans}) or None for spans in found]
        said = [f"{PII_SAID}{pii.counts(spans)}" if spans else None for spans in found]
        columns = {
            c.ROW_ID: batch.column(c.ROW_ID),
            c.IS_PII_ISSUE: pa.array(map(bool, found), pa.bool_()),
            c.PII_SCORE: pa.array([1 / (1 + len(spans)) for spans in found], pa.float64()),
            c.PII_KINDS: pa.array(of_row, pa.list_(pa.string())),
            WHY: pa.array(said, pa.string()),
        }
        yield arrow.record_batch(PII.schema, columns)
