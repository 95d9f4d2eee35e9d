"""Rows without a label: they get one as far as checked rows show it to be right, or stay out."""

from dataclasses import replace

import pytest

from builders import (
    corpus_row,
    lake_in,
    make_checks,
    make_commit,
    make_config,
    make_table,
    read_rows,
    write_csv,
)
from lakewinnow.config.sections import CleanConfig
from lakewinnow.lake.corpus import accepted, accepted_probs, n_accepted
from lakewinnow.lake.inputs.decisions import read_decisions
from lakewinnow.report import verdicts
from lakewinnow.spark.schemas import schema
from lakewinnow.stages import decide
from lakewinnow.stages.crossval import PRED_PROBS
from lakewinnow.stages.ingest import corpus_schema
from lakewinnow.stages.label_issues import LABEL_RANKS

N_GIVEN, N_APART = 200, 100
INPUT = schema({"text": "string?", "label": "string?", "checked": "string?"})
QUARANTINE = schema(
    {
        **{f.name: "string?" for f in INPUT},
        **dict.fromkeys(("row_id", "error_code", "error"), "string?"),
    }
)
CORPUS = corpus_schema(schema({"label": "string?", "checked": "string?"}))
SOURCE = make_config("x.csv", input={"unlabelled": "label"}).input
PROMISE = {"label_issues": "fix", "fix_at_most_wrong": 0.1, "checked_label": "checked"}


def right(share):
    """Of the surer rows the predicted label is right, of others it never is."""
    return "b" if share < 0.6 else "a"


def given(n):
    checked = right(n / N_GIVEN) if n % 2 else None
    return corpus_row(f"given{n:03}", f"given {n}", checked=checked)


def apart(n):
    checked = right(n / N_APART) if n % 20 == 10 else None
    row = corpus_row(f"apart{n:03}", f"apart {n}")
    return row | {"label": None, "given_label": None, "source": {"label": None, "checked": checked}}


def predicted(row, share):
    """Class b, the less probable the further down the row is."""
    prob = 0.99 - 0.48 * share
    return {**{name: row[name] for name in ("row_id", "label")}, "pred_probs": [1 - prob, prob]}


def judged(n):
    """No label issue: what happens to rows without a label has nothing to do with those."""
    names = ("given_label", "predicted_label", "suggested_label")
    numbers = ("predicted_prob", "suggested_prob", "given_label_prob", "label_score")
    found = {**dict.fromkeys(names, "a"), **dict.fromkeys(numbers, 0.9), "is_label_issue": False}
    return {"row_id": f"given{n:03}", **found}


def rejected(row, code):
    return {"text": row["text"], **row["source"], "row_id": row["row_id"], "error_code": code}


@pytest.fixture
def lake(spark, tmp_path):
    lake = lake_in(spark, tmp_path / "workspace")
    figures = {"classes": ["a", "b"], "rejected": {"label_null": N_APART, "text_blank": 1}}
    figures |= {"unlabelled": N_APART, "input_columns": INPUT.jsonValue()}
    make_commit(lake, "ingest", **figures)
    rows, others = [*map(given, range(N_GIVEN))], [*map(apart, range(N_APART))]
    probs = [predicted(row, n / N_GIVEN) for n, row in enumerate(rows)]
    of_others = [predicted(row, n / N_APART) for n, row in enumerate(others)]
    make_table(lake, "corpus", rows, CORPUS)
    make_table(lake, "unlabelled/corpus", others, CORPUS)
    make_table(lake, "pred_probs", probs, PRED_PROBS)
    make_table(lake, "unlabelled/pred_probs", [*probs, *of_others], PRED_PROBS)
    blank = rejected(corpus_row("blank", " ", checked=None), "text_blank")
    out = [blank, *(rejected(row, "label_null") for row in others)]
    make_table(lake, "quarantine", out, QUARANTINE)
    make_table(lake, "checks/label_issues", [*map(judged, range(N_GIVEN))])
    make_table(lake, "checks/label_ranks", [], LABEL_RANKS)
    columns = {"exact_duplicate_set": "unique", "labels_differ": False}
    make_table(lake, "checks/exact_duplicates", [{"row_id": "none", **columns}])
    return lake


def decided(lake, own=None, **clean):
    config = CleanConfig(max_class_fraction=1.0, **clean)
    report = decide.run(lake, config, make_checks(), own, source=SOURCE)
    issues = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    return report, {name: row for name, row in issues.items() if name.startswith("apart")}


def ids(lake, table):
    return {row["row_id"] for row in read_rows(lake.files.root, table)}


def test_the_surest_rows_get_the_predicted_label_and_the_others_stay_out(lake):
    before = read_rows(lake.files.root, "quarantine")
    report, labelled = decided(lake, **PROMISE)
    found = report.figures.unlabelled
    by_models = [row for row in labelled.values() if row["decided_by"] is None]
    assert len(by_models) == found.labelled == found.promise.rows
    assert 40 <= found.labelled <= 66  # 60% are right, and 10% may be wrong
    assert all(row["predicted_prob"] >= 1 - found.promise.doubt for row in by_models)
    assert {row["new_label"] for row in by_models} == {"b"}
    assert {row["given_label"] for row in labelled.values()} == {None}
    by_people = {name for name, row in labelled.items() if row["decided_by"] == "checked"}
    assert by_people == {f"apart{n:03}" for n in range(10, N_APART, 20)}
    assert labelled["apart090"]["new_label"] == "a"
    assert "no label given, predicted b" in labelled["apart000"]["reason"]

    assert found.checked == N_GIVEN // 2 + len(by_people)
    assert found.stay_out == N_APART - len(labelled)
    assert report.figures.decisions["fix"] >= len(labelled)
    for table in ("corpus", "pred_probs"):
        assert ids(lake, table) >= labelled.keys()
        assert len(ids(lake, table)) == N_GIVEN + len(labelled)
    after = read_rows(lake.files.root, "quarantine")
    assert [row["row_id"] for row in after] == [
        row["row_id"] for row in before if row["row_id"] not in labelled
    ]
    assert {row["error"] for row in after if row["error_code"] == "label_null"} == {
        "the label is null or blank"
    }


def test_what_judges_labels_does_not_see_them_and_they_go_back(lake):
    decided(lake, **PROMISE)
    assert n_accepted(lake) == accepted(lake).count() == accepted_probs(lake).count() == N_GIVEN
    report, labelled = decided(lake, **PROMISE | {"fix_at_most_wrong": 0.001})
    assert report.figures.unlabelled.promise.doubt is None
    assert len(labelled) == report.figures.unlabelled.labelled_by_people == 5
    report, labelled = decided(lake, label_issues="keep")
    assert (report.figures.unlabelled.why, labelled) == ("not_asked", {})
    assert len(ids(lake, "corpus")) == n_accepted(lake) == N_GIVEN
    assert len(ids(lake, "quarantine")) == N_APART + 1
    assert not lake.files.exists("unlabelled/labels")


def test_the_users_decisions_come_first_and_have_a_part_in_the_promise_where_at_random(
    spark, lake, tmp_path
):
    rows = [(f"apart{n:03}", "", "a") for n in range(3)] + [("apart003", "drop", "")]
    path = write_csv(tmp_path / "own.csv", rows, ("row_id", "decision", "label"))
    own = read_decisions(spark, str(path), "csv")
    report, labelled = decided(lake, own, **PROMISE)
    assert report.warnings == []
    assert {labelled[f"apart{n:03}"]["new_label"] for n in range(3)} == {"a"}
    assert "apart003" not in labelled
    assert report.figures.unlabelled.checked == N_GIVEN // 2 + 5
    at_random = {"checked_label": None, "decisions_at_random": True, "decisions": str(path)}
    report, _ = decided(lake, own, **PROMISE | at_random)
    found = report.figures.unlabelled
    assert (found.promise.bad, found.checked, found.labelled_by_people) == (4, 4, 3)


def test_the_review_sample_shows_nothing_of_rows_without_a_label(lake):
    config = CleanConfig(**PROMISE | {"checked_label": None, "decisions": "x.csv"})
    found = decide.unlabelled.label(lake, lake.read("checks/label_issues"), config, None)
    assert (found.figures.why, found.rows) == ("issues_alone", None)


def test_the_run_says_how_many_got_a_label_and_why_others_did_not(lake):
    found = decided(lake, **PROMISE)[0].figures.unlabelled
    people, promise, assumed = verdicts.of_unlabelled(found)
    assert people.startswith("input.unlabelled: 5 of 100 rows have a label that people gave")
    assert f"{found.labelled} of 95 rows get the predicted label" in promise
    assert f"{found.stay_out} rows stay in quarantine/" in promise
    assert "assumes that rows lack a label by chance" in assumed
    nothing = replace(found, promise=None, labelled=0, labelled_by_people=0, why="not_asked")
    [why] = verdicts.of_unlabelled(nothing)
    assert "100 rows stay in quarantine/" in why
    assert "clean.fix_at_most_wrong" in why
