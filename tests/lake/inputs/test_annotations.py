"""Annotations that a tool for labelling has exported: a file, or what is in a folder."""

import json

import pytest

from lakewinnow.config.sections import AnnotationsConfig
from lakewinnow.errors import LakewinnowError
from lakewinnow.lake.inputs.annotations import read_annotations

RECORD = {
    "id": "r1",
    "metadata": {"row_id": "r1"},
    "responses": {"label": [{"user_id": "u1", "value": "a"}, {"user_id": "u2", "value": "b"}]},
}


@pytest.fixture
def read(spark, tmp_path):
    def of(name="", **keys):
        config = AnnotationsConfig(path=str(tmp_path / name), format="argilla", **keys)
        found = read_annotations(spark, config)
        return sorted(map(tuple, found.rows.collect())), found.fingerprint

    return of


def test_a_folder_is_read_without_its_settings(read, tmp_path):
    (tmp_path / ".argilla").mkdir()
    (tmp_path / ".argilla" / "settings.json").write_text("{}")
    (tmp_path / "records.json").write_text(json.dumps([RECORD]))
    expected = [("r1", "u1", "a", False), ("r1", "u2", "b", False)]
    assert read() == read("records.json")
    assert read()[0] == expected
    (tmp_path / "more.json").write_text(json.dumps([{**RECORD, "id": "r2", "metadata": {}}]))
    rows, fingerprint = read()
    assert rows[2:] == [("r2", "u1", "a", False), ("r2", "u2", "b", False)]
    assert fingerprint != read("records.json")[1]
    assert read("more.json", label="another question")[0] == []


@pytest.mark.parametrize("name", ["none.json", "."])
def test_a_file_that_is_not_there_is_an_error(read, name):
    with pytest.raises(LakewinnowError) as caught:
        read(name)
    assert caught.value.code == "input_not_found"
    assert caught.value.where == "input.annotations.path"
