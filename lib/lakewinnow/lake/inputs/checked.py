"""Rows of a sample for review as a random part of the label issues: each as likely to be in it.

Strata of a sample have nearly the same share of their label issues in it, but not quite: of small
ones two are drawn. So of the others some are left out again, by a hash of the row id.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files

FOLDER: Final = "review_sample"
RECORD: Final = f"{FOLDER}/sample.json"
TABLE: Final = f"{FOLDER}/sample.parquet"
IS_CHECKED: Final = "is_checked"  # whether a row, once decided, may stand for rows like it


@dataclass(frozen=True)
class Checked:
    """The sample that a promise rests on."""

    rows: DataFrame  # row_id, is_label_issue when it was drawn, `IS_CHECKED`
    n_rows: int
    n_issues: int  # label issues that it was drawn from
    fingerprint: str  # of the sample


def read_checked(spark: SparkSession, files: Files, key: str) -> Checked:
    """Read the sample that is in a workspace.

    Parameters
    ----------
    key : what needs it

    Raises
    ------
    DataError : "no_sample"
    """
    record: Any = files.read_json(RECORD)
    if record is None:
        hint = (
            "`lakewinnow review draw` draws one; or say with clean.decisions_at_random: true that"
            " the rows in clean.decisions are a random sample of the input"
        )
        where = files.path(FOLDER)
        raise DataError("no_sample", key, "a sample for review", Shown(f"no {where}"), hint)
    table = read_rows(files)
    issues = [of for of in record["strata"] if of["is_label_issue"]]
    least = min((of["drawn"] / of["rows"] for of in issues), default=0.0)
    names = (c.ROW_ID, c.IS_LABEL_ISSUE, c.INCLUSION_PROB)
    is_checked = [
        is_issue and _evenly_spread(row_id) * prob < least
        for row_id, is_issue, prob in zip(*(table[name].to_pylist() for name in names), strict=True)
    ]
    rows = table.select([c.ROW_ID, c.IS_LABEL_ISSUE]).append_column(
        IS_CHECKED, pa.array(is_checked, pa.bool_())
    )
    n_issues = sum(of["rows"] for of in issues)
    return Checked(spark.createDataFrame(rows), rows.num_rows, n_issues, record["id"])


def read_rows(files: Files) -> pa.Table:
    """Return the rows of the sample that is there."""
    return pq.read_table(pa.BufferReader(files.read_bytes(TABLE)))


def _evenly_spread(row_id: str) -> float:
    """Return a number from 0 up to 1 that has nothing to do with the row's place in the sample."""
    return int(hashlib.sha256(f"checked {row_id}".encode()).hexdigest()[:13], 16) / 16**13
