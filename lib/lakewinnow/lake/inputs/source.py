"""The user's own table: read as it stands, its columns checked before any job runs."""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as t

from lakewinnow.config.formats import has_tabs
from lakewinnow.config.sections import InputConfig
from lakewinnow.core.text import key as key_of
from lakewinnow.core.text import label_form
from lakewinnow.errors import ConfigError, DataError, SchemaError, Shown, check_columns
from lakewinnow.lake import tables
from lakewinnow.lake.files import Files, absolute
from lakewinnow.lake.inputs import arrow_files, fingerprints
from lakewinnow.lake.inputs.text_files.csv_dialect import csv_dialect
from lakewinnow.lake.inputs.text_files.csv_headers import BY_POSITION, common_header
from lakewinnow.lake.inputs.text_files.listing import NULL_FOLDER, InputFile, list_files
from lakewinnow.lake.inputs.text_files.reading import (
    NothingToReadError,
    read_csv,
    read_json,
    spark_reads,
)
from lakewinnow.spark.arrow import udf
from lakewinnow.spark.passes import valid_probs
from lakewinnow.spark.portable import json_text
from lakewinnow.spark.portable.expressions import as_text
from lakewinnow.spark.sessions import engines
from lakewinnow.spark.sessions.object_stores import engine_path
from lakewinnow.spark.sessions.packages import TABLE_FORMATS, check_format, check_store

OURS: Final = "__lw_"  # how columns begin that are made on the way
# The raw text of a line that could not be parsed, or the name of a file that could not be read.
MALFORMED: Final = "__lw_malformed"

# Of a path, of a table, and of a table whose catalog is not there.
_NOT_FOUND = ("PATH_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND", "REQUIRES_SINGLE_PART_NAMESPACE")

_CONDITION = re.compile(r"\[([A-Z_]+)\]")

_WITHIN: Final = "lakewinnow.within"  # in the metadata of a column that is a field of another
_INTEGERS = (t.ByteType, t.ShortType, t.IntegerType, t.LongType)

# RFC 4180: quotes double inside quotes, and a quoted field may span lines. Types are not guessed:
# a label 007 stays what it is. `input.options` overrides any of these.
CSV_OPTIONS: Mapping[str, str] = {
    "header": "true",
    "multiLine": "true",
    "quote": '"',
    "escape": '"',
}


@dataclass(frozen=True)
class Source:
    """A source table, and what identifies its present content."""

    df: DataFrame  # the input's columns, then MALFORMED where the format can have such lines
    schema: t.StructType  # the input's columns alone
    n_bytes: int
    fingerprint: str
    # columns that no engine has the types of, and what they are read as
    changes: Sequence[str] = ()
    malformed_code: str = "malformed_line"  # the error code of what could not be parsed or read
    # around jobs that read `df`: says which file is not whole, where they fail at that
    naming_corrupt: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext

    @property
    def names(self) -> list[str]:
        """The input's own columns, without those that are fields of another."""
        return [field.name for field in self.schema if not is_nested(field)]

    @property
    def malformed(self) -> Column:
        """The raw text of a line or the name of a file that could not be read, else null."""
        return F.col(MALFORMED) if MALFORMED in self.df.columns else F.lit(None).cast("string")


def text_of(name: str, schema: t.StructType | None = None) -> Column:
    """Return a column as text, null where it has none; `schema`: where floats may be."""
    kind = schema[name].dataType if schema is not None else None
    if isinstance(kind, t.FractionalType) and not isinstance(kind, t.DecimalType):
        return F.when(~F.isnan(column(name)), as_text(column(name), kind))
    # A cast alone would do on Spark. Sail takes the least and the greatest integer of a Parquet
    # file for the least and the greatest text, and fails where these, 3 and 20, say, are not.
    return F.concat(column(name).cast("string"), F.lit(""))


def column(name: str) -> Column:
    """Return the column of exactly this name, dots and spaces included."""
    return F.col("`" + name.replace("`", "``") + "`")


def is_nested(field: t.StructField) -> bool:
    """Whether a column is no column of the input but a field, ``data.text``, of one."""
    return _WITHIN in field.metadata


def _with_nested(
    df: DataFrame, schema: t.StructType, config: InputConfig
) -> tuple[DataFrame, t.StructType]:
    """Add a column for each that the configuration names inside another: ``data.text``."""
    single = (config.text, config.label, config.id, config.pred_probs, config.embedding)
    for name in dict.fromkeys(filter(None, (*single, *(config.features or ())))):
        kind: t.DataType | None = None if name in schema.names else schema
        parts = name.split(".")
        for part in parts:
            is_in = isinstance(kind, t.StructType) and part in kind.names
            kind = kind[part].dataType if is_in else None  # type: ignore[index]
        if kind is not None:
            value = column(parts[0])
            for part in parts[1:]:
                value = value.getField(part)
            df = df.withColumn(name, value)
            schema = t.StructType(
                [*schema.fields, t.StructField(name, kind, metadata={_WITHIN: True})]
            )
    return df, schema


def _with_label_forms(df: DataFrame, schema: t.StructType, config: InputConfig) -> DataFrame:
    """Have one spelling of each label, where `input.normalize_labels` says so."""
    if not config.normalize_labels or not isinstance(schema[config.label].dataType, t.StringType):
        return df
    names = {label_form(name): name for name in config.classes or ()}
    spelled = udf.on_arrow(partial(_label_forms, names=names), t.StringType())
    label = column(config.label)
    spelled_anew = spelled(F.when(F.is_valid_utf8(label), label))
    return df.withColumn(config.label, F.coalesce(spelled_anew, label))


def _label_forms(labels: pa.Array, names: Mapping[str, str]) -> pa.Array:
    encoded = labels.dictionary_encode()
    forms = map(label_form, encoded.dictionary.to_pylist())
    return pa.array([names.get(form, form) for form in forms], pa.string()).take(encoded.indices)


def own_name(name: str, input_columns: list[str]) -> str:
    """Name of a column that we add beside the input's: prefixed where the input has one like it."""
    taken = {column_name.casefold() for column_name in input_columns}
    while name.casefold() in taken:
        name = f"lakewinnow_{name}"
    return name


def content_hash(names: Sequence[str], schema: t.StructType) -> Column:
    """128 bits of SHA-256 over the whole row, independent of column order and session time zone."""
    return F.substring(F.sha2(json_of(names, schema), 256), 1, 32)


def json_of(names: Sequence[str], schema: t.StructType) -> Column:
    """Return the values of columns as one text, whatever the order of their names."""
    return json_text.json_of({name: (column(name), schema[name].dataType) for name in names})


def text_key(text: Column) -> Column:
    """SHA-256 of the NFC-normalised text: what makes two texts the same text."""
    return udf.on_arrow(_text_keys, t.BinaryType())(text)


def _text_keys(texts: pa.Array) -> pa.Array:
    return pa.array(list(map(key_of, texts.to_pylist())), pa.binary())


def read_source(spark: SparkSession, config: InputConfig, format_: str) -> Source:
    """Open the input and check its columns.

    Raises
    ------
    DataError : the path or table is not there, or holds nothing
    SchemaError : a named column is missing, or has a type that cannot be used
    """
    if config.path is not None and format_ in TABLE_FORMATS:
        return _read_table(spark, config, format_)
    opened, schema, files, changes = _open(spark, config, format_)
    df, schema = _with_nested(opened, schema, config)
    _check_columns(schema, config)
    df = _with_label_forms(df, schema, config)
    if config.table is not None:
        n_bytes, fingerprint = fingerprints.of_table(spark, config.table, opened)
    elif files:
        n_bytes, fingerprint = fingerprints.of_files(files, format_)
    else:
        n_bytes, fingerprint = 0, fingerprints.of_rows(opened)
    if format_ in ("csv", "json"):
        return Source(df, schema, n_bytes, fingerprint, changes)
    naming = partial(arrow_files.naming_corrupt, files, format_, config.options)
    return Source(df, schema, n_bytes, fingerprint, changes, "corrupt_file", naming)


def _read_table(spark: SparkSession, config: InputConfig, format_: str) -> Source:
    """Open a version of a Delta or Iceberg table: the one that all passes read."""
    path = engine_path(spark, absolute(config.path or ""))
    check_store(spark, path, "input.path")
    check_format(spark, format_, "input.format")
    try:
        version = tables.version_of(path, format_, config.version, on_sail=engines.is_sail(spark))
    except DataError as error:
        if error.code != "input_not_found":
            raise
        code, where, expected, got, _ = error.args
        raise DataError(code, where, expected, got, _near_path(config)) from error
    options = {k: _text(v) for k, v in config.options.items()} | dict(version.options)
    location = "/".join(filter(None, (path, version.path)))
    try:
        df = spark.read.format(format_).options(**options).load(location)
        schema = df.schema
    except engines.errors as error:
        raise _cannot_read(error, "input.path", config) from error
    df, schema = _with_nested(df, schema, config)
    _check_columns(schema, config)
    df = _with_label_forms(df, schema, config)
    return Source(df, schema, Files(path).size(""), version.fingerprint)


def _open(
    spark: SparkSession, config: InputConfig, format_: str
) -> tuple[DataFrame, t.StructType, Sequence[InputFile], Sequence[str]]:
    """Return the table, the input's own columns, its files, and `Source.changes`."""
    where = "input.table" if config.table else "input.path"
    try:
        if config.table is not None:
            df = spark.table(config.table)
            return df, df.schema, (), ()
        path = engine_path(spark, absolute(config.path or ""))
        check_store(spark, path, where)
        options = {k: _text(v) for k, v in config.options.items()}
        files = _listed(spark, config, options)
        if format_ in ("csv", "json"):
            if format_ == "csv":
                tabs = {"sep": "\\t"} if has_tabs(files[0].name if files else path) else {}
                options = {**CSV_OPTIONS, **tabs, **options}
            on_spark = not engines.is_sail(spark)
            if files and not (on_spark and spark_reads(files, format_, options)):
                try:
                    return *_read_text_files(spark, path, files, format_, options), files, ()
                except ConfigError as error:
                    if not on_spark or error.code != "option_of_spark":
                        raise
            df, schema = _open_text_format(spark, path, format_, options)
            return df, schema, files, ()
        files = arrow_files.of_format(files, format_)
        # Of one file it may be as well that it is of another format.
        of_several = files if len(files) > 1 else ()
        with arrow_files.naming_corrupt(of_several, format_, config.options):
            df, schema, changes = _open_binary_format(spark, config, path, files, format_, options)
    except engines.errors as error:
        raise _cannot_read(error, where, config) from error
    return df, schema, files, changes


def _open_binary_format(
    spark: SparkSession,
    config: InputConfig,
    path: str,
    files: Sequence[InputFile],
    format_: str,
    options: Mapping[str, str],
) -> tuple[DataFrame, t.StructType, Sequence[str]]:
    """Read what is not text: by the engine, or what that does not take by pyarrow."""
    corrupt = MALFORMED if config.on_corrupt == "quarantine" else None
    if corrupt is None:
        arrow_files.check_none_is_empty(files)
    if files and (format_ != "parquet" or corrupt or not arrow_files.engines_read(files[0])):
        df, changes = arrow_files.read(spark, files, format_, config.options, corrupt)
        return df, t.StructType([f for f in df.schema if f.name != corrupt]), changes
    df = spark.read.format(format_).options(**options).load(path)
    if not df.schema.fields:  # Sail's answer to a path that is not there or holds no file
        raise _without_rows("input.path", config)
    df = _with_folders_as_text(spark.read.format(format_).options(**options), path, df)
    return df, df.schema, ()


def _listed(
    spark: SparkSession, config: InputConfig, options: Mapping[str, str]
) -> list[InputFile]:
    """List the files of the input; none where only Spark has the file system."""
    try:
        files = list_files(absolute(config.path or ""), options)
    except (ConfigError, OSError) as error:
        if engines.is_sail(spark) and isinstance(error, ConfigError):
            raise
        return []  # the engine can open it, or says why not
    if files is None:
        raise _not_found("input.path", config)
    if not files:
        raise _without_rows("input.path", config)
    return files


def _with_folders_as_text(reader: DataFrameReader, path: str, df: DataFrame) -> DataFrame:
    """Have the values that are names of folders as text, just as they stand there.

    Parameters
    ----------
    reader : what `df` was read with, from `path`
    """
    folders = {folder for uri in df.inputFiles() for folder in uri.split("/")[:-1]}
    if not any("=" in folder for folder in folders):
        return df
    if engines.is_sail(df.sparkSession):  # text it is; but Sail does not know the name for null
        keys = {
            folder.partition("=")[0] for folder in folders if folder.endswith(f"={NULL_FOLDER}")
        }
        for name in keys & {*df.columns}:
            df = df.withColumn(name, F.nullif(column(name), F.lit(NULL_FOLDER)))
        return df
    in_files = reader.option("recursiveFileLookup", "true").load(path).schema.names
    kept = [f if f.name in in_files else t.StructField(f.name, t.StringType()) for f in df.schema]
    if kept == df.schema.fields:
        return df
    return reader.option("recursiveFileLookup", "false").schema(t.StructType(kept)).load(path)


def _open_text_format(
    spark: SparkSession, path: str, format_: str, options: dict[str, str]
) -> tuple[DataFrame, t.StructType]:
    """Read CSV or JSON lines so that a line which does not parse comes back as raw text."""
    reader = (
        spark.read.format(format_).options(**options).option("columnNameOfCorruptRecord", MALFORMED)
    )
    df = reader.load(path)
    found = _with_folders_as_text(reader, path, df).schema
    if format_ == "csv" and not _have_one_header(df.inputFiles(), options):
        reader = reader.option(BY_POSITION, "false")  # Spark looks at headers as it reads
    schema = t.StructType([f for f in found.fields if f.name != MALFORMED])
    if not schema.fields:
        raise _nothing_read(format_, "no line that parses" if found.fields else "no columns", path)
    with_malformed = t.StructType([*schema.fields]).add(MALFORMED, t.StringType())
    reader = reader.option("recursiveFileLookup", _given(options, "recursiveFileLookup"))
    return reader.schema(with_malformed).load(path), schema


def _given(options: Mapping[str, str], name: str) -> str:
    return {k.lower(): v for k, v in options.items()}.get(name.lower(), "false")


def _have_one_header(uris: Sequence[str], options: Mapping[str, str]) -> bool:
    """Whether all files have one header; False where only Spark can read them.

    Raises
    ------
    SchemaError : "headers_differ"
    """
    if len(uris) > 1:
        try:
            common_header(list(map(InputFile.at, uris)), csv_dialect(options), options)
        except (ConfigError, OSError):
            return BY_POSITION in map(str.lower, options)
    return True


def _read_text_files(
    spark: SparkSession,
    path: str,
    files: Sequence[InputFile],
    format_: str,
    options: Mapping[str, str],
) -> tuple[DataFrame, t.StructType]:
    """Read CSV or JSON lines without Spark's readers."""
    read = read_csv if format_ == "csv" else read_json
    try:
        return read(spark, files, options, MALFORMED)
    except NothingToReadError as error:
        raise _nothing_read(format_, str(error), path) from error


def _nothing_read(format_: str, got: str, path: str) -> DataError:
    expected = f"a {format_} file with columns and rows"
    return DataError("empty_input", "input.path", expected, Shown(got), path)


def _not_found(where: str, config: InputConfig) -> DataError:
    got = config.table or config.path
    return DataError("input_not_found", where, "a table that exists", got, _near_path(config))


def _without_rows(where: str, config: InputConfig) -> DataError:
    got = config.table or config.path
    return DataError("empty_input", where, "a table with columns and rows", got)


def _cannot_read(error: Exception, where: str, config: InputConfig) -> DataError | SchemaError:
    condition = (isinstance(error, PySparkException) and error.getCondition()) or ""
    if not condition and (named := _CONDITION.search(str(error))):  # Sail says it in the message
        condition = named[1]
    if condition in _NOT_FOUND:
        return _not_found(where, config)
    if condition == "COLUMN_ALREADY_EXISTS":
        return _same_column(_first_line(error))
    if condition.startswith("UNABLE_TO_INFER_SCHEMA"):
        return _without_rows(where, config)
    reason = Shown(f"{config.table or config.path} ({_first_line(error)})")
    hint = "check that its files are whole, and of input.format"
    return SchemaError("cannot_read", where, "a table that Spark can read", reason, hint)


def _first_line(error: Exception) -> str:
    lines = (line.strip(": ") for line in str(error).splitlines())
    return next(line for line in lines if line and not line.startswith("An error occurred while"))


def _near_path(config: InputConfig) -> str:
    if config.path is None:
        return "check the catalog and schema, e.g. catalog.schema.name"
    path = Path(absolute(config.path))
    siblings = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
    near = get_close_matches(path.name, siblings, n=1)
    if near:
        return f"did you mean {str(path.parent / near[0])!r}?"
    return f"relative paths start at {Path.cwd()}" if not Path(config.path).is_absolute() else ""


def _check_columns(schema: t.StructType, config: InputConfig) -> None:
    checks: Sequence[tuple[str, str | None, Callable[[t.DataType], bool], str]] = (
        ("input.text", config.text, _is_text, "a string column"),
        ("input.label", config.label, _is_label, "a column of strings, numbers, booleans or dates"),
        ("input.id", config.id, _is_key, "a string or integer column"),
        (
            "input.pred_probs",
            config.pred_probs,
            valid_probs.is_probabilities,
            "an array of double, float or decimal, or a vector",
        ),
        ("input.embedding", config.embedding, _is_vector, "an array of numbers, or a vector"),
        *(
            ("input.features", name, _is_feature, "columns of numbers, booleans or strings")
            for name in config.features or ()
        ),
    )
    check_columns(schema.names, ((key, name) for key, name, *_ in checks))
    problems = [*_names_that_clash(schema.names)]
    for key, name, is_allowed, expected in checks:
        if name is not None and not is_allowed(schema[name].dataType):
            got = Shown(f"{name} {schema[name].dataType.simpleString()}")
            problems.append(
                SchemaError("wrong_column_type", key, expected, got, "cast it in the source table")
            )
    SchemaError.raise_any(problems)


def _same_column(got: str) -> SchemaError:
    expected, hint = "names of columns that differ by more than case", "rename all but one"
    return SchemaError("same_column", "input", expected, Shown(got), hint)


def _names_that_clash(names: Sequence[str]) -> Iterator[SchemaError]:
    """Yield what is wrong with names of columns: engines take no account of case."""
    alike = Counter(name.lower() for name in names)
    same = [name for name in names if alike[name.lower()] > 1]
    if same:
        yield _same_column(", ".join(map(repr, same)))
    ours = [name for name in names if name.lower().startswith(OURS)]
    if ours:
        expected = f"names of columns that do not begin with {OURS}"
        hint = "rename them: columns of these names are made on the way"
        yield SchemaError("reserved_name", "input", expected, Shown(", ".join(ours)), hint)


def _is_text(data_type: t.DataType) -> bool:
    return isinstance(data_type, t.StringType)


def _is_vector(data_type: t.DataType) -> bool:
    if isinstance(data_type, t.ArrayType):
        return isinstance(data_type.elementType, t.NumericType)
    return data_type.typeName() == "vectorudt"


def _is_feature(data_type: t.DataType) -> bool:
    return isinstance(data_type, (t.NumericType, t.BooleanType, t.StringType))


def _is_label(data_type: t.DataType) -> bool:
    return isinstance(data_type, (t.StringType, t.NumericType, t.BooleanType, t.DateType))


def _is_key(data_type: t.DataType) -> bool:
    return isinstance(data_type, (t.StringType, *_INTEGERS))


def input_bytes(config: InputConfig) -> int:
    """Return the size of `input.path`, without a session; 0 where that is not known."""
    if config.path is None:
        return 0
    files = Files(config.path)
    with contextlib.suppress(OSError):
        return files.size("")
    return 0


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
