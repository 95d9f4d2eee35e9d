"""Personal data: rows whose text has an email address, a phone, card or account number in it.

Reads    corpus/
Writes   checks/pii/, one row per accepted row
Passes   1 over the corpus; 1 over what it writes, to count
Shuffle  none
Memory   a batch of texts a task
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.pii import CHECK, FOUND, IS_ISSUE, KINDS, SCORE, TAG, PersonalData, PiiConfig
from lakewinnow.config.sections import CleanConfig
from lakewinnow.lake import check_tables
from lakewinnow.lake.check_tables import WHY
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.text import pii


def run(run: Run, config: PiiConfig) -> StageReport[PersonalData]:
    """Look for personal data in every text."""
    lake = run.lake
    texts = accepted(lake).select(c.ROW_ID, c.TEXT)
    found = map_batches(
        texts, partial(_find_batches, kinds=config.kinds), check_tables.schema(CHECK)
    )
    lake.publish(CHECK.table, found, schema=check_tables.schema(CHECK))
    kinds = lake.read(CHECK.table).select(F.explode(KINDS).alias("kind"))
    by_kind: dict[str, int] = dict(kinds.groupBy("kind").count().collect())
    n_issues = lake.read(CHECK.table).where(IS_ISSUE).count()
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows(CHECK.table),
        reads={"corpus": 1, CHECK.table: 2},
        writes=(CHECK.table,),
        figures=PersonalData(
            rows=n_issues,
            rows_by_kind={kind: by_kind.get(kind, 0) for kind in config.kinds},
        ),
    )


def _find_batches(
    batches: Iterable[pa.RecordBatch], kinds: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = [pii.find(text, kinds) for text in batch.column(c.TEXT).to_pylist()]
        of_row = [sorted({span.kind for span in spans}) or None for spans in found]
        said = [f"{FOUND}{pii.counts(spans)}" if spans else None for spans in found]
        columns = {
            c.ROW_ID: batch.column(c.ROW_ID),
            IS_ISSUE: pa.array(map(bool, found), pa.bool_()),
            SCORE: pa.array([1 / (1 + len(spans)) for spans in found], pa.float64()),
            KINDS: pa.array(of_row, pa.list_(pa.string())),
            WHY: pa.array(said, pa.string()),
        }
        yield arrow.record_batch(check_tables.schema(CHECK), columns)


def redacting(section: PiiConfig, clean: CleanConfig) -> Callable[[str], str]:
    """Return the function that puts a tag in the place of personal data."""
    return partial(pii.redact, kinds=section.kinds, tag=clean.option(TAG))
