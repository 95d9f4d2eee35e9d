"""What a run is compared with: opened before anything is written, taken in where it is a table."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from pyspark.sql import SparkSession

from lakewinnow import columns as c
from lakewinnow.config.sections import Config, DriftConfig
from lakewinnow.errors import DataError
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake import redaction
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.inputs.earlier_run import EarlierRun, is_workspace, open_run
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.pipeline.inputs import open_like
from lakewinnow.stages import embed, ingest, own_vectors

FOLDER: Final = "drift_reference"  # the table of the reference, while it is compared with
KEY: Final = "checks.drift.reference"


def open_reference(spark: SparkSession, config: Config) -> Source | EarlierRun | None:
    """Open another run's workspace, or a table of the input's columns.

    Raises
    ------
    ConfigError, DataError, SchemaError
        As `open_run` and `read_source`, at "checks.drift.reference".
    """
    wanted = config.checks.drift
    if wanted is None or wanted.reference is None:
        return None
    if is_workspace(wanted.reference):
        return open_run(spark, wanted.reference, config.workspace, KEY)
    # Its ids mean nothing here, and its probabilities would be another model's.
    like = replace(config.input, id=None, pred_probs=None)
    return open_like(spark, like, KEY, wanted.reference, wanted.format)


def compare(
    lake: Lake,
    config: Config,
    wanted: DriftConfig,
    reference: Source | EarlierRun | None,
    tell: Callable[[int, int, str], None],
) -> StageReport:
    """Run the stage; a table is taken in for it, and of its texts a sample is embedded."""
    from lakewinnow.checks.drift import stage as drift  # SciPy's functions take long to import

    text = redaction.text(config.clean, config.checks)
    run = partial(drift.run, lake, config.input, config.embedding, wanted, text=text)
    if not isinstance(reference, Source):
        return run(earlier=reference)
    taken_in = Lake(lake.spark, lake.files.path(FOLDER))
    warnings = _take_in(taken_in, reference, lake, config, wanted, tell)
    report = run(taken_in=taken_in)
    lake.files.delete(FOLDER)
    n_bytes = report.bytes_in + reference.n_bytes
    return replace(report, bytes_in=n_bytes, warnings=[*warnings, *report.warnings])


def _take_in(
    taken_in: Lake,
    reference: Source,
    lake: Lake,
    config: Config,
    wanted: DriftConfig,
    tell: Callable[[int, int, str], None],
) -> list[str]:
    """Ingest the table with the classes that it has; return warnings."""
    like = replace(config.input, id=None, pred_probs=None, classes=None)
    try:
        ingested = ingest.run(taken_in, reference, like, config.crossval)
    except DataError as error:
        raise error.at(KEY) from error
    taken_in.commit("ingest", reference.fingerprint, 0.0, ingested)
    if like.embedding is not None:
        own_vectors.run(taken_in, like)
    elif like.features is None and config.input.pred_probs is None:
        sample = _sample(taken_in, wanted.max_texts)
        store = store_of(lake, config.embedding).files.root
        embed.run(sample, like, replace(config.embedding, store=store), tell)
    n_rejected = sum(ingested.figures.rejected.values())
    if not n_rejected:
        return []
    return [f"{KEY}: {n_rejected:,} of {ingested.rows_in:,} rows cannot be used"]


def _sample(taken_in: Lake, n_texts: int) -> Lake:
    """Put the rows of the texts that are compared into a workspace of their own, to be embedded."""
    from lakewinnow.checks.drift.vectors import by_chance

    sample = Lake(taken_in.spark, taken_in.files.path("sample"))
    rows = accepted(taken_in)
    some = rows.select(c.TEXT_KEY).distinct().orderBy(by_chance(), c.TEXT_KEY).limit(n_texts)
    sample.publish("corpus", rows.join(some, c.TEXT_KEY))
    sample.publish("quarantine", taken_in.read("quarantine").limit(0))  # embed may add to it
    n_rows = sample.rows("corpus")
    figures = taken_in.figures("ingest", Ingested)
    report = StageReport(rows_in=n_rows, rows_out=n_rows, reads={}, figures=figures)
    sample.commit("ingest", "of the reference", 0.0, report)
    return sample
