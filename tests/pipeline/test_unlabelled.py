"""Rows without a label from the input to clean/ and exports/: issue 17, number 4."""

import csv

import pytest

import lakewinnow
from builders import SAMPLE, Recorder, assert_keeps_the_contracts, make_config, read_rows, write_csv
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.result import print_result


@pytest.mark.slow
@pytest.mark.whole_run
def test_17_4_rows_without_a_label_get_one_where_it_can_be_promised(spark, tmp_path, capsys):
    with (SAMPLE / "support_corrected.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["ticket"]: row["queue"] for row in csv.DictReader(file)}
    with (SAMPLE / "support.csv").open(newline="", encoding="utf-8") as file:
        tickets = [row for row in csv.DictReader(file) if row["message"].strip()]
    rows = [
        (
            row["ticket"],
            row["message"],
            "" if i % 5 == 0 else row["queue"],
            truth.get(row["ticket"], "") if i % 3 == 0 else "",
        )
        for i, row in enumerate(tickets)
    ]
    path = write_csv(tmp_path / "rows.csv", rows, ("ticket", "text", "label", "checked"))

    def run(**clean):
        observer = Recorder()
        config = make_config(
            path,
            tmp_path / "out",
            input={"id": "ticket", "unlabelled": "label"},
            clean={"label_issues": "fix", "checked_label": "checked", **clean},
            output={"soft_labels": True},
            export={"format": "openai-chat"},
        )
        return lakewinnow.run(config, spark, observer=observer), observer

    result, _ = run(fix_at_most_wrong=0.1)
    assert_keeps_the_contracts(tmp_path / "out")
    found = result.summary["unlabelled"]
    assert found["labelled"] > 0.5 * found["rows"]
    by_models = [
        row
        for row in read_rows(tmp_path / "out", "issues")
        if row["given_label"] is None and row["decided_by"] is None
    ]
    assert len(by_models) == found["labelled"]
    wrong = [row for row in by_models if truth[row["row_id"]] != row["new_label"]]
    assert len(wrong) <= 0.1 * len(by_models)
    clean = {
        row["ticket"]: row
        for row in lakewinnow.read(tmp_path / "out", "clean", to="arrow").to_pylist()
    }
    assert all(clean[row["row_id"]]["label"] == row["new_label"] for row in by_models)
    n_out = result.summary["quarantine"].get("label_null", 0)
    assert n_out == found["rows"] - found["labelled"] - found["labelled_by_people"]
    assert sum(split["rows"] for split in result.summary["exports"].values()) == len(clean)
    print_result(result, CommandLine(()))
    said = "this assumes that rows lack a label by chance"
    assert said in capsys.readouterr().out
    assert said in result.report.html()

    result, observer = run(fix_at_most_wrong=0.001)
    assert_keeps_the_contracts(tmp_path / "out")
    assert observer.ran[0] == "decide"  # nothing is predicted again
    assert result.summary["unlabelled"]["labelled"] == 0
