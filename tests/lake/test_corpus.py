"""Rows whose text was refused leave the corpus for quarantine, and come back."""

import pytest
from pyspark.sql.types import StringType, StructField, StructType

from builders import corpus_row, lake_in, make_commit, make_table, read_rows, text_key
from lakewinnow.config.sections import InputConfig
from lakewinnow.lake.corpus import accepted, forget_refused, n_accepted, refuse

CONFIG = InputConfig(path="unused", text="text", label="label")
COLUMNS = StructType([StructField(name, StringType()) for name in ("label", "text", "row_id")])


@pytest.fixture
def lake(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    rows = [corpus_row(f"{i}", text, row_id=f"own {i}") for i, text in enumerate("abab")]
    make_table(lake, "corpus", rows)
    rejected = {"label": " ", "text": "x", "row_id": "own x"}
    rejected |= {"lakewinnow_row_id": "x", "error_code": "label_null", "error": "why"}
    make_table(lake, "quarantine", [rejected])
    make_commit(lake, "ingest", input_columns=COLUMNS.jsonValue())
    return lake


def refused(lake, *texts):
    rows = [(bytearray(text_key(text)), "embedding_refused", "no") for text in texts]
    schema = "text_key binary, error_code string, error string"
    return lake.spark.createDataFrame(rows, schema), CONFIG, len(rows)


def ids(rows):
    return sorted(row["row_id"] for row in rows)


def quarantined(lake):
    return sorted(row["lakewinnow_row_id"] for row in read_rows(lake.files.root, "quarantine"))


def test_every_row_of_a_refused_text_moves(lake):
    assert refuse(lake, *refused(lake, "b")) == {"embedding_refused": 2}
    assert ids(accepted(lake).collect()) == ["0", "2"]
    assert n_accepted(lake) == 2
    assert quarantined(lake) == ["1", "3", "x"]
    [row] = [
        row for row in read_rows(lake.files.root, "quarantine") if row["lakewinnow_row_id"] == "1"
    ]
    assert row == {
        "label": "a",
        "text": "b",
        "row_id": "own 1",
        "lakewinnow_row_id": "1",
        "error_code": "embedding_refused",
        "error": "no",
    }


def test_another_call_starts_from_what_ingest_rejected(lake):
    refuse(lake, *refused(lake, "b"))
    assert refuse(lake, *refused(lake, "a")) == {"embedding_refused": 2}
    assert quarantined(lake) == ["0", "2", "x"]
    assert refuse(lake, *refused(lake)) == {}
    assert quarantined(lake) == ["x"]
    assert ids(accepted(lake).collect()) == ["0", "1", "2", "3"]
    assert not lake.files.exists("refused")


def test_without_refusals_nothing_is_written(lake):
    assert refuse(lake, *refused(lake)) == {}
    assert not lake.files.exists("rejected")
    assert n_accepted(lake) == 4


def test_a_kill_before_quarantine_is_written_is_made_good(lake, monkeypatch):
    publish, done = type(lake).publish, []

    def dies(self, name, *args, **kwargs):
        if name == "quarantine":
            raise KeyboardInterrupt
        done.append(name)
        publish(self, name, *args, **kwargs)

    texts = refused(lake, "b")
    with monkeypatch.context() as patch:
        patch.setattr(type(lake), "publish", dies)
        with pytest.raises(KeyboardInterrupt):
            refuse(lake, *texts)
    assert done == ["rejected", "refused"]
    refuse(lake, *refused(lake, "b"))
    assert quarantined(lake) == ["1", "3", "x"]


def test_ingest_forgets(lake):
    refuse(lake, *refused(lake, "b"))
    forget_refused(lake)
    assert n_accepted(lake) == 4
