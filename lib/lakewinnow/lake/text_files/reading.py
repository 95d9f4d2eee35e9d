"""CSV and JSON lines as a DataFrame where the engine's own readers differ from Spark's.

Sail's reader of CSV refuses rows of another length, and its readers have no column for the text of
a line that does not parse. Here Python functions read, one task a file; nothing is stored. What
they make of a file is what Spark's readers make of it, to the byte: row ids hang on that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, StringType, StructField, StructType

from lakewinnow.errors import ConfigError
from lakewinnow.lake.files import Files
from lakewinnow.lake.text_files import csv_blocks, csv_types
from lakewinnow.lake.text_files.csv_dialect import CsvDialect, csv_dialect
from lakewinnow.lake.text_files.csv_records import Tokens
from lakewinnow.lake.text_files.decoding import clean_utf8, decompressed
from lakewinnow.lake.text_files.listing import InputFile, list_files
from lakewinnow.spark.functions import map_batches

_FILES: Final = "folder string, name string"
_KINDS: Final = "position int, kind string"


@dataclass(frozen=True)
class TextTable:
    """What was found at a path.

    Attributes
    ----------
    rows : the file's columns, then the text of a line that does not parse, else null
    schema : the file's columns alone; no field where there is nothing to read
    files : URIs of what is read
    why_nothing : where there is nothing to read, what the files have
    """

    rows: DataFrame | None
    schema: StructType
    files: list[str]
    why_nothing: str = "no columns"


def read_csv(
    spark: SparkSession, path: str, options: Mapping[str, str], malformed: str
) -> TextTable | None:
    """Read CSV; None where there is no such path.

    Parameters
    ----------
    spark : a session whose workers see the files
    path : as Spark takes it
    options : of Spark's reader
    malformed : name of the column of lines that do not parse

    Raises
    ------
    ConfigError : "option_of_spark", "invalid_option", "partitioned_folder"
    """
    dialect = csv_dialect(options)
    files = list_files(path, options)
    if files is None:
        return None
    uris = [file.uri for file in files]
    first = (csv_blocks.first_record(_text(file, dialect), dialect) for file in files)
    tokens = next((record for record in first if record is not None), None)
    if tokens is None:
        return TextTable(None, StructType([]), uris)
    names = _column_names(tokens, dialect)
    types = _types(spark, files, names, dialect)
    schema = StructType([StructField(*field) for field in zip(names, types, strict=True)])
    with_malformed = StructType([*schema.fields, StructField(malformed, StringType())])
    parse = partial(_parse_csv, dialect=dialect, types=types, names=with_malformed.names)
    return TextTable(map_batches(_over(spark, files), parse, with_malformed), schema, uris)


def _over(spark: SparkSession, files: Sequence[InputFile]) -> DataFrame:
    """Return the files as rows, each a partition of its own."""
    rows = [(file.folder, file.name) for file in files]
    return spark.createDataFrame(rows, _FILES).repartition(len(rows))


def _text(file: InputFile, dialect: CsvDialect) -> Iterator[bytes]:
    with Files(file.folder).open(file.name) as stream:
        yield from clean_utf8(decompressed(stream, file.name), dialect.encoding)


def _column_names(tokens: Tokens, dialect: CsvDialect) -> list[str]:
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
    kinds: list[set[str]] = [set() for _ in names]
    for position, kind in map_batches(_over(spark, files), find, _KINDS).collect():
        kinds[position].add(kind)
    return list(map(csv_types.common_type, names, kinds))


def _parse_csv(
    batches: Iterator[pa.RecordBatch],
    dialect: CsvDialect,
    types: Sequence[DataType],
    names: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    """Read the files that a batch names."""
    for file in _named_files(batches):
        for rows in csv_blocks.rows(_text(file, dialect), dialect, len(types)):
            columns = list(map(csv_types.typed, rows.columns, types))
            batch = pa.RecordBatch.from_arrays([*columns, rows.malformed], list(names))
            if dialect.mode == "dropmalformed":
                batch = batch.filter(rows.malformed.is_null())
            yield batch


def _find_kinds(
    batches: Iterator[pa.RecordBatch], dialect: CsvDialect, n_columns: int
) -> Iterator[pa.RecordBatch]:
    """Find the kinds of the values of each column."""
    kinds: list[set[str]] = [set() for _ in range(n_columns)]
    for file in _named_files(batches):
        for rows in csv_blocks.rows(_text(file, dialect), dialect, n_columns):
            for found, column in zip(kinds, rows.columns, strict=True):
                found.update(map(csv_types.kind_of, filter(None, column.unique().to_pylist())))
    pairs = [(i, kind) for i, found in enumerate(kinds) for kind in sorted(found)]
    yield pa.RecordBatch.from_arrays(
        [pa.array([i for i, _ in pairs], pa.int32()), pa.array([k for _, k in pairs], pa.string())],
        ["position", "kind"],
    )


def _named_files(batches: Iterator[pa.RecordBatch]) -> Iterator[InputFile]:
    for batch in batches:
        for folder, name in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield InputFile(folder, name)


def read_json(
    spark: SparkSession, path: str, options: Mapping[str, str], malformed: str
) -> TextTable | None:
    """Read JSON lines: not yet served."""
    raise ConfigError(
        "format_of_spark",
        "input.format",
        "csv or parquet on Sail",
        "json",
        "`engine: spark` reads it",
    )
