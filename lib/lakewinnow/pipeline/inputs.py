"""What a run reads from outside: opened and checked before anything is written."""

from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.combinations import named
from lakewinnow.config.sections import Config, InputConfig
from lakewinnow.config.types import COLUMN, FileFormat
from lakewinnow.errors import ConfigError, DataError, LakewinnowError, Shown, check_columns
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs import trusted
from lakewinnow.lake.inputs.annotations import read_annotations
from lakewinnow.lake.inputs.checked import Checked, read_checked
from lakewinnow.lake.inputs.decisions import Decisions, read_decisions
from lakewinnow.lake.inputs.folder_values import check_partition_by
from lakewinnow.lake.inputs.formats import file_format, input_format
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source, read_source
from lakewinnow.lake.run import Inputs
from lakewinnow.plan.stage import loaded
from lakewinnow.spark.sessions.packages import check_format, check_store


def open_inputs(
    spark: SparkSession, config: Config, noise_model: EarlierNoiseModel | None = None
) -> Inputs:
    """Open and check all that is read from outside, before anything is written.

    The holdout is a file, or rows of the input, which then is without them.
    """
    store = config.embedding.store or config.workspace
    for key, path in (("workspace", config.workspace), ("embedding.store", store)):
        check_store(spark, path, key)
    check_format(spark, config.output.format, "output.format")
    source = read_source(spark, config.input, input_format(config.input))
    check_columns(source.schema.names, named(COLUMN, config))
    check_partition_by(source.df, config.input, config.output)
    evaluate = config.evaluate
    reference = _open_trusted(spark, config, "evaluate.reference", evaluate.reference)
    unnumbered = replace(config, input=replace(config.input, id=None))  # its ids mean nothing here
    holdout = _open_trusted(spark, unnumbered, "evaluate.holdout", evaluate.holdout)
    if evaluate.trusted is not None:
        source, holdout = trusted.held_out(source, config.input, evaluate)
    decisions = _open_decisions(spark, config.clean.decisions)
    annotations = config.input.annotations
    return Inputs(
        source=source,
        reference=reference,
        holdout=holdout,
        decisions=decisions,
        annotations=None if annotations.path is None else read_annotations(spark, annotations),
        checked=_open_checked(spark, config, decisions),
        opened={
            check.name: loaded(check.opens)(spark, config, config.checks.section(check))
            for check in config.checks.on
            if check.opens is not None
        },
        noise_model=noise_model,
    )


def _open_decisions(spark: SparkSession, path: str | None) -> Decisions | None:
    if path is None:
        return None
    return read_decisions(spark, path, file_format(path))


def _open_checked(
    spark: SparkSession, config: Config, decisions: Decisions | None
) -> Checked | None:
    """Open the sample for review, where a promise rests on what was decided about its rows."""
    clean = config.clean
    is_said = clean.decisions_at_random or clean.checked_label is not None
    if decisions is None or not clean.is_promised or is_said:
        return None
    sample = read_checked(spark, Files(config.workspace), clean.promise_key)
    if not decisions.rows.join(F.broadcast(sample.rows), c.ROW_ID, "left_semi").take(1):
        hint = "they are of another sample, or of rows that nobody drew"
        expected, got = "decisions about rows of the sample for review", Shown("none")
        raise DataError("another_sample", "clean.decisions", expected, got, hint)
    return sample


def _open_trusted(
    spark: SparkSession, config: Config, where: str, path: str | None
) -> Source | None:
    """Open a file of the input's columns."""
    if path is None:
        return None
    return open_like(spark, config.input, where, path, config.evaluate.format)


def open_like(
    spark: SparkSession, source: InputConfig, where: str, path: str, format_: FileFormat | None
) -> Source:
    """Open another table of a source's columns; `where` is what errors name."""
    like = replace(source, path=path, table=None, format=format_, version=None)
    try:
        return read_source(spark, like, input_format(like))
    except LakewinnowError as error:
        raise error.at(where) from error


def with_classes_of(config: Config, noise_model: EarlierNoiseModel) -> Config:
    """Fix the classes to the noise model's.

    Raises
    ------
    ConfigError : "same_workspace", "conflicting_inputs"
    DataError : "other_classes"
    """
    if noise_model.path == Files(config.workspace).path("noise_model.json"):
        hint = "a batch needs its own workspace: --set workspace=…"
        expected = "a different workspace from the noise model's, which would be overwritten"
        raise ConfigError("same_workspace", "workspace", expected, config.workspace, hint)
    if config.embedding.candidates:
        hint = "the earlier run's summary.json says which one it used"
        expected, got = "none with a noise model, which belongs to one embedding", Shown("a list")
        raise ConfigError("conflicting_inputs", "embedding.candidates", expected, got, hint)
    if config.input.classes is not None:
        noise_model.model.check_classes(config.input.classes, "input.classes")
    classes = noise_model.model.classes
    return replace(config, input=replace(config.input, classes=classes))
