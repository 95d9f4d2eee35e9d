"""Workspaces within the workspace: trusted rows, a reference's rows, a sample to be tried out."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pyspark.sql import DataFrame

from lakewinnow.config.sections import CrossvalConfig, EmbeddingConfig, InputConfig
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.rows import Holdout, Ingested
from lakewinnow.lake.corpus import UNLABELLED, forget_refused, in_corpus
from lakewinnow.lake.inputs import trusted as trusted_
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.run import HOLDOUT, Run
from lakewinnow.lake.training.training_sets import LEAST_TO_CHOOSE
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages import crossval, embed, ingest, own_vectors

ReportProgress = Callable[[int, int, str], None]


def take_in(
    lake: Lake, source: Source, like: InputConfig, split: CrossvalConfig, where: str
) -> StageReport[Ingested]:
    """Ingest a table into a workspace of its own; `where` is what errors name.

    Raises
    ------
    DataError : the codes of ingest
    """
    like = replace(like, unlabelled="quarantine")
    try:
        ingested = ingest.run(lake, source, like, split)
    except DataError as error:
        raise error.at(where) from error
    lake.commit("ingest", source.fingerprint, 0.0, ingested)
    return ingested


def with_rows(lake: Lake, of: Lake, rows: DataFrame, figures: Ingested) -> Lake:
    """Put some rows of a workspace's corpus/ into another, as if they had been ingested there."""
    lake.publish("corpus", rows)
    _as_ingested(lake, of, figures)
    return lake


def _as_ingested(lake: Lake, of: Lake, figures: Ingested) -> None:
    lake.publish("quarantine", of.read("quarantine").limit(0))  # embed may add to it
    n_rows = lake.rows("corpus")
    report = StageReport(rows_in=n_rows, rows_out=n_rows, reads={}, figures=figures)
    lake.commit("ingest", "some rows of another workspace", 0.0, report)


def in_store_of(lake: Lake, embedding: EmbeddingConfig) -> EmbeddingConfig:
    """Return the section with the run's store in place of a nested workspace's own."""
    return replace(embedding, store=store_of(lake, embedding).files.root)


def add_vectors(
    lake: Lake, of: Lake, like: InputConfig, embedding: EmbeddingConfig, report: ReportProgress
) -> int:
    """Give the rows of a nested workspace vectors, in the run's store; return how many are new."""
    if like.has_own_vectors:
        own_vectors.run(lake, like)
        return 0
    return embed.run(lake, like, in_store_of(of, embedding), report).figures.embedded


def take_in_holdout(run: Run, embedding: EmbeddingConfig) -> StageReport[Holdout]:
    """Ingest the holdout, and embed what the run's store lacks.

    Raises
    ------
    DataError : at "evaluate.holdout": the codes of ingest; "holdout_rejected": more than
        `input.max_bad_fraction` of its rows cannot be used, or have labels that the input has not
    """
    lake, config, holdout = run.lake, run.config, run.inputs.holdout
    if holdout is None:  # the graph has seen to it
        raise ValueError("no holdout")
    trusted = lake.within(HOLDOUT)
    classes = tuple(lake.figures("ingest", Ingested).classes)
    like = replace(config.input, classes=classes, id=None)
    is_of_input, split = config.evaluate.trusted is not None, config.crossval
    where = trusted_.KEY if is_of_input else "evaluate.holdout"
    if config.clean.is_to_be_chosen:  # its two folds: one to choose by, one to report on
        split = replace(split, folds=2)
    ingested = take_in(trusted, holdout, like, split, where)
    rejected = ingested.figures.rejected
    _check_rejected(rejected, ingested.rows_in, like.max_bad_fraction, where)
    is_halved = config.clean.is_to_be_chosen and ingested.rows_out >= 2 * LEAST_TO_CHOOSE
    figures = replace(ingested.figures, is_halved=is_halved)
    trusted.commit("ingest", holdout.fingerprint, 0.0, replace(ingested, figures=figures))
    n_embedded = add_vectors(trusted, lake, like, embedding, run.report_progress)
    return StageReport(
        rows_in=ingested.rows_in,
        rows_out=ingested.rows_out,
        reads={"holdout/corpus": 1 if like.features is None else 2},
        bytes_in=ingested.bytes_in,
        writes=("holdout/corpus", "holdout/quarantine"),
        figures=Holdout(
            rows=ingested.rows_out,
            of_input=is_of_input,
            rejected=rejected,
            class_counts=dict(zip(classes, figures.class_counts, strict=True)),
            embedded=n_embedded,
        ),
    )


def predict_unlabelled(run: Run, embedding: EmbeddingConfig) -> StageReport[None]:
    """Embed the rows without a label, and predict it by models that learn from the others."""
    lake, config = run.lake, run.config
    apart = lake.within(UNLABELLED.partition("/")[0])
    forget_refused(apart)
    _as_ingested(apart, lake, lake.figures("ingest", Ingested))
    add_vectors(apart, lake, config.input, embedding, run.report_progress)
    return crossval.predict_others(lake, in_corpus(apart), embedding, config.crossval)


def _check_rejected(rejected: Mapping[str, int], n_rows: int, most: float, where: str) -> None:
    n_rejected = sum(rejected.values())
    if n_rejected > most * n_rows:
        reasons = ", ".join(f"{n:,} {code}" for code, n in rejected.items())
        expected = f"at most {most:.0%} of its rows that cannot be used"
        got = Shown(f"{n_rejected:,} of {n_rows:,} ({reasons})")
        hint = "its labels must be classes of the input; see holdout/quarantine/ in the workspace"
        raise DataError("holdout_rejected", where, expected, got, hint)
