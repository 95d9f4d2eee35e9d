"""The review of a finished run: drawn, answered, measured, applied."""

import csv
import dataclasses
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from browser import chromium
from builders import SAMPLE, read_json, read_rows, sample_run, write_csv
from lakewinnow import review
from lakewinnow.cli import exit_code_of
from lakewinnow.config.file import dump
from lakewinnow.errors import LakewinnowError
from lakewinnow.lake.workspace import Lake

pytestmark = pytest.mark.slow_on_spark

N = 80
HEADER = ("row_id", "decision", "label", "by")


def truth():
    with (SAMPLE / "support_corrected.csv").open(newline="", encoding="utf-8") as file:
        return {row["ticket"]: row["queue"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def config(spark, tmp_path_factory):
    """The configuration of a run whose workspace is these tests' own."""
    of_sample, result = sample_run(spark)
    workspace = tmp_path_factory.mktemp("review") / "workspace"
    shutil.copytree(result.workspace, workspace)
    return dataclasses.replace(of_sample, workspace=str(workspace))


@pytest.fixture(scope="module")
def lake(spark, config):
    return Lake(spark, config.workspace)


@pytest.fixture(scope="module")
def drawn(lake):
    """A sample, and its rows."""
    sample = review.draw(lake, N, 0.25)
    return sample, pq.read_table(lake.files.path("review_sample/sample.parquet")).to_pylist()


@pytest.fixture(scope="module")
def answers(drawn):
    """What a person says who knows the truth."""
    right = truth()
    return [(row["row_id"], "", right[row["row_id"]], "Ann") for row in drawn[1]]


def error_of(lake, *paths):
    with pytest.raises(LakewinnowError) as caught:
        review.measure(lake, list(map(str, paths)), 0.9)
    return caught.value.code, caught.value.where


# --- drawing ------------------------------------------------------------------------------------


def test_a_sample_has_so_many_rows_of_each_stratum_with_known_chances(lake, drawn):
    sample, rows = drawn
    issues = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    corpus = {row["row_id"]: row["text"] for row in read_rows(lake.files.root, "corpus")}
    assert len(rows) == sample.rows == N
    n_flagged = sum(row["is_label_issue"] for row in issues.values())
    assert sum(row["is_label_issue"] for row in rows) == min(60, n_flagged)
    assert [row["review_order"] for row in rows] == list(range(1, N + 1))
    in_stratum = Counter(row["stratum"] for row in rows)
    for at, stratum in enumerate(sample.strata):
        own = [
            row
            for row in issues.values()
            if row["is_label_issue"] == stratum.is_label_issue
            and (stratum.label is None or row["given_label"] == stratum.label)
            and stratum.score_above < row["label_score"] <= stratum.score_to
        ]
        if stratum.label is None:
            named = {s.label for s in sample.strata if s.is_label_issue == stratum.is_label_issue}
            own = [row for row in own if row["given_label"] not in named]
        assert (len(own), in_stratum[at]) == (stratum.rows, stratum.drawn)
    assert sum(stratum.rows for stratum in sample.strata) == len(issues)
    for row in rows:
        stratum = sample.strata[row["stratum"]]
        assert row["text"] == corpus[row["row_id"]]
        assert row["inclusion_prob"] == stratum.drawn / stratum.rows
        assert row["likely_labels"][0]["label"] == row["suggested_label"]
        assert row["likely_labels"][0]["prob"] == pytest.approx(row["suggested_prob"], abs=1e-6)
        assert (
            row.items()
            >= {k: issues[row["row_id"]][k] for k in ("given_label", "label_score")}.items()
        )
    assert sum(n for _, n in sample.flagged_by_score) == n_flagged


def test_a_sample_is_the_same_however_the_table_lies(spark, lake, drawn, tmp_path):
    other = Lake(spark, str(tmp_path / "other"))
    shutil.copytree(lake.files.root, other.files.root)
    shutil.rmtree(other.files.path("issues"))
    shutil.rmtree(other.files.path("review_sample"))
    lake.read("issues").repartition(3, "text_preview").write.parquet(other.files.path("issues"))
    assert review.draw(other, N, 0.25) == drawn[0]
    for name in ("sample.parquet", "sample.csv", "review.html", "sample.json"):
        of, to = (Path(of.files.path(f"review_sample/{name}")) for of in (lake, other))
        assert of.read_bytes() == to.read_bytes()


# --- measuring ----------------------------------------------------------------------------------


def test_what_people_decide_measures_the_flags(lake, answers, tmp_path):
    right, issues = truth(), read_rows(lake.files.root, "issues")
    wrong = [row["given_label"] != right[row["row_id"]] for row in issues]
    flagged = [row["is_label_issue"] for row in issues]
    path = write_csv(tmp_path / "ann.csv", [*answers, ("none", "keep", "", "Ann")], HEADER)
    found = review.measure(lake, [str(path)], 0.8)
    assert read_json(lake.files.root, "review_sample/measured.json") == found
    n_both = sum(w and f for w, f in zip(wrong, flagged, strict=True))
    for of, name, true in (
        (found["flags"], "precision", n_both / sum(flagged)),
        (found["others"], "errors", (sum(wrong) - n_both) / (len(issues) - sum(flagged))),
        (found, "recall", n_both / sum(wrong)),
    ):
        assert of[f"{name}_low"] - 1e-9 <= true <= of[f"{name}_high"] + 1e-9
    assert found["rows"]["answered"] == N
    assert (found["by"], found["outside_sample"], found["agreement"]) == ({"Ann": N}, 1, None)
    cut = found["wanted"]["label_score"]["shown"]
    below = [
        w
        for row, w in zip(issues, wrong, strict=True)
        if row["is_label_issue"] and row["label_score"] <= cut["cut"]
    ]
    assert (len(below), sum(below) / len(below) >= 0.8) == (cut["rows"], True)


def test_two_people_who_differ_are_told_and_left_out(lake, drawn, answers, tmp_path):
    given = {row["row_id"]: row["given_label"] for row in drawn[1]}
    (first, *_), (second, *_), (third, *_) = answers[:3]
    bo = [(first, "drop", "", "Bo"), (second, "", given[second], "Bo"), (*answers[2][:3], "Bo")]
    ann = [answers[0], (second, "keep", "", "Ann"), *answers[2:]]
    paths = [
        str(write_csv(tmp_path / f"{n}.csv", rows, HEADER)) for n, rows in enumerate((ann, bo))
    ]
    found = review.measure(lake, paths, 0.9)
    assert (found["differing"], found["undecided"]) == ([first], [first])
    assert (found["by"], found["rows"]["answered"]) == ({"Ann": N, "Bo": 3}, N - 1)
    assert (found["agreement"]["rows"], found["agreement"]["share"]) == (3, pytest.approx(2 / 3))
    with Path(lake.files.path(review.agreed(drawn[0].id))).open(
        newline="", encoding="utf-8"
    ) as file:
        agreed = {row["row_id"]: row for row in csv.DictReader(file)}
    assert len(agreed) == N - 1
    assert (agreed[second]["decision"], agreed[third]["by"]) == ("keep", "Ann and Bo")


def test_decisions_that_cannot_be_used_are_errors(lake, answers, tmp_path):
    bad = {
        "another_sample": [("none", "keep", "", "Ann")],
        "unknown_label": [(answers[0][0], "", "no such queue", "Ann")],
        "bad_decision": [(answers[0][0], "maybe", "", "Ann")],
    }
    for code, rows in bad.items():
        assert error_of(lake, write_csv(tmp_path / f"{code}.csv", rows, HEADER)) == (
            code,
            "FILE...",
        )
    assert error_of(lake, tmp_path / "none.csv") == ("input_not_found", "FILE...")


# --- the whole loop -----------------------------------------------------------------------------


@pytest.mark.whole_run
@pytest.mark.slow
def test_from_the_page_to_clean(config, drawn, tmp_path, capsys):
    right = truth()
    classes = drawn[0].classes
    mine = tmp_path / "mine.yaml"
    mine.write_text(dump(config), encoding="utf-8")
    with chromium(tmp_path / "user") as tab:
        tab.open(Path(config.workspace, review.PAGE))
        tab.page.fill("#by", "Ann")
        tab.press("Enter", *(str(classes.index(right[row["row_id"]]) + 1) for row in drawn[1]))
        assert tab.text("#end-title") == "All rows are decided"
        with tab.page.expect_download() as download:
            tab.page.click("#save")
        saved = tmp_path / download.value.suggested_filename
        download.value.save_as(saved)

    assert exit_code_of(["review", "measure", str(mine), str(saved), "--precision", "0.8"]) == 0
    said = capsys.readouterr().out
    assert f"{N} of {N} rows are reviewed" in said
    assert f"clean.decisions={saved}" in said.replace("\n", "")
    overrides = ["--set", f"clean.decisions={saved}"]
    assert exit_code_of(["run", str(mine), *overrides, "--quiet"]) == 0
    issues = {row["row_id"]: row for row in read_rows(config.workspace, "issues")}
    for row in drawn[1]:
        decided = issues[row["row_id"]]
        assert (decided["new_label"] or decided["given_label"]) == right[row["row_id"]]
        assert decided["decided_by"] == "Ann"

    capsys.readouterr()
    draw = ["review", "draw", str(mine), "-n", "20"]
    assert exit_code_of(draw) == 4  # in the place of a sample that is there
    assert exit_code_of([*draw, "--redraw"]) == 0
    assert f"{N} rows have a decision already" in capsys.readouterr().out
    again = pq.read_table(Path(config.workspace, "review_sample/sample.parquet"))
    assert not set(again["row_id"].to_pylist()) & {row["row_id"] for row in drawn[1]}
