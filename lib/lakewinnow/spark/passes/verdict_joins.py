"""Verdicts that this process has found, beside the rows of the frame that they are of.

Spark numbers the rows of a Parquet file, so verdicts are looked up in arrays, in half the time of a
join by id. Sail has no such numbers.
"""

from pathlib import PurePosixPath
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from lakewinnow import columns as c
from lakewinnow.spark.arrow.parquet_rows import PLACE, ParquetRows
from lakewinnow.spark.passes.confident_learning import WORST_FIRST
from lakewinnow.spark.sessions.engines import is_classic, is_sail
from lakewinnow.spark.sessions.session import scratch_folder

_ROW_ID, _FILE, _ROW = "__lw_row_id", "__lw_file", "__lw_row"
_FOUND: Final = "__lw_found"
_OF_FILE: Final = "_metadata"  # what Spark knows of the file that a row is from

Joined: TypeAlias = tuple[DataFrame, dict[str, Column]]


def can_join(df: DataFrame) -> bool:
    """Whether `join` is for the engine of a frame."""
    return _reads_our_files(df.sparkSession)


def _reads_our_files(spark: SparkSession) -> bool:
    """Whether the engine is this user's: not another one's server, maybe."""
    return is_classic(spark) or is_sail(spark)


def join(
    df: DataFrame, theirs: list[Column], row_id: Column, rows: ParquetRows, judged: pa.Table
) -> Joined | None:
    """Return columns of a frame, and what has been found of each row.

    Parameters
    ----------
    theirs : columns to return
    row_id : as `rows`, which are the frame's, have it
    judged : of every row, of the schema `verdicts.JUDGED`, in any order

    Returns
    -------
    frame, lazy, and its columns with the verdicts
    None : rows share an id, and the engine has no places
    """
    told = ranked(judged).drop_columns([c.IS_LABEL_ISSUE])  # the rank says the same
    at = told.column_names.index(c.PREDICTED_LABEL)
    predicted = told.column(at).cast(rows.reading.label_type)
    told = told.set_column(at, c.PREDICTED_LABEL, predicted)
    if told.column(c.ERROR_CODE).null_count == len(told):
        told = told.drop_columns([c.ERROR_CODE])
    if is_classic(df.sparkSession) and _OF_FILE not in map(str.lower, df.columns):
        joined, found = _by_place(df, theirs, rows, told)
    elif len(pc.unique(told.column(c.ROW_ID))) == len(told):
        joined, found = _by_id(df, theirs, row_id, told)
    else:
        return None
    is_good = found[c.LABEL_SCORE].isNotNull()
    found[c.IS_LABEL_ISSUE] = F.when(is_good, found[c.LABEL_RANK].isNotNull())
    found.setdefault(c.ERROR_CODE, F.lit(None).cast("string"))
    return joined, found


def _by_place(df: DataFrame, theirs: list[Column], rows: ParquetRows, told: pa.Table) -> Joined:
    places = told.column(PLACE).to_numpy()
    if (places[1:] < places[:-1]).any():
        told = told.take(np.argsort(places))
    in_order = told.drop_columns([PLACE, c.ROW_ID])
    n_rows = rows.rows_by_file()
    ends = pa.array(np.cumsum([0, *n_rows.values()]), pa.int32())
    uris = {unquote(path): path for path in (urlsplit(uri).path for uri in df.inputFiles())}
    names = {_FILE: [PurePosixPath(uris[path]).name for path in n_rows]}
    lists = {
        f"{_FOUND}_{name}": pa.ListArray.from_arrays(ends, in_order.column(name).combine_chunks())
        for name in in_order.column_names
    }
    of_files = as_frame(df.sparkSession, pa.table(names | lists))
    row = F.col(f"{_OF_FILE}.row_index").cast("int").alias(_ROW)
    placed = df.select(F.col(f"{_OF_FILE}.file_name").alias(_FILE), row, *theirs)
    joined = placed.join(F.broadcast(of_files), _FILE, "left")
    found = {name: F.get(f"{_FOUND}_{name}", F.col(_ROW)) for name in in_order.column_names}
    return joined, found


def _by_id(df: DataFrame, theirs: list[Column], row_id: Column, told: pa.Table) -> Joined:
    told = told.drop_columns([PLACE])
    by_id = told.rename_columns([f"{_FOUND}_{name}" for name in told.column_names])
    found = {name: F.col(f"{_FOUND}_{name}") for name in told.column_names}
    keyed = df.select(row_id.alias(_ROW_ID), *theirs)
    of_rows = F.broadcast(as_frame(df.sparkSession, by_id))
    return keyed.join(of_rows, F.col(_ROW_ID) == found[c.ROW_ID], "left"), found


def ranked(judged: pa.Table) -> pa.Table:
    """Return verdicts with the ranks of the issues, as `confident_learning.ranks` has them."""
    (rows,) = np.nonzero(pc.fill_null(judged.column(c.IS_LABEL_ISSUE), fill_value=False))
    issues = judged.select(WORST_FIRST).take(rows)
    in_order = pc.sort_indices(issues, [(name, "ascending") for name in WORST_FIRST])
    issues = issues.take(in_order)
    is_other = np.ones(len(issues), bool)  # than the issue before it
    is_other[1:] = np.any([pc.not_equal(x[1:], x[:-1]) for x in issues.columns], axis=0)
    nth = np.arange(1, len(issues) + 1, dtype=np.int32)
    ranks = np.zeros(len(judged), np.int32)
    ranks[rows[in_order]] = np.maximum.accumulate(np.where(is_other, nth, 0))
    return judged.append_column(c.LABEL_RANK, pa.array(ranks, mask=ranks == 0))


def ranks(judged: pa.Table) -> pa.Table:
    """Return label_score, row_id and label_rank of the issues, equal ones once."""
    issues = ranked(judged).filter(pc.field(c.IS_LABEL_ISSUE)).select((*WORST_FIRST, c.LABEL_RANK))
    return issues.group_by(issues.column_names).aggregate([])


def as_frame(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return a table as a frame, to be joined with another one."""
    schema = from_arrow_schema(table.schema)
    if not _reads_our_files(spark):
        return spark.createDataFrame(table, schema)
    # From a file Spark joins in a third less time, and Sail takes no message of over 128 MiB
    path = scratch_folder() / "table.parquet"
    pq.write_table(table, path, use_dictionary=False, compression="none")  # is read once or twice
    return spark.read.schema(schema).parquet(path.as_uri())
