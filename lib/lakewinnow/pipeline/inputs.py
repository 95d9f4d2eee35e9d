"""What a run reads from outside: opened and checked before anything is written."""

from collections.abc import Callable
from dataclasses import replace

from pyspark.sql import SparkSession

from lakewinnow.config.combinations import named_columns
from lakewinnow.config.formats import format_of, input_format
from lakewinnow.config.sections import CleanConfig, Config, InputConfig, TextConfig
from lakewinnow.config.types import Format
from lakewinnow.errors import ConfigError, DataError, LakewinnowError, Shown, check_columns
from lakewinnow.figures.rows import Holdout, Ingested
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs import trusted as trusted_
from lakewinnow.lake.inputs.decisions import Decisions, read_decisions
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source, read_source
from lakewinnow.lake.inputs.word_list import WordList, read_words
from lakewinnow.lake.training.training_sets import LEAST_TO_CHOOSE
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.sessions.packages import check_format, check_store
from lakewinnow.stages import (
    embed,
    ingest,
    own_vectors,
)


def open_inputs(spark: SparkSession, config: Config) -> tuple[Source, Source | None, Source | None]:
    """Open and check all that is read from outside, before anything is written.

    Returns
    -------
    the input, `evaluate.reference`, and the holdout: a file, or rows of the input, which then is
    without them
    """
    store = config.embedding.store or config.workspace
    for key, path in (("workspace", config.workspace), ("embedding.store", store)):
        check_store(spark, path, key)
    check_format(spark, config.output.format, "output.format")
    source = read_source(spark, config.input, input_format(config.input))
    check_columns(source.schema.names, named_columns(config))
    evaluate_ = config.evaluate
    reference = _open_trusted(spark, config, "evaluate.reference", evaluate_.reference)
    unnumbered = replace(config, input=replace(config.input, id=None))  # its ids mean nothing here
    holdout = _open_trusted(spark, unnumbered, "evaluate.holdout", evaluate_.holdout)
    if evaluate_.trusted is not None:
        source, holdout = trusted_.held_out(source, config.input, evaluate_)
    return source, reference, holdout


def _open_trusted(
    spark: SparkSession, config: Config, where: str, path: str | None
) -> Source | None:
    """Open a file of the input's columns."""
    if path is None:
        return None
    return open_like(spark, config.input, where, path, config.evaluate.format)


def open_like(
    spark: SparkSession, source: InputConfig, where: str, path: str, format_: Format | None
) -> Source:
    """Open another table of a source's columns; `where` is what errors name."""
    like = replace(source, path=path, table=None, format=format_, version=None)
    try:
        return read_source(spark, like, input_format(like))
    except LakewinnowError as error:
        raise error.at(where) from error


def take_in(
    trusted: Lake,
    holdout: Source,
    lake: Lake,
    config: Config,
    tell: Callable[[int, int, str], None],
) -> StageReport[Holdout]:
    """Ingest the holdout into a workspace of its own, and embed what the run's store lacks.

    Raises
    ------
    DataError
        At "evaluate.holdout": the codes of ingest; ``"holdout_rejected"``: more than
        `input.max_bad_fraction` of its rows cannot be used, or have labels that the input has not.
    """
    classes = tuple(lake.figures("ingest", Ingested).classes)
    like = replace(config.input, classes=classes, id=None)
    where = "evaluate.holdout" if config.evaluate.trusted is None else trusted_.KEY
    split = config.crossval
    if config.clean.is_to_be_chosen:  # its two folds: one to choose by, one to report on
        split = replace(split, folds=2)
    try:
        ingested = ingest.run(trusted, holdout, like, split)
    except DataError as error:
        raise error.at(where) from error
    rejected = ingested.figures.rejected
    n_rejected = sum(rejected.values())
    if n_rejected > like.max_bad_fraction * ingested.rows_in:
        reasons = ", ".join(f"{n:,} {code}" for code, n in rejected.items())
        raise DataError(
            "holdout_rejected",
            where,
            f"at most {like.max_bad_fraction:.0%} of its rows that cannot be used",
            Shown(f"{n_rejected:,} of {ingested.rows_in:,} ({reasons})"),
            "its labels are to be the input's; see holdout/quarantine/ in the workspace",
        )
    is_halved = config.clean.is_to_be_chosen and ingested.rows_out >= 2 * LEAST_TO_CHOOSE
    figures = replace(ingested.figures, is_halved=is_halved)
    trusted.commit("ingest", holdout.fingerprint, 0.0, replace(ingested, figures=figures))
    if like.has_own_vectors:
        n_passes, n_embedded = own_vectors.run(trusted, like).reads["corpus"], 0
    else:
        store = store_of(lake, config.embedding).files.root
        embedded = embed.run(trusted, like, replace(config.embedding, store=store), tell)
        n_passes, n_embedded = embedded.reads["corpus"], embedded.figures.embedded
    return StageReport(
        rows_in=ingested.rows_in,
        rows_out=ingested.rows_out,
        reads={"holdout/corpus": n_passes},
        bytes_in=ingested.bytes_in,
        writes=("holdout/corpus", "holdout/quarantine"),
        figures=Holdout(
            rows=ingested.rows_out,
            of_input=config.evaluate.trusted is not None,
            rejected=rejected,
            class_counts=dict(zip(classes, figures.class_counts, strict=True)),
            embedded=n_embedded,
        ),
    )


def open_decisions(spark: SparkSession, config: CleanConfig) -> Decisions | None:
    """Open the user's own decisions, if there are some."""
    if config.decisions is None:
        return None
    format_ = format_of(config.decisions) or "parquet"
    return read_decisions(spark, config.decisions, format_)


def open_words(config: TextConfig | None) -> WordList | None:
    """Read the user's list of words, if there is one."""
    return None if config is None or config.words is None else read_words(config.words)


def with_classes_of(config: Config, noise_model: EarlierNoiseModel) -> Config:
    """Fix the classes to the noise model's.

    Raises
    ------
    ConfigError : "same_workspace", "conflicting_inputs"
    DataError : "other_classes"
    """
    if noise_model.path == Files(config.workspace).path("noise_model.json"):
        hint = "a batch has a workspace of its own: --set workspace=…"
        expected = "another workspace than the noise model's, which it would replace"
        raise ConfigError("same_workspace", "workspace", expected, config.workspace, hint)
    if config.embedding.candidates:
        hint = "the earlier run's summary.json says which one it used"
        expected, got = "none beside a noise model, which is of one embedding", Shown("a list")
        raise ConfigError("conflicting_inputs", "embedding.candidates", expected, got, hint)
    if config.input.classes is not None:
        noise_model.model.check_classes(config.input.classes, "input.classes")
    classes = noise_model.model.classes
    return replace(config, input=replace(config.input, classes=classes))
