"""Decide: one decision a row, from its label and its duplicates, and the reason why."""

from collections import Counter

import pytest

from builders import corpus_row, lake_in, make_table, read_rows
from lakewinnow.config import ChecksConfig, CleanConfig
from lakewinnow.stages import decide

# Row id: text, label issue?, predicted probability, label score (each row is given a).
ROWS = {
    "fine": ("é" * 300, False, 0.9, 0.9),
    "sure": ("two", True, 0.9, 0.05),
    "unsure": ("three", True, 0.6, 0.3),
    "twin-1": ("twin", False, 0.8, 0.8),
    "twin-2": ("twin", False, 0.9, 0.9),
    "mixed-1": ("mixed", True, 0.7, 0.6),
    "mixed-2": ("mixed", False, 0.5, 0.5),
    "wrong-1": ("wrong", True, 0.9, 0.1),
    "wrong-2": ("wrong", True, 0.9, 0.04),
    "level-1": ("level", False, 0.9, 0.7),
    "level-2": ("level", False, 0.9, 0.7),
}
ISSUES = {"sure", "unsure", "mixed-1", "wrong-1", "wrong-2"}
# Of each text the best row stays, of those that their label does not take away.
EXTRA = {"twin-1", "mixed-1", "wrong-2", "level-2"}


@pytest.fixture(scope="module")
def decided(spark, tmp_path_factory):
    """What becomes of the rows under a configuration: the issues by row id."""
    lake = lake_in(spark, tmp_path_factory.mktemp("decided"))
    worst_first = sorted(ISSUES, key=lambda row_id: ROWS[row_id][3])
    names = [row_id for row_id in ROWS if "-" in row_id]
    make_table(lake, "corpus", [corpus_row(row_id, row[0]) for row_id, row in ROWS.items()])
    judged = [
        {
            "row_id": row_id,
            "given_label": "a",
            "predicted_label": "b" if is_issue else "a",
            "predicted_prob": prob,
            "is_label_issue": is_issue,
            "label_score": score,
        }
        for row_id, (_, is_issue, prob, score) in ROWS.items()
    ]
    make_table(lake, "checks/label_issues", judged)
    ranks = [{"row_id": row_id, "label_rank": i + 1} for i, row_id in enumerate(worst_first)]
    make_table(lake, "checks/label_ranks", ranks)
    sets = [
        {
            "row_id": name,
            "exact_duplicate_set": name.split("-")[0] + "-1",
            "labels_differ": False,
        }
        for name in names
    ]
    make_table(lake, "checks/exact_duplicates", sets)

    def run(clean=None, checks=None):
        report = decide.run(lake, CleanConfig(**clean or {}), checks or ChecksConfig())
        found = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
        assert found.keys() == ROWS.keys()
        assert report.details["decisions"] == Counter(row["decision"] for row in found.values())
        return found

    return run


@pytest.fixture(scope="module")
def issues(decided):
    """The issues, by row id, of the default configuration."""
    return decided()


def not_kept(issues):
    return {name: row["decision"] for name, row in issues.items() if row["decision"] != "keep"}


@pytest.mark.parametrize(
    ("clean", "expected"),
    [
        (
            {"label_issues": "review", "exact_duplicates": "review"},
            dict.fromkeys(ISSUES | EXTRA, "review"),
        ),
        (
            {"label_issues": "review"},
            dict.fromkeys(ISSUES - EXTRA, "review") | dict.fromkeys(EXTRA, "drop"),
        ),
        ({"label_issues": "keep", "exact_duplicates": "keep"}, {}),
        (
            {"label_issues": "fix", "exact_duplicates": "keep"},
            dict.fromkeys(ISSUES, "fix"),
        ),
        (
            {"label_issues": "fix", "fix_above": 0.9, "exact_duplicates": "keep"},
            dict.fromkeys({"sure", "wrong-1", "wrong-2"}, "fix")
            | dict.fromkeys({"unsure", "mixed-1"}, "review"),
        ),
        (
            {"label_issues": "fix", "fix_above": 0.9, "else_": "drop"},
            dict.fromkeys({"sure", "wrong-1"}, "fix") | dict.fromkeys(EXTRA | {"unsure"}, "drop"),
        ),
        (
            {"label_issues": "fix", "fix_above": 0.95, "else_": "keep"},
            dict.fromkeys(EXTRA - {"mixed-1"} | {"mixed-2"}, "drop"),
        ),
    ],
    ids=[
        "review all",
        "review labels",
        "keep all",
        "fix all",
        "fix or review",
        "fix or drop",
        "fix or keep",
    ],
)
def test_decisions_follow_the_configuration(decided, clean, expected):
    assert not_kept(decided(clean)) == expected


def test_issues_and_extra_copies_are_dropped_by_default(issues):
    assert not_kept(issues) == dict.fromkeys(ISSUES | EXTRA, "drop")


def test_an_issue_says_what_is_wrong_and_with_which_row(issues):
    assert {name for name, row in issues.items() if row["reason"] is None} == (
        ROWS.keys() - ISSUES - EXTRA
    )
    assert all("label issue" in issues[name]["reason"] for name in ISSUES)
    assert issues["twin-1"]["reason"].endswith("twin-2")
    assert issues["level-2"]["reason"].endswith("level-1")
    assert "mixed-2" in issues["mixed-1"]["reason"]


def test_issues_have_the_columns_of_the_contract(issues):
    assert list(issues["fine"])[:10] == [
        "row_id", "text_preview", "given_label", "predicted_label", "predicted_prob",
        "suggested_label", "suggested_prob", "is_label_issue", "label_score", "label_rank",
    ]  # fmt: skip
    worst = issues["wrong-2"]
    assert (worst["label_rank"], worst["is_label_issue"], worst["label_score"]) == (1, True, 0.04)
    assert (worst["suggested_label"], worst["suggested_prob"]) == ("b", 0.9)
    assert issues["fine"]["label_rank"] is None
    assert issues["fine"]["text_preview"] == "é" * 200
    duplicated = {name for name, row in issues.items() if row["is_exact_duplicate_issue"]}
    assert duplicated == {name for name in ROWS if "-" in name}
    assert issues["twin-2"]["exact_duplicate_set"] == "twin-1"


def test_duplicates_that_are_not_looked_for_are_not_found(decided):
    found = decided(checks=ChecksConfig(exact_duplicates=None))
    assert not_kept(found) == dict.fromkeys(ISSUES, "drop")
    assert not any(row["is_exact_duplicate_issue"] for row in found.values())
