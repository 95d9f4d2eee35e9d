"""Personal data: rows whose text has an email address, a phone, card or account number in it.

Reads    corpus/
Writes   checks/pii/, one row per accepted row
Passes   1 over the corpus; 1 over its ids, where texts are redacted; 1 over what it writes
Shuffle  none
Memory   a batch of texts a task
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.pii import CHECK, FOUND, KINDS, REDACT, TAG, PiiConfig, PiiFigures
from lakewinnow.config.sections import CleanConfig
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.check_tables import judge_texts
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.text import pii


def run(run: Run, config: PiiConfig) -> StageReport[PiiFigures]:
    """Look for personal data in every text.

    Raises
    ------
    DataError : "personal_id": texts are to be redacted, and an id of `input.id` has personal data
    """
    if run.config.clean.action(CHECK) == REDACT and run.config.input.id is not None:
        _check_ids(run, config)
    report = judge_texts(run.lake, CHECK, partial(_judge, kinds=config.kinds))
    kinds = run.lake.read(CHECK.table).select(F.explode(KINDS).alias("kind"))
    by_kind: dict[str, int] = dict(kinds.groupBy("kind").count().collect())
    rows_by_kind: dict[str, int] = {kind: by_kind.get(kind, 0) for kind in config.kinds}
    figures = PiiFigures(rows=report.figures["rows"], rows_by_kind=rows_by_kind)
    return replace(report, reads={"corpus": 1, CHECK.table: 1}, figures=figures)


def _check_ids(run: Run, config: PiiConfig) -> None:
    """Stop before a table that others see is written: ids are in all of them."""
    # Any long number could be a card's, so an id of digits alone passes.
    ids = accepted(run.lake).select(c.ROW_ID).where(~F.col(c.ROW_ID).rlike("^[0-9]*$"))
    found = map_batches(ids, partial(_personal_ids, kinds=config.kinds), "kind string, n bigint")
    counts = found.groupBy("kind").agg(F.sum("n").alias("n")).orderBy("kind").collect()
    if counts:
        expected = "ids without personal data, as clean.pii is redact and ids are in every table"
        got = Shown(", ".join(f"{n:,} × {kind}" for kind, n in counts))
        hint = "name another column, or leave input.id out: ids are then made from the content"
        raise DataError("personal_id", "input.id", expected, got, hint)


def _personal_ids(
    batches: Iterable[pa.RecordBatch], kinds: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        of_rows = (pii.find(row_id, kinds) for row_id in batch.column(c.ROW_ID).to_pylist())
        counts = Counter(kind for spans in of_rows for kind in {span.kind for span in spans})
        columns = {
            "kind": pa.array(counts.keys(), pa.string()),
            "n": pa.array(counts.values(), pa.int64()),
        }
        yield pa.record_batch(columns)


def _judge(text: str, kinds: Sequence[str]) -> tuple[bool, float, list[str] | None, str | None]:
    spans = pii.find(text, kinds)
    found = sorted({span.kind for span in spans}) or None
    why = f"{FOUND}{pii.counts(spans)}" if spans else None
    return bool(spans), 1 / (1 + len(spans)), found, why


def redacting(section: PiiConfig, clean: CleanConfig) -> Callable[[str], str]:
    """Return the function that puts a tag in the place of personal data."""
    return partial(pii.redact, kinds=section.kinds, tag=clean.option(TAG))
