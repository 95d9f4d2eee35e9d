"""CSV and JSON lines as a DataFrame, where an engine's own reader would lose something.

Sail's reader of CSV refuses rows of another length, Spark's changes line breaks inside quotes and
knows few encodings; Sail's have no column for the text of a line that does not parse. Here Python
functions read, one task a file; nothing is stored. Row ids hang on what they make of a file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, StringType, StructField, StructType

from lakewinnow.errors import ConfigError
from lakewinnow.lake.inputs.text_files import csv_blocks, csv_types, json_lines
from lakewinnow.lake.inputs.text_files.csv_dialect import (
    LISTING,
    CsvDialect,
    csv_dialect,
    has_encoding_of_spark,
    unsupported,
)
from lakewinnow.lake.inputs.text_files.csv_headers import common_header
from lakewinnow.lake.inputs.text_files.csv_records import Tokens
from lakewinnow.lake.inputs.text_files.listing import InputFile, folder_keys
from lakewinnow.spark.arrow.functions import BatchFunction, map_batches

_FILES: Final = "folder string, name string, size bigint, keys string"
_FOUND: Final = "found string"  # JSON of what a task has found
# Options of Spark's reader of JSON: at these values, its own, there is nothing to do.
_JSON_DEFAULTS: Final = {
    "multiline": "false",
    "mode": "permissive",
    "encoding": "utf-8",
    "primitivesasstring": "false",
    "prefersdecimal": "false",
    "allowsinglequotes": "true",
    "allownonnumericnumbers": "true",
    "samplingratio": "1.0",
}


# Hadoop writes the first three its own way; the others it reads with libraries that few have.
_ONLY_SPARK: Final = (".deflate", ".snappy", ".lz4")
_NOT_SPARK: Final = (".zst", ".zip")
_HEAD_BYTES: Final = 1 << 10


class NothingToReadError(Exception):
    """Files have no row, or no column: what they have instead."""


def read_csv(
    spark: SparkSession, files: Sequence[InputFile], options: Mapping[str, str], malformed: str
) -> tuple[DataFrame, StructType]:
    """Read CSV: rows with the text of a line that does not parse, else null; and the other columns.

    Parameters
    ----------
    spark : a session whose workers see the files
    options : of Spark's reader
    malformed : name of the column of lines that do not parse

    Raises
    ------
    NothingToReadError
    ConfigError : "option_of_spark", "invalid_option"
    SchemaError : "headers_differ"
    """
    _check_codecs(files)
    dialect = csv_dialect(options)
    tokens = common_header(files, dialect, options)
    if tokens is None:
        raise NothingToReadError("no columns")
    names = column_names(tokens, dialect)
    types = _types(spark, files, names, dialect)
    schema = StructType([StructField(*field) for field in zip(names, types, strict=True)])
    parse = partial(
        _parse_csv, dialect=dialect, types=types, names=_names(schema, files, malformed)
    )
    return _read(spark, files, parse, schema, malformed)


def spark_reads(files: Sequence[InputFile], format_: str, options: Mapping[str, str]) -> bool:
    """Whether Spark's own reader reads these files as what they hold."""
    if any(file.name.endswith(_ONLY_SPARK) for file in files):
        return True
    if any(file.name.endswith(_NOT_SPARK) for file in files):
        return False
    if format_ == "csv":  # Spark makes a newline of line breaks inside quotes
        in_lines = {k.lower(): v for k, v in options.items()}.get("multiline") == "false"
        return in_lines and has_encoding_of_spark(options)
    with files[0].open() as stream:
        return not json_lines.is_array(bytes(stream.read(_HEAD_BYTES)))


def _check_codecs(files: Sequence[InputFile]) -> None:
    for file in files:
        if file.name.endswith(_ONLY_SPARK):
            expected, hint = (
                "files without compression, or .gz, .bz2 or .zst",
                "use `engine: spark`",
            )
            raise ConfigError("codec_of_spark", "input.path", expected, file.name, hint)


def _names(schema: StructType, files: Sequence[InputFile], malformed: str) -> list[str]:
    return [*schema.names, *folder_keys(files, schema.names), malformed]


def _read(
    spark: SparkSession,
    files: Sequence[InputFile],
    parse: BatchFunction,
    schema: StructType,
    malformed: str,
) -> tuple[DataFrame, StructType]:
    keys = [StructField(key, StringType()) for key in folder_keys(files, schema.names)]
    found = StructType([*schema.fields, *keys])
    whole = StructType([*found.fields, StructField(malformed, StringType())])
    return map_batches(over(spark, files), parse, whole), found


def over(spark: SparkSession, files: Sequence[InputFile]) -> DataFrame:
    """Return the files as rows, each a partition of its own."""
    rows = [(file.folder, file.name, file.size, file.keys) for file in files]
    return spark.createDataFrame(rows, _FILES).repartition(len(rows))


def column_names(tokens: Tokens, dialect: CsvDialect) -> list[str]:
    """Name columns as Spark does: one without a name by its place, twins with their place."""
    if not dialect.header:
        return [f"_c{i}" for i in range(len(tokens))]
    lower = [token.lower() for token in tokens]
    twins = {name for name in lower if lower.count(name) > 1}
    return [
        f"_c{i}"
        if token in ("", dialect.null_value)
        else f"{token}{i}"
        if token.lower() in twins
        else token
        for i, token in enumerate(tokens)
    ]


def _types(
    spark: SparkSession, files: Sequence[InputFile], names: Sequence[str], dialect: CsvDialect
) -> list[DataType]:
    if not dialect.infer_schema:
        return [StringType()] * len(names)
    find = partial(_find_kinds, dialect=dialect, n_columns=len(names))
    found = _find(spark, files, find)
    return [
        csv_types.common_type(name, chain.from_iterable(kinds))
        for name, *kinds in zip(names, *found, strict=True)
    ]


def _find(spark: SparkSession, files: Sequence[InputFile], find: BatchFunction) -> list[Any]:
    """Look over all files for what their rows have in common."""
    found = map_batches(over(spark, files), find, _FOUND).collect()
    return [json.loads(as_json) for [as_json] in found]


def _parse_csv(
    batches: Iterator[pa.RecordBatch],
    dialect: CsvDialect,
    types: Sequence[DataType],
    names: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read the files that a batch names."""
    for file in named_files(batches):
        for rows in csv_blocks.rows(file.text(dialect.encoding), dialect, len(types)):
            columns = list(map(csv_types.typed, rows.columns, types))
            own = [*names[: len(types)], names[-1]]
            batch = pa.RecordBatch.from_arrays([*columns, rows.malformed], own)
            if dialect.mode == "dropmalformed":
                batch = batch.filter(rows.malformed.is_null())
            yield file.in_columns(batch, names)


def _find_kinds(
    batches: Iterator[pa.RecordBatch], dialect: CsvDialect, n_columns: int
) -> Iterator[pa.RecordBatch]:
    """Find the kinds of the values of each column."""
    kinds: list[set[str]] = [set() for _ in range(n_columns)]
    for file in named_files(batches):
        for rows in csv_blocks.rows(file.text(dialect.encoding), dialect, n_columns):
            for found, column in zip(kinds, rows.columns, strict=True):
                found.update(map(csv_types.kind_of, filter(None, column.unique().to_pylist())))
    yield _found([sorted(found) for found in kinds])


def _found(what: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"found": [json.dumps(what)]})


def named_files(batches: Iterator[pa.RecordBatch]) -> Iterator[InputFile]:
    """Yield the files that a task is given, of `over`."""
    for batch in batches:
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield InputFile(*values)


def read_json(
    spark: SparkSession, files: Sequence[InputFile], options: Mapping[str, str], malformed: str
) -> tuple[DataFrame, StructType]:
    """Read JSON lines, as `read_csv` reads CSV."""
    _check_json_options(options)
    _check_codecs(files)
    inferred = json_lines.Inferred()
    for kind, has_others, twins in _find(spark, files, _infer):
        inferred.merge(json_lines.Inferred(kind, has_others, set(twins)))
    schema = json_lines.schema_of(inferred, malformed)
    if not schema.fields:
        raise NothingToReadError("no line that parses" if inferred.has_others else "no columns")
    names = _names(schema, files, malformed)
    parse = partial(_parse_json, schema=schema, malformed=malformed, names=names)
    return _read(spark, files, parse, schema, malformed)


def _check_json_options(options: Mapping[str, str]) -> None:
    for name, value in options.items():
        lower = name.lower()
        if lower not in LISTING and _JSON_DEFAULTS.get(lower) != value.lower():
            raise unsupported(name, value)


def _infer(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Find what the files that a batch names hold."""
    inferred = json_lines.Inferred()
    for file in named_files(batches):
        with file.open() as stream:
            inferred.add(stream)
    yield _found([inferred.kind, inferred.has_others, sorted(inferred.twins)])


def _parse_json(
    batches: Iterator[pa.RecordBatch], schema: StructType, malformed: str, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Read the files that a batch names."""
    for file in named_files(batches):
        with file.open() as stream:
            for batch in json_lines.rows(stream, schema, malformed):
                yield file.in_columns(batch, names)
