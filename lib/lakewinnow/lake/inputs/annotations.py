"""Annotations: the table of who says which label a row has, long or wide; see `input.annotations`.

Read as it stands: which of its rows mean a row of the input is known when there is a corpus, and
the stage `annotations` says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow import columns as c
from lakewinnow.config.sections import AnnotationsConfig, InputConfig
from lakewinnow.errors import LakewinnowError, SchemaError, Shown, check_columns
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.inputs.source import Source, read_source, text_of

KEY: Final = "input.annotations"
IS_MALFORMED: Final = "is_malformed"
_NO_TEXT = (t.ArrayType, t.MapType, t.StructType, t.BinaryType)


@dataclass(frozen=True)
class Annotations:
    """What annotators say, a row each: row_id, annotator, label as text, null where blank."""

    rows: DataFrame  # and `IS_MALFORMED`: whether the line did not parse
    fingerprint: str


def read_annotations(spark: SparkSession, config: AnnotationsConfig) -> Annotations:
    """Open the table that `input.annotations` names, and check its columns.

    Raises
    ------
    DataError, SchemaError, ConfigError : as of the input, at the key of `input.annotations`
    """
    like = InputConfig(
        path=config.path, format=config.format, options=config.options, label=config.row
    )
    try:
        source = read_source(spark, like, input_format(like))
    except LakewinnowError as error:
        is_of_row = error.where == "input.label"
        raise error.at(f"{KEY}.row" if is_of_row else f"{KEY}.path") from error
    _check_columns(source.schema, config)
    said = _long(source, config) if config.columns is None else _wide(source, config)
    return Annotations(said, source.fingerprint)


def _long(source: Source, config: AnnotationsConfig) -> DataFrame:
    return source.df.select(
        _text(config.row, source).alias(c.ROW_ID),
        _text(config.annotator, source).alias(c.ANNOTATOR),
        _text(config.label, source).alias(c.LABEL),
        source.malformed.isNotNull().alias(IS_MALFORMED),
    )


def _wide(source: Source, config: AnnotationsConfig) -> DataFrame:
    """Return a row for each label that is there; a line that does not parse is one, too."""
    names, malformed = config.columns or (), source.malformed.isNotNull()
    said = (
        F.struct(F.lit(name).alias(c.ANNOTATOR), _text(name, source).alias(c.LABEL))
        for name in names
    )
    rows = source.df.select(
        _text(config.row, source).alias(c.ROW_ID),
        F.explode(F.array(*said)).alias("said"),
        malformed.alias(IS_MALFORMED),
    ).select(c.ROW_ID, f"said.{c.ANNOTATOR}", f"said.{c.LABEL}", IS_MALFORMED)
    is_first = F.col(c.ANNOTATOR) == names[0]
    return rows.where(F.col(c.LABEL).isNotNull() | (F.col(IS_MALFORMED) & is_first))


def _text(name: str, source: Source) -> Column:
    """Return a column as text, null where it is blank; nothing is trimmed, as in the input."""
    text = text_of(name, source.schema)
    return F.when(F.trim(text) != "", text)


def _check_columns(schema: t.StructType, config: AnnotationsConfig) -> None:
    named = list(_named(config))
    check_columns(schema.names, named, "table of annotations")
    SchemaError.raise_any(
        SchemaError(
            "wrong_column_type",
            key,
            "a column of strings, numbers, booleans or dates",
            Shown(f"{name} {schema[name].dataType.simpleString()}"),
            "cast it in the source table",
        )
        for key, name in named
        if isinstance(schema[name].dataType, _NO_TEXT)
    )


def _named(config: AnnotationsConfig) -> Iterator[tuple[str, str]]:
    """Give the keys and names of the columns that say who says what."""
    if config.columns is not None:
        yield from ((f"{KEY}.columns", name) for name in config.columns)
    else:
        yield f"{KEY}.annotator", config.annotator
        yield f"{KEY}.label", config.label
