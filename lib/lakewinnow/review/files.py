"""Rows for review on disk: a table twice, a page, and a record that is written last."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from lakewinnow import columns as c
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.checked import FOLDER, RECORD, read_rows
from lakewinnow.plan.words import counted
from lakewinnow.review import page
from lakewinnow.review.page import Purpose
from lakewinnow.text.spreadsheets import as_cell

__all__ = ["FOLDER", "read_rows"]

MEASURED: Final = f"{FOLDER}/measured.json"


class Place(NamedTuple):
    """Where rows for review are, and what they are there for."""

    folder: str
    name: str
    purpose: Purpose

    @property
    def page(self) -> str:
        """The page that a person reviews them on."""
        return f"{self.folder}/review.html"

    def file(self, ending: str) -> str:
        """Return the rows in a format, or what is known of them: parquet, csv or json."""
        return f"{self.folder}/{self.name}.{ending}"


# Of a row, whatever it is drawn for
SAID: Final = (
    c.ROW_ID,
    c.GIVEN_LABEL,
    c.PREDICTED_LABEL,
    c.PREDICTED_PROB,
    c.SUGGESTED_LABEL,
    c.SUGGESTED_PROB,
    c.GIVEN_LABEL_PROB,
)
SAMPLE: Final = Place(FOLDER, "sample", page.SAMPLE)
QUEUE: Final = Place("review_queue", "queue", page.QUEUE)
PAGE: Final = SAMPLE.page


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


def id_of(classes: Sequence[str], rows: pa.Table) -> str:
    """Return a hash of rows that were drawn."""
    content = [[*classes], *rows.to_pydict().values()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def agreed(id_: str) -> str:
    """Return where what people agree on goes: a file that stays when another sample is drawn."""
    return f"{FOLDER}/decisions-{id_[:6]}.csv"


def write(
    files: Files, place: Place, record: Mapping[str, Any], rows: pa.Table, *, redraw: bool
) -> None:
    """Write rows and their page; the record has an id of them, and the classes.

    Raises
    ------
    DataError : "another_sample": others are there, and `redraw` is not asked for
    """
    earlier = files.read_json(place.file("json"))
    if earlier is not None and earlier["id"] != record["id"]:
        if not redraw:
            raise _another(files, place, earlier)
        files.delete(place.file("json"))
        if place is SAMPLE:
            files.delete(MEASURED)
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer)
    files.write_bytes(place.file("parquet"), buffer.getvalue().to_pybytes())
    files.write_text(place.file("csv"), _csv(rows))
    files.write_text(place.page, page.page(record["id"], record["classes"], rows, place.purpose))
    files.write_json(place.file("json"), record)


def _another(files: Files, place: Place, earlier: Mapping[str, Any]) -> DataError:
    n = counted(earlier["rows"], "row")
    if place is SAMPLE:
        expected, got = "no other sample", f"one of another run or other options, of {n}"
        hint = "measure it first with `lakewinnow review measure`, or replace it with --redraw"
    else:
        expected, got = "no other queue", f"one of an earlier run or of another length, of {n}"
        hint = "save what is answered on its page first, then replace it with --redraw"
    return DataError("another_sample", files.path(place.folder), expected, Shown(got), hint)


def _csv(rows: pa.Table) -> str:
    """Write rows for a spreadsheet: no cell is a formula, and none ends before its quotes do."""
    plain = rows.to_pydict()
    for name, words in _LISTED.items():
        if name in plain:
            plain[name] = ["; ".join(map(words, row)) for row in plain[name]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(plain)
    writer.writerows(map(as_cell, row) for row in zip(*plain.values(), strict=True))
    return text.getvalue()


# How an entry of a list is written in a cell
_LISTED: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    c.LIKELY_LABELS: lambda of: f"{of['label']} {of['prob']:.3f}",
    c.OPINIONS: lambda of: f"{of['annotator']}: {of['label']}",
    c.NEAREST: lambda of: f"{of['label']}: {of['text']}",
}


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
class Drawn:
    """What is known of rows that were drawn, beside their table."""

    id: str  # a hash of the rows
    rows: int
    decided: int  # rows that were left out, since the user had decided them
    classes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Sample(Drawn):
    """What is known of a sample; the content of sample.json."""

    strata: Sequence[Stratum]
    # [edge, rows] of the flagged rows by label score, and of those that have another label
    # suggested by the probability of that
    flagged_by_score: Sequence[tuple[float, int]]
    fixes_by_prob: Sequence[tuple[float, int]]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return what `asdict` made a mapping of."""
        return cls(**{**content, "strata": [Stratum(**of) for of in content["strata"]]})


@dataclass(frozen=True, kw_only=True)
class Queue(Drawn):
    """What is known of rows that an answer helps most; the content of queue.json."""

    gain: float  # labels more that would be right, if each row got one more opinion
