"""Promises from the review sample to the report: issue 17, number 4."""

import csv
import dataclasses
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import lakewinnow
from builders import SAMPLE, read_rows, sample_run, write_csv
from lakewinnow import review
from lakewinnow.errors import DataError
from lakewinnow.lake.workspace import Lake
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.result import print_result

pytestmark = [pytest.mark.whole_run, pytest.mark.slow]


def promising(config, path):
    clean = dataclasses.replace(
        config.clean,
        label_issues="fix",
        fix_at_most_wrong=0.3,
        promise_confidence=0.8,
        decisions=str(path),
    )
    return dataclasses.replace(config, clean=clean)


def test_17_4_a_reviewed_sample_says_how_many_rows_are_fixed(spark, tmp_path, capsys):
    config, result = sample_run(spark)
    shutil.copytree(result.workspace, tmp_path / "workspace")
    config = dataclasses.replace(config, workspace=str(tmp_path / "workspace"))
    with (SAMPLE / "support_corrected.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["ticket"]: row["queue"] for row in csv.DictReader(file)}
    decisions = write_csv(tmp_path / "none.csv", [("T-0220", "keep")], ("row_id", "decision"))
    with pytest.raises(DataError) as caught:  # before anything is done
        lakewinnow.run(promising(config, decisions), spark)
    assert (caught.value.code, caught.value.where) == ("no_sample", "clean.fix_at_most_wrong")

    review.draw(Lake(spark, config.workspace), 36, 0)
    sample = pq.read_table(Path(config.workspace, "review_sample/sample.parquet")).to_pylist()
    answers = [(row["row_id"], truth[row["row_id"]]) for row in sample]
    path = write_csv(tmp_path / "ann.csv", answers, ("row_id", "label"))
    result = lakewinnow.run(promising(config, path), spark)
    promise, issues = result.summary["promise"], read_rows(config.workspace, "issues")
    fixed = [r for r in issues if r["decision"] == "fix" and r["decided_by"] is None]
    assert 0 < len(fixed) <= promise["rows"]
    assert all(1 - row["suggested_prob"] <= promise["doubt"] for row in fixed)
    assert promise["checked"] <= 36
    [details] = [of["details"] for of in result.manifest["stages"] if of["name"] == "decide"]
    assert details == {"promise": promise}
    print_result(result, CommandLine(()))
    said = "with 80% confidence at most 30% of"
    assert said in capsys.readouterr().out
    assert said in result.report.html()
