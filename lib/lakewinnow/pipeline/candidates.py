"""Which of several embeddings a run uses: each is tried on a sample, as the run would use it.

Reads    corpus/; for each candidate the sample's vectors
Writes   candidates/, a workspace that the sample is in meanwhile; the store (vectors of the sample)
Passes   1 over the corpus; over the sample those of embed, crossval and noise, for each candidate
Shuffle  of the sample, as in those stages

The measure is the log loss of the given labels by models that have not seen them, temperature
chosen, every class weighted equally: what `summary.json` has as calibrated_balanced_log_loss. It
needs no truth, and on Politeness it orders eight encoders almost as the AUROC of their label scores
does. Labels that are wrong at random are as unlikely under one embedding as under another.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, cast

import numpy as np
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import Config, EmbeddingConfig
from lakewinnow.core.evaluation.sampling import quotas
from lakewinnow.embedding import listed, registry
from lakewinnow.errors import LakewinnowError, ProviderError, Shown
from lakewinnow.figures.labels import Candidate, CandidateFigures
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.inputs import content
from lakewinnow.lake.run import Run
from lakewinnow.lake.training.sample import stratified
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.pipeline.nested import ReportProgress, in_store_of, with_rows
from lakewinnow.stages import crossval, embed, noise

FOLDER: Final = "candidates"


def compare(run: Run) -> StageReport[CandidateFigures]:
    """Try every candidate on a sample of the corpus; the best is in the report.

    Raises
    ------
    ProviderError : "cost_limit": the samples, and then the corpus, would cost more than a
        candidate's `openai.max_cost_usd`; nothing was spent. Else as `embed.run`.
    DataError, EngineError : as `embed.run` and `crossval.run`, at the candidate's key
    """
    lake, config = run.lake, run.config
    sections = listed.sections(config.embedding)
    sample = _take_sample(lake, config)
    _check_cost(lake, sample, sections)
    tried, warnings = [], []
    for i, section in enumerate(sections):
        tell = partial(_tell, run.report_progress, f"{i + 1} of {len(sections)}")
        try:
            compared, told = _try(lake, sample, replace(config, embedding=section), tell)
        except LakewinnowError as error:
            raise listed.at(error, i) from error
        tried.append(compared)
        warnings += [f"{listed.KEY}[{i}]: {warning}" for warning in told]
    best = int(np.argmin([of.log_loss for of in tried]))
    n_rows = sample.rows("corpus")
    lake.files.delete(FOLDER)
    return StageReport(
        rows_in=lake.rows("corpus"),
        rows_out=n_rows,
        reads={"corpus": 1},
        figures=CandidateFigures(rows=n_rows, used=best, compared=tried),
        warnings=warnings,
    )


def _take_sample(lake: Lake, config: Config) -> Lake:
    """Put rows of smallest hash, stratified by class, into a workspace of their own."""
    sample = Lake(lake.spark, lake.files.path(FOLDER))
    ingested = lake.figures("ingest", Ingested)
    counts = np.array(ingested.class_counts, np.int64)
    wanted = quotas(counts[None, :], config.embedding.candidate_rows)[0]
    n_shards = max(1, -(-int(wanted.sum()) // config.crossval.rows_per_shard))
    rows = stratified(
        accepted(lake),
        F.col(c.LABEL),
        F.xxhash64(c.TEXT_KEY, F.lit("candidates")),
        counts,
        wanted,
    )
    shard = content.shard(c.TEXT_KEY, n_shards, config.crossval.seed)
    figures = replace(ingested, class_counts=wanted.tolist(), n_shards=n_shards)
    return with_rows(sample, lake, rows.withColumn(c.SHARD, shard), figures)


def _try(
    lake: Lake, sample: Lake, config: Config, tell: Callable[[int, int, str], None]
) -> tuple[Candidate, list[str]]:
    """Embed and cross-validate the sample; return the figures, and warnings."""
    started = time.monotonic()
    section = in_store_of(lake, config.embedding)
    embedded = embed.run(sample, config.input, section, tell).figures
    on_vectors = config.crossval.on_vectors
    validated = crossval.run(sample, section, on_vectors)
    _, worth = noise.measured(sample, on_vectors)
    is_free = registry.load(section).limits.usd_per_million_tokens == 0
    tried = Candidate(
        **vars(embedded.identity),
        layers=section.layers if section.layers == "final" else list(section.layers),
        log_loss=cast("float", worth.calibrated_balanced_log_loss),
        temperature=cast("float", worth.temperature),
        C=validated.figures.C,
        embedded=embedded.embedded,
        seconds=round(time.monotonic() - started, 1),
        cost_usd=0.0 if is_free else embedded.cost_usd,
    )
    return tried, [*validated.warnings, *noise.warnings(worth)]


def estimate(lake: Lake, config: Config) -> list[tuple[embed.Estimate, embed.Estimate]]:
    """Say what each candidate would take: to be compared, and then to embed the whole corpus.

    Raises
    ------
    ConfigError, ProviderError : as `embed.estimate`, at the candidate's key
    """
    sample = _take_sample(lake, config)
    numbered = enumerate(listed.sections(config.embedding))
    found = [_estimates(lake, sample, i, section) for i, section in numbered]
    lake.files.delete(FOLDER)
    return found


def _estimates(
    lake: Lake, sample: Lake, i: int, section: EmbeddingConfig
) -> tuple[embed.Estimate, embed.Estimate]:
    stored = in_store_of(lake, section)
    try:
        return embed.estimate(sample, stored), embed.estimate(lake, stored)
    except LakewinnowError as error:
        raise listed.at(error, i) from error


def _check_cost(lake: Lake, sample: Lake, sections: tuple[EmbeddingConfig, ...]) -> None:
    """Count what every candidate would cost, on the sample and then on the corpus."""
    bounded = [i for i, of in enumerate(sections) if of.openai.max_cost_usd is not None]
    if not bounded:
        return
    usd = {}
    for i, section in enumerate(sections):
        if registry.load(section).limits.usd_per_million_tokens != 0:
            usd[i] = [of.cost_usd or 0.0 for of in _estimates(lake, sample, i, section)]
    of_samples = sum(of_sample for of_sample, _ in usd.values())
    for i in bounded:
        of_sample, of_corpus = usd.get(i, (0.0, 0.0))
        total, most = of_samples + of_corpus - of_sample, sections[i].openai.max_cost_usd
        if i in usd and most is not None and total > most:
            where = f"{listed.KEY}[{i}].openai.max_cost_usd"
            expected = f"samples and then the corpus to embed for at most {most:g} USD"
            got = Shown(f"about {total:.4g} USD, {of_samples:.4g} of it for the samples")
            hint = "raise it, or leave out the candidate; nothing was spent"
            raise ProviderError("cost_limit", where, expected, got, hint)


def _tell(report: ReportProgress, which: str, done: int, total: int, note: str) -> None:
    report(done, total, ", ".join(filter(None, (which, note))))
