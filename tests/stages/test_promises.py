"""Promises of `clean`: as many label issues are fixed or dropped as checked rows can show."""

from dataclasses import replace

import pyarrow as pa
import pytest

from builders import corpus_row, lake_in, make_checks, make_commit, make_table, read_rows, write_csv
from lakewinnow.config.sections import CleanConfig
from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.checked import IS_CHECKED, Checked
from lakewinnow.lake.inputs.decisions import read_decisions
from lakewinnow.stages import decide
from lakewinnow.stages.label_issues import LABEL_RANKS

N_ISSUES = 500
N_SURE = 350  # the first, of which a fix is right; of the others it never is
PROBS = [0.99 - 0.0004 * n for n in range(N_ISSUES)]
CHECKED = range(0, N_ISSUES, 5)


def judged(n):
    return {
        "row_id": f"r{n:03}",
        "given_label": "a",
        "predicted_label": "b",
        "predicted_prob": PROBS[n],
        "suggested_label": "b",
        "suggested_prob": PROBS[n],
        "given_label_prob": 1 - PROBS[n],
        "is_label_issue": True,
        "label_score": 1 - PROBS[n],
    }


def fine(n):
    same = {"given_label": "b", "is_label_issue": False, "label_score": 0.9}
    return judged(n) | {"row_id": f"fine{n:03}"} | same


def checked_label(n):
    """What people said of every fifth row, of which only the first have a right suggestion."""
    if n % 5 or n >= 2 * N_ISSUES:
        return "" if n % 2 else None
    return "b" if n < N_SURE or n >= N_ISSUES else "a"


@pytest.fixture(scope="module")
def lake(spark, tmp_path_factory):
    lake = lake_in(spark, tmp_path_factory.mktemp("promises"))
    make_commit(lake, "ingest", classes=["a", "b", "c"])
    rows = [*map(judged, range(N_ISSUES)), *map(fine, range(N_ISSUES))]
    corpus = [
        corpus_row(row["row_id"], row["row_id"], checked=checked_label(n))
        for n, row in enumerate(rows)
    ]
    make_table(lake, "corpus", corpus)
    make_table(lake, "checks/label_issues", rows)
    ranks = [{"row_id": f"r{n:03}", "label_rank": n + 1} for n in range(N_ISSUES)]
    make_table(lake, "checks/label_ranks", ranks, LABEL_RANKS)
    columns = {"exact_duplicate_set": "unique", "labels_differ": False}
    make_table(lake, "checks/exact_duplicates", [{"row_id": "none", **columns}])
    return lake


@pytest.fixture(scope="module")
def own(spark, tmp_path_factory):
    """What people said of every fifth row."""
    rows = [
        *((f"r{n:03}", "", "b") if n < N_SURE else (f"r{n:03}", "keep", "") for n in CHECKED),
        *((f"fine{n:03}", "keep", "") for n in CHECKED),
    ]
    path = tmp_path_factory.mktemp("own") / "own.csv"
    write_csv(path, rows, ("row_id", "decision", "label"))
    return read_decisions(spark, str(path), "csv")


def sample_of(spark, is_checked, **changed):
    names = ("row_id", "suggested_label", "suggested_prob", "given_label_prob", "is_label_issue")
    rows = [
        {name: (judged(n) | changed)[name] for name in names} | {IS_CHECKED: is_checked(n)}
        for n in CHECKED
    ]
    return Checked(spark.createDataFrame(pa.Table.from_pylist(rows)), len(rows), "sample")


def decided(lake, own, sample=None, **clean):
    report = decide.run(
        lake, CleanConfig(max_class_fraction=1.0, **clean), make_checks(), own, sample=sample
    )
    rows = read_rows(lake.files.root, "issues")
    by_itself = [row for row in rows if row["decided_by"] is None]
    return report.figures.promise, by_itself


def test_fix_at_most_wrong_fixes_the_surest_rows_and_no_more(lake, own):
    promise, rows = decided(lake, own, label_issues="fix", fix_at_most_wrong=0.1)
    fixed = {int(row["row_id"][1:]) for row in rows if row["decision"] == "fix"}
    assert fixed == {n for n in range(N_ISSUES) if n % 5 and 1 - PROBS[n] <= promise.doubt}
    assert len(fixed) == promise.rows
    assert len(fixed) > 0.8 * 280  # 280 of the others have a right suggestion
    assert sum(n >= N_SURE for n in fixed) <= 0.1 * len(fixed)
    rest = [row for row in rows if row["is_label_issue"] and row["decision"] != "fix"]
    assert {row["decision"] for row in rest} == {"review"}
    assert {row["reason"].split(", ")[-1] for row in rest} == {
        "too doubtful for clean.fix_at_most_wrong"
    }


def test_drop_at_most_good_drops_the_worst_rows_and_no_more(lake, own):
    clean = {"label_issues": "drop", "drop_at_most_good": 0.2, "else_": "keep"}
    promise, rows = decided(lake, own, **clean)
    dropped = {int(row["row_id"][1:]) for row in rows if row["decision"] == "drop"}
    assert len(dropped) == promise.rows > 0.8 * 280
    assert sum(n >= N_SURE for n in dropped) <= 0.2 * len(dropped)
    assert {row["decision"] for row in rows} == {"drop", "keep"}


def test_a_promise_that_checked_rows_do_not_show_changes_nothing(lake, own):
    clean = {"label_issues": "fix", "fix_at_most_wrong": 0.001}
    promise, rows = decided(lake, own, **clean)
    assert (promise.doubt, promise.rows, promise.of) == (None, 0, 400)
    assert {row["decision"] for row in rows} == {"keep", "review"}


def test_a_column_of_checked_labels_does_as_well(lake, own):
    clean = {"label_issues": "fix", "fix_at_most_wrong": 0.1}
    by_file = decided(lake, own, decisions_at_random=True, **clean)
    by_column = decided(lake, None, checked_label="checked", **clean)
    assert by_column[0] == replace(by_file[0], sampled="clean.checked_label")
    assert by_column[1] == by_file[1]
    issues = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    assert (issues["r000"]["new_label"], issues["r000"]["decided_by"]) == ("b", "checked")
    assert issues["r495"]["decision"] == issues["fine000"]["decision"] == "keep"


def test_the_users_decisions_come_before_checked_labels(lake, spark, tmp_path):
    path = write_csv(tmp_path / "own.csv", [("r000", "c")], ("row_id", "label"))
    clean = {"label_issues": "fix", "fix_at_most_wrong": 0.1, "checked_label": "checked"}
    promise, _ = decided(lake, read_decisions(spark, str(path), "csv"), **clean)
    issues = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    assert (issues["r000"]["new_label"], promise.bad) == ("c", 1)


def test_only_rows_of_the_sample_count_as_checked(spark, lake, own):
    clean = {"label_issues": "fix", "fix_at_most_wrong": 0.1}
    promise, _ = decided(lake, own, sample_of(spark, lambda n: n < N_SURE), **clean)
    assert (promise.checked, promise.bad, promise.rows) == (70, 0, 400)  # none that it is wrong of
    promise, _ = decided(lake, own, sample_of(spark, lambda n: n < 20), **clean)
    assert (promise.checked, promise.doubt) == (4, None)


def test_a_sample_of_other_label_issues_is_refused(spark, lake, own):
    sample = sample_of(spark, bool, suggested_prob=0.5)
    with pytest.raises(DataError, match="drawn from these label issues") as caught:
        decided(lake, own, sample, label_issues="fix", fix_at_most_wrong=0.1)
    assert caught.value.code == "another_sample"
