"""`lakewinnow top`: whole texts, for people and for programs, and no personal data."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import make_config
from lakewinnow.lake.files import Files
from lakewinnow.terminal.top import print_top

LONG = f"Please write to [me]\nor call. {'No news is good news, they say. ' * 20}ann@example.com"
WORST = [
    {
        "label_rank": 1,
        "label_score": 0.01,
        "given_label": "[a]",
        "predicted_label": "b",
        "suggested_label": "b",
        "decision": "drop",
        "row_id": "long",
        "text": LONG,
    },
    {
        "label_rank": 2,
        "label_score": 0.25,
        "given_label": "a",
        "predicted_label": "a",  # the posterior doubts it all the same
        "suggested_label": "c",
        "decision": "fix",
        "row_id": "short",
        "text": "short",
    },
]


@pytest.fixture
def printed(tmp_path, capsys):
    ranked = [*WORST[::-1], {**WORST[0], "label_rank": None, "row_id": "right"}]
    issues = [{**row, "text_preview": row["text"][:200]} for row in ranked]
    for name, rows in {"issues": issues, "corpus": ranked}.items():
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name / "part.parquet")
    Files(str(tmp_path)).write_json("_commits/decide.json", {})

    def of(n=2, form=None, width=None, **sections):
        print_top(make_config(tmp_path / "rows.csv", tmp_path, **sections), n, form, width)
        return capsys.readouterr().out

    return of


def test_texts_are_whole_and_folded(printed):
    shown = printed(width=60)
    assert " ".join(shown.split()) == (
        f"1 given [a], rather b (score 0.0100, drop) {' '.join(LONG.split())}"
        " 2 given a, rather c (score 0.2500, fix) short"
    )
    assert 50 < max(map(len, shown.splitlines())) <= 60


def test_programs_get_every_column(printed):
    assert json.loads(printed(form="json")) == WORST
    again = list(csv.DictReader(io.StringIO(printed(form="csv"))))
    assert again == [{name: str(value) for name, value in row.items()} for row in WORST]
    assert [row["row_id"] for row in json.loads(printed(n=1, form="json"))] == ["long"]


@pytest.fixture
def formula(monkeypatch):
    """Have a text be one, before the tables are written."""
    monkeypatch.setitem(WORST[1], "text", "=1+1")
    return "=1+1"


def test_no_text_is_a_formula_in_a_spreadsheet(formula, printed):
    [_, row] = csv.DictReader(io.StringIO(printed(form="csv")))
    assert (row["text"], row["label_score"]) == (f"'{formula}", "0.25")
    assert json.loads(printed(form="json"))[1]["text"] == formula


def test_personal_data_that_is_to_be_redacted_is_not_shown(printed):
    assert "ann@example.com" in printed(width=1000)
    checks, clean = {"pii": {}}, {"pii": "redact"}
    assert "‹EMAIL›" in printed(width=1000, checks=checks, clean=clean)
    assert "ann@example.com" not in printed(width=1000, checks=checks, clean=clean)
