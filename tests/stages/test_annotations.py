"""Annotations: opinions on rows that are there, for classes that are there; the rest is counted."""

import json

import pytest

from builders import corpus_row, found_by, lake_in, make_commit, make_table, read_rows, write_csv
from lakewinnow.config.sections import AnnotationsConfig, InputConfig
from lakewinnow.errors import DataError, SchemaError
from lakewinnow.lake.inputs.annotations import read_annotations
from lakewinnow.stages import annotations

LONG = ("row_id", "annotator", "label")


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = lake_in(spark, tmp_path_factory.mktemp("annotated"))
    make_commit(lake, "ingest", classes=["a", "b"])
    make_table(lake, "corpus", [corpus_row(f"r{i}", f"text {i}") for i in range(4)])
    return lake


@pytest.fixture
def annotated(lake, tmp_path):
    """Return the opinions that a table has, and what the stage found."""

    def read(rows, header=LONG, *, like=None, **said):
        path = write_csv(tmp_path / "said.csv", rows, header)
        opened = read_annotations(lake.spark, AnnotationsConfig(path=str(path), **said))
        config = InputConfig(label="label", **(like or {}))
        report = annotations.run(lake, opened, config)
        rows = read_rows(lake.files.root, "opinions/annotations")
        return {(row["row_id"], row["annotator"]): row["label"] for row in rows}, found_by(report)

    return read


def test_what_cannot_be_used_is_counted_and_said_once(annotated):
    opinions, found = annotated(
        [
            ("r0", "amy", "a"),
            ("r0", "ben", "b"),
            ("r0", "ben", "b"),  # said twice
            ("r1", "amy", "a"),
            ("r1", "amy", "b"),  # and both of them
            ("r2", "amy", "c"),
            ("r9", "amy", "a"),
            ("r8", "amy", "a"),
            ("r3", "amy", ""),
            ("r3", " ", "a"),
            ("", "amy", "a"),
        ]
    )
    assert opinions == {("r0", "amy"): 0, ("r0", "ben"): 1}
    assert found["read"] == 11
    assert found["unused"] == {
        "unknown_row": 2,
        "unknown_label": 1,
        "contradicting": 2,
        "label_null": 1,
        "annotator_null": 1,
        "row_null": 1,
    }
    [warning] = found["warnings"]
    assert "input.annotations: 8 of 11 annotations are not used: 2 of rows that are" in warning
    assert "(row 'r8')" in warning
    assert "('c' of row 'r2')" in warning
    assert "('amy' of row 'r1')" in warning


def test_a_wide_table_has_a_column_per_annotator(annotated):
    opinions, found = annotated(
        [("r0", "a", "b"), ("r1", "", "a"), ("r2", "", "")],
        ("id", "amy", "ben"),
        row="id",
        columns=("amy", "ben"),
    )
    assert opinions == {("r0", "amy"): 0, ("r0", "ben"): 1, ("r1", "ben"): 0}
    assert found == {"read": 3, "unused": {}, "warnings": []}


def test_labels_are_spelled_as_in_the_input(annotated):
    rows = [("r0", "amy", " A "), ("r1", "amy", "B")]
    opinions, _ = annotated(rows, like={"normalize_labels": True})
    assert opinions == {("r0", "amy"): 0, ("r1", "amy"): 1}
    with pytest.raises(DataError) as caught:
        annotated(rows)
    assert caught.value.code == "unknown_label"


def test_numbers_are_ids(lake, tmp_path):
    path = tmp_path / "said.json"
    path.write_text(json.dumps({"row_id": 7, "annotator": 1, "label": "a"}) + "\n")
    said = read_annotations(lake.spark, AnnotationsConfig(path=str(path))).rows.toArrow()
    assert said.to_pylist() == [
        {"row_id": "7", "annotator": "1", "label": "a", "is_malformed": False}
    ]


@pytest.mark.parametrize(
    ("rows", "like", "code", "hint"),
    [
        ([], {}, "no_annotations", ""),
        ([("x", "amy", "a")], {}, "annotations_match_nothing", "without input.id"),
        ([("x", "amy", "a")], {"id": "key"}, "annotations_match_nothing", "annotations.row names"),
        ([("r0", "amy", "A")], {}, "unknown_label", "did you mean 'a'?"),
    ],
)
def test_where_nothing_can_be_used_the_error_says_why(annotated, rows, like, code, hint):
    with pytest.raises(DataError) as caught:
        annotated(rows, like=like)
    assert caught.value.code == code
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("said", "error", "where"),
    [
        ({"row": "Row_id"}, SchemaError, "input.annotations.row"),
        ({"annotator": "who"}, SchemaError, "input.annotations.annotator"),
        ({"columns": ("amy", "ben")}, SchemaError, "input.annotations.columns"),
    ],
)
def test_a_column_that_is_missing_is_named_by_its_key(annotated, said, error, where):
    with pytest.raises(error) as caught:
        annotated([("r0", "amy", "a")], **said)
    assert caught.value.where == where


def test_a_file_that_is_missing_is_named_by_its_key(lake, tmp_path):
    with pytest.raises(DataError) as caught:
        read_annotations(lake.spark, AnnotationsConfig(path=str(tmp_path / "no.csv")))
    assert caught.value.where == "input.annotations.path"
