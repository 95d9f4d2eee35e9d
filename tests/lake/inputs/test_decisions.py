"""The user's decisions: read from any format, each row checked, the content fingerprinted."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import write_csv
from lakewinnow.errors import DataError, LakewinnowError, SchemaError
from lakewinnow.lake.inputs.decisions import check_labels, read_decisions

HEADER = ("row_id", "decision", "label", "by")
ROWS = [("r1", "keep", "", "Ann"), ("r2", " Drop", "", ""), ("r3", "", "refund, partly", "Bo")]
EXPECTED = {
    "r1": ("keep", None, "Ann"),
    "r2": ("drop", None, None),
    "r3": ("fix", "refund, partly", "Bo"),
}


@pytest.fixture
def read(spark, tmp_path):
    """Read decisions written as CSV."""

    def of(rows, header=HEADER, name="decisions.csv"):
        return read_decisions(spark, str(write_csv(tmp_path / name, rows, header)), "csv")

    return of


def by_row(decisions):
    return {row["row_id"]: (row["decision"], row["label"], row["by"]) for row in told(decisions)}


def told(decisions):
    return decisions.rows.collect()


def error_of(read, rows, header=HEADER):
    with pytest.raises(LakewinnowError) as caught:
        read(rows, header)
    assert caught.value.where == "clean.decisions"
    return caught.value


def test_csv_is_read(read):
    assert by_row(read(ROWS)) == EXPECTED


def test_number_12_ids_and_labels_are_not_trimmed(read):
    rows = [("r1", "", "b ", ""), ("r1 ", "", "b", ""), (" r1", " keep ", " ", " Ann ")]
    found = read(rows)
    assert by_row(found) == {
        "r1": ("fix", "b ", None),
        "r1 ": ("fix", "b", None),
        " r1": ("keep", None, "Ann"),
    }
    check_labels(found, ["b", "b "])
    with pytest.raises(DataError, match="'b '"):
        check_labels(found, ["b", "other"])


def test_parquet_and_json_say_the_same(spark, tmp_path):
    plain = [dict(zip(HEADER, (cell or None for cell in row), strict=True)) for row in ROWS]
    pq.write_table(pa.Table.from_pylist(plain), tmp_path / "d.parquet")
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, plain)), encoding="utf-8")
    for name, format_ in (("d.parquet", "parquet"), ("d.jsonl", "json")):
        assert by_row(read_decisions(spark, str(tmp_path / name), format_)) == EXPECTED


def test_a_file_of_labels_alone_needs_no_other_column(spark, tmp_path):
    pq.write_table(pa.table({"row_id": [7], "label": [2]}), tmp_path / "d.parquet")
    found = read_decisions(spark, str(tmp_path / "d.parquet"), "parquet")
    assert by_row(found) == {"7": ("fix", "2", None)}


def test_the_fingerprint_is_of_the_content(read):
    one = read(ROWS).fingerprint
    assert read(ROWS[::-1], name="other.csv").fingerprint == one
    for changed in (ROWS[:2], [*ROWS, ("r4", "keep", "", "")], [("r1", "drop", "", "Ann")]):
        assert read(changed).fingerprint != one
    assert read([]).rows.count() == 0


def test_the_same_decision_twice_is_one(read):
    twice = [("r1", "keep", "", "Bo"), ("r1", "keep", "", "Ann")]
    assert by_row(read(twice)) == {"r1": ("keep", None, "Ann and Bo")}


def test_of_several_people_most_decide(read):
    rows = [
        *((row_id, "", "a", "Ann") for row_id in ("r1", "r2", "r3")),
        *((row_id, "drop", "", "Bo") for row_id in ("r1", "r2")),
        ("r1", "", "a", "Cy"),
        ("r3", "", "a", "Bo"),
        ("r4", "keep", "", "Bo"),
    ]
    found = read(rows)
    assert by_row(found) == {
        "r1": ("fix", "a", "Ann and Cy"),
        "r3": ("fix", "a", "Ann and Bo"),
        "r4": ("keep", None, "Bo"),
    }
    assert found.several.differing() == ["r1", "r2"]
    # Of the pairs on r1, r2 and r3, Ann's are 4, of which 2 are alike
    assert found.several.agreement_by() == {"Bo": 0.25, "Ann": 0.5, "Cy": 0.5}
    assert read([("r1", "keep", "", "Ann")]).several is None


@pytest.mark.parametrize(
    "rows",
    [
        [("r1", "keep", "", ""), ("r1", "drop", "", "")],
        [("r1", "", "a", ""), ("r1", "", "b", "")],
        [("r1", "", "a", ""), ("r1", "keep", "", "")],
        [("r1", "", "a", "Ann"), ("r1", "", "b", "Ann"), ("r1", "", "a", "Bo")],
    ],
)
def test_decisions_that_contradict_each_other_are_an_error(read, rows):
    error = error_of(read, [*rows, ("r0", "keep", "", "")])
    assert (error.code, "r1" in str(error)) == ("contradicting_decisions", True)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (("", "keep", "", ""), "without row_id"),
        (("r1", "", "", ""), "r1"),
        (("r1", "fix", "", ""), "r1"),
        (("r1", "keep", "a", ""), "r1"),
        (("r1", "kepe", "", ""), "kepe"),
        (("r1", "other", "a", ""), "other"),
    ],
)
def test_a_row_that_says_nothing_clear_is_an_error(read, row, shown):
    error = error_of(read, [row, *ROWS[1:]])
    assert (type(error), error.code) == (DataError, "bad_decision")
    assert shown in str(error)


def test_all_that_is_wrong_is_said_at_once(read):
    error = error_of(read, [("", "keep", "", ""), ("r1", "kepe", "", "")])
    assert len(error.problems) == 2


@pytest.mark.parametrize("header", [("id", "decision"), ("row_id", "verdict")])
def test_a_missing_column_is_named(read, header):
    error = error_of(read, [("r1", "keep")], header)
    assert (type(error), error.code) == (SchemaError, "missing_column")


def test_a_file_that_is_not_there_is_an_error(spark, tmp_path):
    with pytest.raises(DataError) as caught:
        read_decisions(spark, str(tmp_path / "none.csv"), "csv")
    assert (caught.value.code, caught.value.where) == ("input_not_found", "clean.decisions")


def test_a_label_that_is_no_class_is_an_error(read):
    decisions = read([("r1", "", "refnd", ""), ("r2", "", "refund", ""), ("r3", "keep", "", "")])
    check_labels(decisions, ["refnd", "refund"])
    with pytest.raises(DataError) as caught:
        check_labels(decisions, ["billing", "refund"])
    error = caught.value
    assert (error.code, error.hint) == ("unknown_label", "did you mean 'refund'?")
    assert "r1" in str(error)
