"""Promises of `clean`: as many label issues are fixed or dropped as checked rows can show."""

from dataclasses import replace

import pyarrow as pa
import pytest

from builders import corpus_row, lake_in, make_checks, make_commit, make_table, read_rows, write_csv
from lakewinnow.config.sections import CleanConfig
from lakewinnow.errors import DataError
from lakewinnow.lake.inputs.checked import IS_CHECKED, Checked
from lakewinnow.lake.inputs.decisions import Decisions, read_decisions
from lakewinnow.stages import decide
from lakewinnow.stages.decide import promises
from lakewinnow.stages.decide.own import with_checked_labels, with_own_decisions
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
        corpus_row(row["row_id"], row["row_id"], checked=checked_label(n), label_of_another="d")
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


def sample_of(spark, is_checked, n_issues=N_ISSUES, **changed):
    rows = [
        {"row_id": f"r{n:03}", "is_label_issue": True, **changed, IS_CHECKED: is_checked(n)}
        for n in CHECKED
    ]
    drawn = spark.createDataFrame(pa.Table.from_pylist(rows))
    return Checked(drawn, len(rows), n_issues, "sample")


FIX = {"label_issues": "fix", "fix_at_most_wrong": 0.1}
CHECKED_LABEL = {"checked_label": "checked"}


def decided(lake, own, **clean):
    config = CleanConfig(max_class_fraction=1.0, **clean)
    report = decide.run(lake, config, make_checks(), own)
    return report.figures.promise, {
        row["row_id"]: row for row in read_rows(lake.files.root, "issues")
    }


def promised(lake, own, sample=None, **clean):
    """What is promised, and what the user has decided, without deciding the other rows."""
    config = CleanConfig(**clean)
    rows = with_own_decisions(lake.read("checks/label_issues"), own)
    rows = with_checked_labels(rows, lake.read("corpus"), config.checked_label, ["a", "b", "c"])
    return promises.made(rows, config, sample), rows


def test_fix_at_most_wrong_fixes_the_surest_rows_and_no_more(lake):
    promise, rows = decided(lake, None, **FIX, **CHECKED_LABEL)
    by_itself = [row for row in rows.values() if row["decided_by"] is None]
    fixed = {int(row["row_id"][1:]) for row in by_itself if row["decision"] == "fix"}
    assert fixed == {n for n in range(N_ISSUES) if n % 5 and 1 - PROBS[n] <= promise.doubt}
    assert len(fixed) == promise.rows
    assert len(fixed) > 0.8 * 280  # 280 of the others have a right suggestion
    assert sum(n >= N_SURE for n in fixed) <= 0.1 * len(fixed)
    rest = [row for row in by_itself if row["is_label_issue"] and row["decision"] != "fix"]
    assert {row["decision"] for row in rest} == {"review"}
    assert {row["reason"].split(", ")[-1] for row in rest} == {
        "too doubtful for clean.fix_at_most_wrong"
    }
    assert (rows["r000"]["new_label"], rows["r000"]["decided_by"]) == ("b", "checked")
    assert rows["r495"]["decision"] == rows["fine000"]["decision"] == "keep"


def test_drop_at_most_good_drops_the_worst_rows_and_no_more(lake, own):
    clean = {"label_issues": "drop", "drop_at_most_good": 0.2, "else_": "keep"}
    promise, rows = decided(lake, own, decisions_at_random=True, **clean)
    by_itself = [row for row in rows.values() if row["decided_by"] is None]
    dropped = {int(row["row_id"][1:]) for row in by_itself if row["decision"] == "drop"}
    assert len(dropped) == promise.rows > 0.8 * 280
    assert sum(n >= N_SURE for n in dropped) <= 0.2 * len(dropped)
    assert {row["decision"] for row in by_itself} == {"drop", "keep"}


def test_a_promise_that_checked_rows_do_not_show_is_not_made(lake, own):
    promise, _ = promised(lake, own, label_issues="fix", fix_at_most_wrong=0.001)
    assert (promise.doubt, promise.rows, promise.of) == (None, 0, 400)


def test_a_column_of_checked_labels_does_as_well_and_decisions_come_before_it(spark, lake, own):
    by_file, _ = promised(lake, own, decisions_at_random=True, **FIX)
    by_column, _ = promised(lake, None, **FIX, **CHECKED_LABEL)
    assert by_column == replace(by_file, sampled="clean.checked_label")
    other = spark.createDataFrame([("r000", "fix", "c", None)], own.rows.schema)
    by_both, rows = promised(lake, Decisions(other, ""), **FIX, **CHECKED_LABEL)
    assert by_both.bad == by_file.bad + 1
    [row] = rows.where("row_id = 'r000'").collect()
    assert (row["own_label"], row["own_by"]) == ("c", "the user")


def test_only_rows_of_the_sample_count_as_checked(spark, lake, own):
    promise, _ = promised(lake, own, sample_of(spark, lambda n: n < N_SURE), **FIX)
    assert (promise.checked, promise.bad, promise.rows) == (70, 0, 400)  # none that it is wrong of
    promise, _ = promised(lake, own, sample_of(spark, lambda n: n < 20), **FIX)
    assert (promise.checked, promise.doubt) == (4, None)


@pytest.mark.parametrize("changed", [{"is_label_issue": False}, {"n_issues": 499}])
def test_a_sample_of_other_label_issues_is_refused(spark, lake, own, changed):
    with pytest.raises(DataError, match="drawn from these label issues") as caught:
        promised(lake, own, sample_of(spark, bool, **changed), **FIX)
    assert caught.value.code == "another_sample"


def test_a_checked_label_that_is_no_class_is_an_error(lake):
    with pytest.raises(DataError, match="classes of the input") as caught:
        promised(lake, None, **FIX, checked_label="label_of_another")
    assert (caught.value.code, caught.value.where) == ("unknown_label", "clean.checked_label")
