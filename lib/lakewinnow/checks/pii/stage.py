"""Personal data: rows whose text has an email address, a phone, card or account number in it.

Reads    corpus/
Writes   checks/pii/, one row per accepted row
Passes   1 over the corpus; 1 over what it writes, to count
Shuffle  none
Memory   a batch of texts a task
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from pyspark.sql import functions as F

from lakewinnow.checks.pii import CHECK, FOUND, KINDS, TAG, PiiConfig, PiiFigures
from lakewinnow.config.sections import CleanConfig
from lakewinnow.lake.check_tables import judge_texts
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.text import pii


def run(run: Run, config: PiiConfig) -> StageReport[PiiFigures]:
    """Look for personal data in every text."""
    report = judge_texts(run.lake, CHECK, partial(_judge, kinds=config.kinds))
    kinds = run.lake.read(CHECK.table).select(F.explode(KINDS).alias("kind"))
    by_kind: dict[str, int] = dict(kinds.groupBy("kind").count().collect())
    rows_by_kind: dict[str, int] = {kind: by_kind.get(kind, 0) for kind in config.kinds}
    figures = PiiFigures(rows=report.figures["rows"], rows_by_kind=rows_by_kind)
    return replace(report, reads={"corpus": 1, CHECK.table: 1}, figures=figures)


def _judge(text: str, kinds: Sequence[str]) -> tuple[bool, float, list[str] | None, str | None]:
    spans = pii.find(text, kinds)
    found = sorted({span.kind for span in spans}) or None
    why = f"{FOUND}{pii.counts(spans)}" if spans else None
    return bool(spans), 1 / (1 + len(spans)), found, why


def redacting(section: PiiConfig, clean: CleanConfig) -> Callable[[str], str]:
    """Return the function that puts a tag in the place of personal data."""
    return partial(pii.redact, kinds=section.kinds, tag=clean.option(TAG))
