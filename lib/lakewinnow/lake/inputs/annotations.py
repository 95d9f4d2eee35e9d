"""Annotations: the table of who says which label a row has, long or wide; see `input.annotations`.

Or what a tool for labelling has exported, which is read whole: people have made it.

Read as it stands: which of its rows mean a row of the input is known when there is a corpus, and
the stage `annotations` says so.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow import columns as c
from lakewinnow.config.sections import AnnotationsConfig, InputConfig
from lakewinnow.config.types import FileFormat
from lakewinnow.errors import DataError, LakewinnowError, SchemaError, Shown, check_columns
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.formats import input_format
from lakewinnow.lake.inputs.source import Source, read_source, text_of
from lakewinnow.lake.labelling_tools import TOOLS, answers
from lakewinnow.spark.schemas import schema

KEY: Final = "input.annotations"
IS_MALFORMED: Final = "is_malformed"
_ANSWERS: Final = schema(
    {c.ROW_ID: "string?", c.ANNOTATOR: "string?", c.LABEL: "string?", IS_MALFORMED: "boolean"}
)
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
    if config.format in TOOLS:
        return _answers(spark, config)
    format_ = cast("FileFormat | None", config.format)
    like = InputConfig(path=config.path, format=format_, options=config.options, label=config.row)
    try:
        source = read_source(spark, like, input_format(like))
    except LakewinnowError as error:
        is_of_row = error.where == "input.label"
        raise error.at(f"{KEY}.row" if is_of_row else f"{KEY}.path") from error
    _check_columns(source.schema, config)
    said = _long(source, config) if config.columns is None else _wide(source, config)
    return Annotations(said, source.fingerprint)


def _answers(spark: SparkSession, config: AnnotationsConfig) -> Annotations:
    """Read the export of a tool for labelling: a file, or the JSON files of a folder."""
    files, where = Files(config.path or ""), f"{KEY}.path"
    names = [files.name_of(entry) for entry in files.listing()]
    contents = [
        content
        for name in sorted(names)
        if (not name or _is_json(name)) and (content := files.read_bytes(name)) is not None
    ]
    if not contents:
        got, hint = Shown(f"none in {config.path}"), "relative paths start in the current folder"
        raise DataError("input_not_found", where, "a JSON file", got, hint)
    found = (
        (*said, False)
        for content in contents
        for said in answers(f"{config.format}", content, where, config.row, config.label)
    )
    rows = spark.createDataFrame([*found], _ANSWERS)
    digests = b"".join(hashlib.sha256(content).digest() for content in contents)
    return Annotations(rows, hashlib.sha256(digests).hexdigest())


def _is_json(name: str) -> bool:
    """Whether a file is an export: those of settings are in hidden folders."""
    return name.endswith(".json") and not any(part.startswith(".") for part in name.split("/"))


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
    check_columns(schema.names, named, "annotation table")
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
