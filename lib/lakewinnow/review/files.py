"""A sample for review on disk: a table twice, a page, and a record that is written last."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.checked import FOLDER, RECORD, TABLE, read_rows
from lakewinnow.review.page import page
from lakewinnow.text.spreadsheets import as_cell

__all__ = ["FOLDER", "read_rows"]

PAGE: Final = f"{FOLDER}/review.html"
MEASURED: Final = f"{FOLDER}/measured.json"


def check(files: Files, *, is_drawn: bool) -> None:
    """Find what is missing without a session: a finished run, or a sample drawn from it.

    Raises
    ------
    DataError : "no_issues", "no_sample"
    """
    if is_drawn and not files.exists(RECORD):
        hint = "`lakewinnow review draw` draws one"
        expected, where = "a sample for review", files.path(FOLDER)
        raise DataError("no_sample", "workspace", expected, Shown(f"no {where}"), hint)
    if not is_drawn and not files.exists("_commits/decide.json"):
        expected, hint = "a workspace with issues/", "run `lakewinnow run` first"
        raise DataError("no_issues", "workspace", expected, Shown(files.root), hint)


def read_record(files: Files) -> Any:
    """Return what is known of the sample that is there; None where none is."""
    return files.read_json(RECORD)


def agreed(id_: str) -> str:
    """Return where what people agree on goes: a file that stays when another sample is drawn."""
    return f"{FOLDER}/decisions-{id_[:6]}.csv"


def forget(files: Files) -> None:
    """Forget the sample that is there, and what was measured by it."""
    files.delete(RECORD)
    files.delete(MEASURED)


def write(files: Files, record: Mapping[str, Any], rows: pa.Table) -> None:
    """Write a sample and its page."""
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer)
    files.write_bytes(TABLE, buffer.getvalue().to_pybytes())
    files.write_text(f"{FOLDER}/sample.csv", _csv(rows))
    files.write_text(PAGE, page(record["id"], record["classes"], rows))
    files.write_json(RECORD, record)


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


@dataclass(frozen=True)
class Stratum:
    """Rows that one of them stands for as well as another."""

    is_label_issue: bool
    label: str | None  # the class that they are given; None: any that has no stratum of its own
    # what the label score lies between
    score_above: float
    score_to: float
    # how many there are, and are in the sample
    rows: int
    drawn: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is known of a sample beside its rows; the content of sample.json."""

    id: str  # a hash of its rows
    rows: int
    decided: int  # rows that were left out, since the user had decided them
    classes: Sequence[str]
    strata: Sequence[Stratum]
    # [edge, rows] of the flagged rows by label score, and of those that have another label
    # suggested by the probability of that
    flagged_by_score: Sequence[tuple[float, int]]
    fixes_by_prob: Sequence[tuple[float, int]]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return what `asdict` made a mapping of."""
        return cls(**{**content, "strata": [Stratum(**of) for of in content["strata"]]})
