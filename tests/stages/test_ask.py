"""Ask: rows of which one more opinion is worth most, each once, with what is known of it."""

import json
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from builders import corpus_row, lake_in, make_commit, make_table, read_rows
from lakewinnow import columns as c
from lakewinnow.config.sections import AskConfig
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.opinions import OPINIONS
from lakewinnow.spark.passes.judged import JUDGED, SAID
from lakewinnow.spark.schemas import schema
from lakewinnow.stages import ask

GAINS = {"r0": 0.1, "r1": 0.3, "r2": 0.3, "r3": 0.2, "r4": 0.0, "r5": 0.25}
TEXTS = {"r0": "zero", "r1": "one", "r2": "one", "r3": "three", "r4": "four", "r5": "five"}
SETS = {"checks/near_duplicates": "near_duplicate_set"}


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = lake_in(spark, tmp_path_factory.mktemp("ask"))
    make_commit(lake, "ingest", classes=["a", "b"])
    make_table(lake, "corpus", [corpus_row(row_id, text) for row_id, text in TEXTS.items()])
    judged = [
        {
            **dict.fromkeys(("given_label", "suggested_label"), "a"),
            **dict.fromkeys(("suggested_prob", "given_label_prob", "label_score"), 0.6),
            "row_id": row_id,
            "predicted_label": "b",
            "predicted_prob": 0.55,
            "is_label_issue": False,
            "gain": gain,
            "n_opinions": 2 if row_id == "r1" else 0,
            "most_said": "b" if row_id == "r1" else None,
            "n_saying": 1 if row_id == "r1" else 0,
        }
        for row_id, gain in GAINS.items()
    ]
    both = [(f.name, f.dataType.simpleString()) for f in [*JUDGED, *SAID]]
    make_table(lake, "checks/label_issues", judged, schema({n: f"{kind}?" for n, kind in both}))
    alike = [{"row_id": row_id, "near_duplicate_set": "r3"} for row_id in ("r3", "r5")]
    make_table(lake, "checks/near_duplicates", alike)
    said = [("r1", "ben", 0), ("r1", "amy", 1), ("r4", "amy", 1)]
    said = [dict(zip(OPINIONS.names, of, strict=True)) for of in said]
    make_table(lake, "opinions/annotations", said, OPINIONS)
    return lake


def asked(lake, n_rows=10, kinds=(), format_=None, **options):
    config = AskConfig(rows=n_rows, format=format_)
    report = ask.run(lake, config, F.upper(c.TEXT), kinds, SETS, **options)
    rows = sorted(read_rows(lake.files.root, "ask"), key=lambda row: row["ask_rank"])
    assert [row["ask_rank"] for row in rows] == list(range(1, len(rows) + 1))
    return rows, report.figures


def test_rows_that_gain_most_come_first_and_of_those_alike_one(lake):
    rows, figures = asked(lake)
    assert [row["row_id"] for row in rows] == ["r1", "r5", "r0"]
    assert rows[0]["text"] == "ONE"
    assert rows[0]["why"] == "the text looks like b (0.55); the label is a"
    assert rows[0]["opinions"] == []
    assert figures.rows == 3
    assert figures.gain == pytest.approx(0.65)
    assert figures.curve == pytest.approx([0.3, 0.55, 0.65])
    assert figures.by_chance == pytest.approx(3 * sum(GAINS.values()) / len(GAINS))
    assert [row["row_id"] for row in asked(lake, 1)[0]] == ["r1"]


def test_where_nothing_is_worth_asking_the_table_has_no_row(lake):
    own = Decisions(lake.spark.createDataFrame([(key,) for key in GAINS], "row_id string"), "")
    assert asked(lake, own=own)[0] == []


def test_what_is_known_of_a_row_is_there(lake):
    rows, _ = asked(lake, kinds=("annotation",))
    assert rows[0]["opinions"] == [
        {"annotator": "amy", "label": "b"},
        {"annotator": "ben", "label": "a"},
    ]
    assert rows[0]["why"].endswith("; 1 of 2 annotators say b")
    assert rows[1]["why"] == "the text looks like b (0.55); the label is a"


def test_what_the_user_has_decided_is_not_asked(lake):
    own = Decisions(lake.spark.createDataFrame([("r1",)], "row_id string"), "")
    rows, _ = asked(lake, own=own)
    assert [row["row_id"] for row in rows] == ["r2", "r5", "r0"]


def test_a_tool_for_labelling_gets_files_and_none_stay(lake):
    folder = Path(lake.files.path("labelling"))
    rows, _ = asked(lake, format_="label-studio")
    tasks = json.loads((folder / "tasks.json").read_text())
    assert [task["data"]["row_id"] for task in tasks] == [row["row_id"] for row in rows]
    assert tasks[0]["data"]["text"] == "ONE"
    asked(lake)
    assert not folder.exists()
