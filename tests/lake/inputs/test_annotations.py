"""Annotations that a tool for labelling has exported: a file, or what is in a folder."""

import json

import pytest

from lakewinnow.config.sections import AnnotationsConfig
from lakewinnow.errors import LakewinnowError
from lakewinnow.lake.inputs.annotations import read_annotations


def annotation(user, label):
    result = {"type": "choices", "from_name": "label", "value": {"choices": [label]}}
    return {"completed_by": {"id": 1, "email": user}, "result": [result]}


RECORD = {"data": {"row_id": "r1"}, "annotations": [annotation("u1", "a"), annotation("u2", "b")]}


@pytest.fixture
def read(spark, tmp_path):
    def of(name="", **keys):
        config = AnnotationsConfig(path=str(tmp_path / name), format="label-studio", **keys)
        found = read_annotations(spark, config)
        return sorted(map(tuple, found.rows.collect())), found.fingerprint

    return of


def test_a_folder_is_read_without_its_settings(read, tmp_path):
    (tmp_path / ".settings").mkdir()
    (tmp_path / ".settings" / "settings.json").write_text("{}")
    (tmp_path / "records.json").write_text(json.dumps([RECORD]))
    expected = [("r1", "u1", "a", False), ("r1", "u2", "b", False)]
    assert read() == read("records.json")
    assert read()[0] == expected
    (tmp_path / "more.json").write_text(json.dumps([{**RECORD, "data": {"row_id": "r2"}}]))
    rows, fingerprint = read()
    assert rows[2:] == [("r2", "u1", "a", False), ("r2", "u2", "b", False)]
    assert fingerprint != read("records.json")[1]
    unanswered = [("r2", "u1", None, False), ("r2", "u2", None, False)]
    assert read("more.json", label="another question")[0] == unanswered


@pytest.mark.parametrize("name", ["none.json", "."])
def test_a_file_that_is_not_there_is_an_error(read, name):
    with pytest.raises(LakewinnowError) as caught:
        read(name)
    assert caught.value.code == "input_not_found"
    assert caught.value.where == "input.annotations.path"
