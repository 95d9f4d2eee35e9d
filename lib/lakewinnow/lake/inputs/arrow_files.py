"""Parquet, Arrow and Excel files that engines do not read, or not as what they hold: by pyarrow.

One task reads a file, as with `text_files`; nothing is stored.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from lakewinnow.config.formats import format_of
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs import arrow_types
from lakewinnow.lake.inputs.text_files.listing import InputFile, folder_keys
from lakewinnow.lake.inputs.text_files.reading import named_files, over
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.sessions import engines

_ROWS: Final = 10_000  # of Parquet, at once
_FEW_BYTES: Final = 2**30  # of an input, to read it once more for what is wrong with it
_HF_STATE: Final = "state.json"  # of a folder of Hugging Face's datasets: names its files
_UNREADABLE: Final = (pa.ArrowException, OSError, DataError)  # of a file that is cut off, say
_UNREAD_CODECS: Final = ("BROTLI", "LZO")  # by Spark


def engines_read(file: InputFile) -> bool:
    """Whether every engine reads this Parquet file, and makes the same of it."""
    with Files(file.folder).open_anywhere(file.name) as stream:
        try:
            opened = _parquet_file(stream)
            footer, kinds = opened.metadata, opened.schema_arrow.types
        except (pa.ArrowException, OSError):  # who reads it says what is wrong
            return True
    groups = map(footer.row_group, range(min(footer.num_row_groups, 1)))
    codecs = {group.column(i).compression for group in groups for i in range(group.num_columns)}
    return all(map(arrow_types.is_plain, kinds)) and codecs.isdisjoint(_UNREAD_CODECS)


def check_none_is_empty(files: Sequence[InputFile]) -> None:
    """Make sure that all files have bytes: engines pass over those that have none.

    Raises
    ------
    DataError : "corrupt_file"
    """
    for file in files:
        if not file.size:
            raise corrupt(f"{file.name} of 0 bytes")


def corrupt(what: str) -> DataError:
    """Return the error of a file that is cut off or damaged."""
    hint = "write it again, or go on without it: input.on_corrupt: quarantine"
    return DataError("corrupt_file", "input.path", "files that are whole", Shown(what), hint)


@contextmanager
def naming_corrupt(
    files: Sequence[InputFile], format_: str, options: Mapping[str, Any]
) -> Iterator[None]:
    """Say which file an engine could not read, where that is what it failed at.

    Of many bytes only the beginnings of files are looked at.

    Raises
    ------
    DataError : "corrupt_file"
    """
    try:
        yield
    except engines.errors as error:
        batches = _batches_of(format_, {} if format_ == "parquet" else options)
        to_end = sum(file.size for file in files) <= _FEW_BYTES
        whys = (_why_corrupt(file, batches, to_end=to_end) for file in files)
        if (found := next(filter(None, whys), None)) is not None:
            raise corrupt(found) from error
        raise


def of_format(files: Sequence[InputFile], format_: str) -> list[InputFile]:
    """Leave out what else is in a folder, where names of files say what is of the format."""
    states = [file for file in files if file.name.rpartition("/")[2] == _HF_STATE]
    if format_ == "arrow" and states:
        content = Files(states[0].folder).read_json(states[0].name)
        beside = states[0].name.removesuffix(_HF_STATE)
        named = {beside + part["filename"] for part in content["_data_files"]}
        return [file for file in files if file.name in named]
    return [file for file in files if format_of(file.name) == format_] or list(files)


def read(
    spark: SparkSession,
    files: Sequence[InputFile],
    format_: str,
    options: Mapping[str, Any],
    corrupt: str | None = None,
) -> tuple[DataFrame, list[str]]:
    """Read files whose columns are the first one's.

    Parameters
    ----------
    options : of `pandas.read_excel`; other formats have none
    corrupt : name of a column to be added; each file that cannot be read to its end is then a row
        of its own, which has nothing but its name and the reason there. None: it is an error

    Returns
    -------
    the rows, and which columns are read as what
    """
    batches = _batches_of(format_, options)
    schema = _schema(files, batches, ends_at_first=corrupt is None)
    keys = folder_keys(files, schema.names)
    own = arrow_types.engine_schema(schema)
    whole = pa.schema([*own, *((key, pa.string()) for key in keys)])
    if corrupt is not None:  # and in such a row all others are null
        whole = pa.schema([field.with_nullable(nullable=True) for field in whole])
        whole = whole.append(pa.field(corrupt, pa.string()))
    as_spark = from_arrow_schema(whole, prefer_timestamp_ntz=True)
    read_rows = partial(_rows, batches=batches, schema=own, whole=whole, corrupt=corrupt)
    rows = map_batches(over(spark, files), read_rows, as_spark)
    return rows, list(arrow_types.changes(schema))


def _schema(
    files: Sequence[InputFile],
    batches: Callable[[InputFile], Generator[Any, None, None]],
    *,
    ends_at_first: bool,
) -> pa.Schema:
    """Return the columns of the first file, or of the first that says what they are."""
    for file in files if ends_at_first else files[:-1]:
        found = batches(file)
        try:
            return next(found)
        except _UNREADABLE:
            if ends_at_first:
                raise
        finally:
            found.close()
    return _schema(files[-1:], batches, ends_at_first=True)


def _why_corrupt(
    file: InputFile,
    batches: Callable[[InputFile], Generator[Any, None, None]],
    *,
    to_end: bool = True,
) -> str | None:
    """Read a file to its end, or only what it says of itself; return what is wrong with it."""
    try:
        deque(islice(batches(file), None if to_end else 1), maxlen=0)
    except _UNREADABLE as error:
        return f"{file.name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return None


def head(file: InputFile, format_: str, n_rows: int) -> pa.Table:
    """Return the first rows of a file, in the types of engines."""
    batches = _batches_of(format_, {})(file)
    schema = arrow_types.engine_schema(next(batches))
    taken: list[pa.RecordBatch] = []
    for batch in batches:
        taken.append(arrow_types.as_engines_have(batch, schema))
        if sum(map(len, taken)) >= n_rows:
            break
    batches.close()
    return pa.Table.from_batches(taken, schema).slice(0, n_rows)


def _rows(
    named: Iterator[pa.RecordBatch],
    batches: Callable[[InputFile], Generator[Any, None, None]],
    schema: pa.Schema,
    whole: pa.Schema,
    corrupt: str | None,
) -> Iterator[pa.RecordBatch]:
    """Read the files that a task is given."""
    names = [name for name in whole.names if name != corrupt]
    for file in named_files(named):
        why = None if corrupt is None else _why_corrupt(file, batches)
        if why is not None:
            nothing = dict.fromkeys(names)
            yield pa.RecordBatch.from_pylist([{**nothing, f"{corrupt}": why}], whole)
            continue
        found = batches(file)
        next(found)
        for batch in found:
            rows = file.in_columns(arrow_types.as_engines_have(batch, schema), names)
            if corrupt is None:
                yield rows
            else:
                columns = [*rows.columns, pa.nulls(len(rows), pa.string())]
                yield pa.RecordBatch.from_arrays(columns, schema=whole)


def _batches_of(
    format_: str, options: Mapping[str, Any]
) -> Callable[[InputFile], Generator[Any, None, None]]:
    """Return what yields the schema of a file, then its batches."""
    if format_ == "excel":
        return partial(_excel, options=dict(options))
    if options:
        hint = "leave it out"
        where, expected = f"input.options.{next(iter(options))}", f"no options for {format_}"
        raise ConfigError("unused_key", where, expected, next(iter(options.values())), hint)
    return _arrow if format_ == "arrow" else _parquet


def _parquet(file: InputFile) -> Generator[Any, None, None]:
    with Files(file.folder).open_anywhere(file.name) as stream:
        opened = _parquet_file(stream)
        yield opened.schema_arrow
        yield from opened.iter_batches(_ROWS)


def _parquet_file(stream: Any) -> parquet.ParquetFile:
    # INT96, Spark's own, is of nanoseconds, but every engine reads it
    return parquet.ParquetFile(stream, coerce_int96_timestamp_unit="us")


def _arrow(file: InputFile) -> Generator[Any, None, None]:
    """Read a file of Feather, of Arrow's file format, or of its stream."""
    with Files(file.folder).open_anywhere(file.name) as stream:
        try:
            opened = ipc.open_file(stream)
        except pa.ArrowInvalid:
            stream.seek(0)
        else:
            yield opened.schema
            yield from map(opened.get_batch, range(opened.num_record_batches))
            return
        try:
            as_stream = ipc.open_stream(stream)
        except pa.ArrowInvalid as error:
            got = Shown(f"{file.name} ({str(error).splitlines()[0]})")
            raise DataError("cannot_read", "input.path", "a file of Arrow", got) from error
        yield as_stream.schema
        yield from as_stream


def _excel(file: InputFile, options: Mapping[str, Any]) -> Generator[Any, None, None]:
    """Read a sheet: by default the first, with its first row as the header."""
    try:
        with Files(file.folder).open_anywhere(file.name) as stream:
            sheet = pd.read_excel(stream, dtype_backend="numpy_nullable", **options)
    except ImportError as error:
        hint = "pip install 'lakewinnow[excel]'"
        got = Shown("no openpyxl")
        raise ConfigError("not_installed", "input.path", "what reads Excel", got, hint) from error
    except (ValueError, TypeError, OSError, KeyError) as error:
        got = Shown(f"{file.name} ({str(error).splitlines()[0]})")
        raise DataError("cannot_read", "input.path", "a sheet of Excel", got) from error
    columns = {str(name): _cells(values) for name, values in sheet.items()}
    table = pa.table(columns)
    yield table.schema
    yield from table.to_batches(max_chunksize=_ROWS)


def _cells(values: "pd.Series[Any]") -> pa.Array:
    """Return the cells of a column; as text, where they are of several kinds, or of none."""
    try:
        cells = pa.Array.from_pandas(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        cells = pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
    if pa.types.is_timestamp(cells.type):  # which pandas has in nanoseconds, Excel has not
        return cells.cast(pa.timestamp("us"))
    return cells.cast(pa.string()) if pa.types.is_null(cells.type) else cells
