"""From ask/ to a tool for labelling and back: its answers are opinions of the next run."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import make_config, messages, read_json, read_rows, write_csv
from lakewinnow import review
from lakewinnow.lake.workspace import Lake


def by_label_studio(folder, right):
    """Answer all tasks, as Label Studio exports them."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:
        [result] = task["predictions"][0]["result"]
        answer = {**result, "value": {"choices": [right[task["data"]["row_id"]]]}}
        by = {"id": 1, "email": "ann@example.org"}
        task["annotations"] = [{"completed_by": by, "was_cancelled": False, "result": [answer]}]
    return tasks, "ann@example.org"


@pytest.mark.slow
@pytest.mark.whole_run
def test_what_is_asked_comes_back_as_opinions(spark, tmp_path):
    rows = [(f"m{i}", *row) for i, row in enumerate(messages(90))]
    right = {key: ("billing", "login", "shipping")[i % 3] for i, (key, _, _) in enumerate(rows)}
    workspace, export = tmp_path / "out", tmp_path / "export.json"
    sections = {
        "crossval": {"folds": 3},
        "embedding": {"dimensions": 64},
        "ask": {"rows": 20, "format": "label-studio"},
    }
    source = {"id": "key"}

    def config(**more):
        path = write_csv(tmp_path / "rows.csv", rows, ("key", "text", "label"))
        return make_config(path, workspace, input=source | more, **sections)

    lakewinnow.run(config(), spark)
    asked = {row["row_id"] for row in read_rows(workspace, "ask")}
    content, who = by_label_studio(Path(workspace, "labelling"), right)
    export.write_text(json.dumps(content), encoding="utf-8")

    annotated = config(annotations={"path": str(export), "format": "label-studio"})
    lakewinnow.run(annotated, spark)
    said = read_rows(workspace, "opinions/annotations")
    assert {row["row_id"] for row in said} == asked != set()
    [annotator] = read_json(workspace, "summary.json")["opinions"]["annotators"]
    assert (annotator["annotator"], annotator["n"]) == (who, len(asked))

    lake = Lake(spark, str(workspace))
    sources = review.Sources(kinds=annotated.opinion_kinds)
    review.draw_queue(lake, 90, {}, sources)
    shown = pq.read_table(workspace / "review_queue" / "queue.parquet").to_pylist()
    for row in shown:
        likeliest = row["likely_labels"][0]
        assert likeliest["label"] == row["suggested_label"]
        assert likeliest["prob"] == pytest.approx(row["suggested_prob"])
        opinions = [(of["annotator"], of["label"]) for of in row["opinions"]]
        assert opinions == ([(who, right[row["row_id"]])] if row["row_id"] in asked else [])
        assert all(0 < of["quality"] < 1 for of in row["opinions"])
