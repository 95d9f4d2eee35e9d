"""What changed between two runs: against counts made by hand from the two issues/ tables."""

import json

import pytest

import lakewinnow
from builders import make_config, messages, read_json, read_rows, write_csv
from lakewinnow.cli import exit_code_of
from lakewinnow.errors import DataError
from lakewinnow.review.diff import (
    ADDED,
    CHANGES,
    CLEARED,
    DECISION_CHANGED,
    FLAGGED,
    LABEL_CHANGED,
    REMOVED,
    diff,
)


@pytest.fixture(scope="module")
def runs(spark, tmp_path_factory):
    """Two runs: the second lacks two rows, has a new one and another policy."""
    folder = tmp_path_factory.mktemp("diff")
    rows = [(f"r{i:03}", text, label) for i, (text, label) in enumerate(messages(60))]
    second = [*rows[2:], ("new", "please correct the amount on invoice number 999", "billing")]
    named = {"id": "id"}
    crossval = {"folds": 3, "params": {"C": 1.0}}
    workspaces = []
    for name, content, action in (("a", rows, "drop"), ("b", second, "review")):
        path = write_csv(folder / f"{name}.csv", content, ("id", "text", "label"))
        config = make_config(
            path, folder / name, input=named, crossval=crossval, clean={"label_issues": action}
        )
        lakewinnow.run(config, spark)
        workspaces.append(str(folder / name))
    return workspaces


@pytest.mark.slow_on_spark
def test_rows_flags_decisions_and_settings(spark, runs):
    found = diff(*runs, spark)
    first, second = ({row["row_id"]: row for row in read_rows(ws, "issues")} for ws in runs)
    both = first.keys() & second.keys()
    assert found.rows["first"] == len(first)
    assert found.rows["second"] == len(second)
    assert found.rows["both"] == len(both) == 58
    assert (found.rows[REMOVED], found.rows[ADDED]) == (2, 1)
    flipped = {i for i in both if first[i]["decision"] != second[i]["decision"]}
    assert flipped
    assert found.rows[DECISION_CHANGED] == len(flipped)
    assert sum(found.decisions.values()) == len(flipped) + 3
    assert found.decisions["drop", "review"] == sum(
        second[i]["decision"] == "review" for i in flipped
    )
    flagged = [{i for i in both if run[i]["is_label_issue"]} for run in (first, second)]
    assert found.flags[FLAGGED] == len(flagged[1] - flagged[0])
    assert found.flags[CLEARED] == len(flagged[0] - flagged[1])
    assert found.flags["still flagged"] == len(flagged[0] & flagged[1])
    models = [read_json(ws, "noise_model.json") for ws in runs]
    pairs = zip(models[0]["thresholds"], models[1]["thresholds"], strict=True)
    assert list(found.thresholds.values()) == list(pairs)
    assert found.config["clean.label_issues"] == ("drop", "review")
    assert "workspace" not in found.config
    worst = [row["change"] for row in found.worst(1000)]
    assert worst == sorted(worst, key=CHANGES.index)
    assert {REMOVED, ADDED, DECISION_CHANGED} <= set(worst)
    assert found.table.count() == sum(found.rows[change] for change in CHANGES)


def test_a_run_against_itself_has_not_changed(spark, runs):
    found = diff(runs[0], runs[0], spark)
    assert found.rows["both"] == found.rows["first"]
    assert not any(found.rows[change] for change in (REMOVED, ADDED, LABEL_CHANGED, FLAGGED))
    assert found.table.count() == 0
    assert not found.config


def test_a_folder_without_a_run(spark, runs, tmp_path):
    with pytest.raises(DataError) as caught:
        diff(runs[0], str(tmp_path), spark)
    assert caught.value.code == "no_run"


def test_the_command(spark, runs, tmp_path, capsys):  # noqa: ARG001 - in the session that is there
    assert exit_code_of(["diff", *runs, "-n", "2", "--rows", str(tmp_path / "rows")]) == 0
    shown = capsys.readouterr().out
    assert "drop → review" in shown
    assert "clean.label_issues" in shown
    assert exit_code_of(["diff", *runs, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"][ADDED] == 1
    assert len(read_rows(tmp_path, "rows")) == sum(figures["rows"][change] for change in CHANGES)
