"""What a run is compared with is taken in first, where it is a table."""

from dataclasses import replace
from functools import partial
from typing import Final

from pyspark.sql import SparkSession

from lakewinnow import columns as c
from lakewinnow.checks.drift import CHECK, DriftConfig, DriftFigures
from lakewinnow.config.sections import Config
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake import redaction
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.inputs.earlier_run import EarlierRun, is_workspace, open_run
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.pipeline import nested
from lakewinnow.pipeline.inputs import open_like
from lakewinnow.pipeline.steps import chosen_embedding
from lakewinnow.plan.words import counted

FOLDER: Final = "drift_reference"  # the table of the reference, while it is compared with
DRIFT_REFERENCE: Final = "checks.drift.reference"


def open_reference(
    spark: SparkSession, config: Config, wanted: DriftConfig
) -> Source | EarlierRun | None:
    """Open another run's workspace, or a table of the input's columns."""
    if wanted.reference is None:
        return None
    if is_workspace(wanted.reference):
        return open_run(spark, wanted.reference, config.workspace, DRIFT_REFERENCE)
    # Its ids mean nothing here, and its probabilities would be another model's.
    like = replace(config.input, id=None, pred_probs=None)
    return open_like(spark, like, DRIFT_REFERENCE, wanted.reference, wanted.format)


def compare(run: Run, wanted: DriftConfig) -> StageReport[DriftFigures]:
    """Run the stage; a table is taken in for it, and of its texts a sample is embedded."""
    from lakewinnow.checks.drift import stage as drift  # SciPy's functions take long to import

    lake, reference = run.lake, run.inputs.opened.get(CHECK.name)
    config, embedding = run.config, chosen_embedding(run)
    shown = redaction.rewrites(config.clean, config.checks)
    to_compare = partial(drift.ToCompare, lake, config.input, embedding, wanted, rewrites=shown)
    if not isinstance(reference, Source):
        return drift.run(to_compare(earlier=reference), run.text)
    taken_in = Lake(lake.spark, lake.files.path(FOLDER))
    warnings = _take_in(taken_in, reference, run, wanted)
    report = drift.run(to_compare(taken_in=taken_in), run.text)
    lake.files.delete(FOLDER)
    n_bytes = report.bytes_in + reference.n_bytes
    return replace(report, bytes_in=n_bytes, warnings=[*warnings, *report.warnings])


def _take_in(taken_in: Lake, reference: Source, run: Run, wanted: DriftConfig) -> list[str]:
    """Ingest the table with the classes that it has; return warnings."""
    config = run.config
    like = replace(config.input, id=None, pred_probs=None, classes=None)
    ingested = nested.take_in(taken_in, reference, like, config.crossval, DRIFT_REFERENCE)
    if like.embedding is not None or (like.features is None and config.input.pred_probs is None):
        rows = taken_in if like.embedding is not None else _sample(taken_in, wanted.max_texts)
        nested.add_vectors(rows, run.lake, like, chosen_embedding(run), run.report_progress)
    n_rejected = sum(ingested.figures.rejected.values())
    if not n_rejected:
        return []
    return [f"{DRIFT_REFERENCE}: {counted(n_rejected, 'row', of=ingested.rows_in)} cannot be used"]


def _sample(taken_in: Lake, n_texts: int) -> Lake:
    """Put the rows of the texts that are compared into a workspace of their own, to be embedded."""
    from lakewinnow.checks.drift.vectors import by_chance

    sample = Lake(taken_in.spark, taken_in.files.path("sample"))
    rows = accepted(taken_in)
    some = rows.select(c.TEXT_KEY).distinct().orderBy(by_chance(), c.TEXT_KEY).limit(n_texts)
    figures = taken_in.figures("ingest", Ingested)
    return nested.with_rows(sample, taken_in, rows.join(some, c.TEXT_KEY), figures)
