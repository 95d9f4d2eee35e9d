"""What a sample for review is on disk: a table twice, a page, and a record that is written last."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.review.page import page
from lakewinnow.text.spreadsheets import as_cell

FOLDER: Final = "review_sample"
PAGE: Final = f"{FOLDER}/review.html"
MEASURED: Final = f"{FOLDER}/measured.json"
_RECORD: Final = f"{FOLDER}/sample.json"
_TABLE: Final = f"{FOLDER}/sample.parquet"


def check(files: Files, *, is_drawn: bool) -> None:
    """Find what is missing without a session: a finished run, or a sample drawn from it.

    Raises
    ------
    DataError : "no_issues", "no_sample"
    """
    if is_drawn and not files.exists(_RECORD):
        hint = "`lakewinnow review draw` draws one"
        expected, where = "a sample for review", files.path(FOLDER)
        raise DataError("no_sample", "workspace", expected, Shown(f"no {where}"), hint)
    if not is_drawn and not files.exists("_commits/decide.json"):
        expected, hint = "a workspace with issues/", "run `lakewinnow run` first"
        raise DataError("no_issues", "workspace", expected, Shown(files.root), hint)


def read_record(files: Files) -> Any:
    """Return what is known of the sample that is there; None where none is."""
    return files.read_json(_RECORD)


def read_rows(files: Files) -> pa.Table:
    """Return the rows of the sample that is there."""
    return pq.read_table(pa.BufferReader(files.read_bytes(_TABLE)))


def agreed(id_: str) -> str:
    """Return where what people agree on goes: a file that stays when another sample is drawn."""
    return f"{FOLDER}/decisions-{id_[:6]}.csv"


def forget(files: Files) -> None:
    """Forget the sample that is there, and what was measured by it."""
    files.delete(_RECORD)
    files.delete(MEASURED)


def write(files: Files, record: Mapping[str, Any], rows: pa.Table) -> None:
    """Write a sample and its page."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer)
    files.write_bytes(_TABLE, buffer.getvalue().to_pybytes())
    files.write_text(f"{FOLDER}/sample.csv", _csv(rows))
    files.write_text(PAGE, page(record["id"], record["classes"], rows))
    files.write_json(_RECORD, record)


def _csv(rows: pa.Table) -> str:
    """Write rows for a spreadsheet: no cell is a formula, and none ends before its quotes do."""
    likely = [
        "; ".join(f"{of['label']} {of['prob']:.3f}" for of in row)
        for row in rows[c.LIKELY_LABELS].to_pylist()
    ]
    plain = rows.to_pydict() | {c.LIKELY_LABELS: likely}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(plain)
    writer.writerows(map(as_cell, row) for row in zip(*plain.values(), strict=True))
    return text.getvalue()
