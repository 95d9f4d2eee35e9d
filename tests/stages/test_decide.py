"""Decide: one decision a row, from its label and its duplicates, and the reason why."""

from collections import Counter

import pytest

from builders import corpus_row, lake_in, make_checks, make_commit, make_table, read_rows, write_csv
from lakewinnow.checks.near_duplicates import CHECK as NEAR_DUPLICATES
from lakewinnow.checks.near_duplicates import NearDuplicatesConfig
from lakewinnow.config.sections import CleanConfig
from lakewinnow.errors import DataError
from lakewinnow.lake import check_tables
from lakewinnow.lake.inputs.decisions import read_decisions
from lakewinnow.stages import decide
from lakewinnow.stages.label_issues import LABEL_RANKS

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


SUGGESTED_PROBS = {"sure": 0.94, "unsure": 0.55}  # of an issue; others: as predicted
ALL = 1.0  # of a class may go: most of the one class of these rows is to


@pytest.fixture(scope="module")
def decided(spark, tmp_path_factory):
    """What becomes of the rows under a configuration: the issues by row id."""
    folder = tmp_path_factory.mktemp("decided")
    lake = lake_in(spark, folder)
    make_commit(lake, "ingest", classes=["a", "b", "c"])
    worst_first = sorted(ISSUES, key=lambda row_id: ROWS[row_id][3])
    names = [row_id for row_id in ROWS if "-" in row_id]
    make_table(lake, "corpus", [corpus_row(row_id, row[0]) for row_id, row in ROWS.items()])
    judged = [
        {
            "row_id": row_id,
            "given_label": "a",
            "predicted_label": "b" if is_issue else "a",
            "predicted_prob": prob,
            "suggested_label": "b" if is_issue else "a",
            "suggested_prob": SUGGESTED_PROBS.get(row_id, prob),
            "given_label_prob": 1 - prob if is_issue else prob,
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

    def run(clean=None, checks=None, own=None, warnings=None, dropped_for=None):
        config = CleanConfig(**{"max_class_fraction": ALL} | (clean or {}))
        if own is not None:
            header = ("row_id", "decision", "label", "by")
            path = write_csv(folder / "own.csv", own, header)
            own = read_decisions(spark, str(path), "csv")
        report = decide.run(lake, config, checks or make_checks(), own)
        found = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
        assert found.keys() == ROWS.keys()
        assert report.figures.decisions == Counter(row["decision"] for row in found.values())
        is_fixed = {name for name, row in found.items() if row["decision"] == "fix"}
        assert is_fixed == {name for name, row in found.items() if row["new_label"] is not None}
        if warnings is not None:
            warnings += report.warnings
        assert dropped_for in (None, report.figures.dropped_for)
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


@pytest.mark.parametrize(
    ("label_issues", "dropped_for"),
    [("drop", {"label issues": 5, "exact duplicates": 2}), ("fix", {"exact duplicates": 4})],
)
def test_dropped_rows_are_counted_by_what_dropped_them(decided, label_issues, dropped_for):
    decided({"label_issues": label_issues}, dropped_for=dropped_for)


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
    assert list(issues["fine"])[:11] == [
        "row_id", "text_preview", "given_label", "predicted_label", "predicted_prob",
        "suggested_label", "suggested_prob", "given_label_prob", "is_label_issue", "label_score",
        "label_rank",
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
    found = decided(checks=make_checks(exact_duplicates=None))
    assert not_kept(found) == dict.fromkeys(ISSUES, "drop")
    assert not any("exact_duplicate" in name for row in found.values() for name in row)


# --- fixes --------------------------------------------------------------------------------------


def test_a_fix_takes_the_suggested_label_above_its_own_probability(decided):
    clean = {"label_issues": "fix", "fix_above": 0.92, "exact_duplicates": "keep"}
    found = decided(clean)
    assert not_kept(found) == {"sure": "fix"} | dict.fromkeys(ISSUES - {"sure"}, "review")
    assert found["sure"]["new_label"] == "b"
    assert found["sure"]["reason"] == "label issue: given a, suggested b (0.94)"
    assert found["unsure"]["reason"] == "label issue: given a, suggested b (0.55), below 0.92"


def test_a_label_that_the_noise_model_confirms_is_not_replaced(spark, tmp_path):
    lake = lake_in(spark, tmp_path)
    make_rows(lake, [("confirmed", "a", True, 0.1), ("other", "b", True, 0.2)])
    checks = make_checks(exact_duplicates=None)
    for action, expected in (("fix", "keep"), ("drop", "drop"), ("review", "review")):
        clean = CleanConfig(label_issues=action, fix_above=None, max_class_fraction=1.0)
        decide.run(lake, clean, checks)
        found = {row["row_id"]: row for row in read_rows(tmp_path, "issues")}
        assert found["confirmed"]["decision"] == expected
        assert found["confirmed"]["reason"].startswith("label issue: given a, predicted b (0.90)")
        if action == "fix":
            assert found["confirmed"]["reason"].endswith("but a is still the likeliest (0.60)")
            assert (found["other"]["decision"], found["other"]["new_label"]) == ("fix", "b")


# --- no class is emptied ------------------------------------------------------------------------


def make_rows(lake, rows):
    """Put checked rows into a workspace: row id, suggested label, label issue?, label score."""
    make_commit(lake, "ingest", classes=["a", "b", "c"])
    make_table(lake, "corpus", [corpus_row(row[0], row[0]) for row in rows])
    judged = [
        {
            "row_id": row_id,
            "given_label": given[0] if given else "a",
            "predicted_label": "b",
            "predicted_prob": 0.9,
            "suggested_label": suggested,
            "suggested_prob": 0.6,
            "given_label_prob": 0.6 if suggested == "a" else 0.4,
            "is_label_issue": is_issue,
            "label_score": score,
        }
        for row_id, suggested, is_issue, score, *given in rows
    ]
    make_table(lake, "checks/label_issues", judged)
    worst_first = sorted((row[3], row[0]) for row in rows if row[2])
    ranks = [{"row_id": name, "label_rank": i + 1} for i, (_, name) in enumerate(worst_first)]
    make_table(lake, "checks/label_ranks", ranks, LABEL_RANKS)


@pytest.mark.parametrize("action", ["drop", "review", "fix"])
def test_the_best_rows_stay_of_a_class_that_would_be_emptied(lake, action):
    ten = [(f"a{i}", "b", True, (7 * i % 10) / 10) for i in range(10)]
    level = [("c1", "b", True, 0.5, "c"), ("c2", "b", True, 0.5, "c"), ("d", "b", True, 0.5, "d")]
    make_rows(lake, [*ten, *level])
    clean = CleanConfig(label_issues=action, max_class_fraction=0.7)
    report = decide.run(lake, clean, make_checks(exact_duplicates=None))
    found = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    kept = {name for name, row in found.items() if row["decision"] == "keep"}
    best = {f"a{i}" for i in range(10) if (7 * i % 10) >= 7}
    assert kept == best | {"c2", "d"}
    assert report.figures.kept_for_class == {"a": 3, "c": 1, "d": 1}
    assert len(report.warnings) == 3
    assert "kept: at most 0.7 of a class may go" in found["d"]["reason"]
    assert "kept" not in found["c1"]["reason"]


def test_rows_that_are_not_decided_by_checks_are_not_counted(decided):
    warnings = []
    own = [("fine", "drop", "", "")]
    found = decided(
        {"max_class_fraction": 0.5, "label_issues": "review"}, own=own, warnings=warnings
    )
    # Half of the six rows that are neither the user's nor copies; with those it would be more.
    in_class = ["sure", "unsure", "twin-2", "mixed-2", "wrong-1", "level-1"]
    left = {name for name in in_class if found[name]["decision"] != "keep"}
    assert left == {"wrong-1", "sure", "unsure"}
    assert all(found[name]["decision"] == "drop" for name in EXTRA)
    assert warnings == []


def test_the_last_row_of_a_class_is_not_dropped_as_a_copy_of_another_classes(lake):
    rows = [("a1", "a", False, 0.9), ("a2", "a", False, 0.8), ("c1", "a", False, 0.1, "c")]
    make_rows(lake, rows)
    sets = [
        {"row_id": name, "exact_duplicate_set": "a1", "labels_differ": True}
        for name in ("a1", "a2", "c1")
    ]
    make_table(lake, "checks/exact_duplicates", sets)
    decide.run(lake, CleanConfig(), make_checks())
    found = {row["row_id"]: row["decision"] for row in read_rows(lake.files.root, "issues")}
    assert found == {"a1": "keep", "a2": "drop", "c1": "keep"}


# --- rows whose texts are alike -----------------------------------------------------------------


def make_near_sets(lake, sets, differ=()):
    """Put what the check of near duplicates found into a workspace: the set of each row."""
    found = [
        {
            "row_id": row_id,
            "is_near_duplicate_issue": of is not None,
            "near_duplicate_score": 1.0 if of is None else 0.1,
            "near_duplicate_set": of,
            "near_duplicate_labels_differ": None if of is None else of in differ,
            "why": "near duplicates have differing labels: a, c" if of in differ else None,
        }
        for row_id, of in sets.items()
    ]
    make_table(lake, "checks/near_duplicates", found, check_tables.schema(NEAR_DUPLICATES))


def test_of_a_near_set_the_best_row_stays_that_nothing_else_takes(lake):
    rows = [
        ("n1", "b", True, 0.1),  # a label issue
        ("n2", "a", False, 0.9),  # an exact copy of the next
        ("n3", "a", False, 0.95),
        ("n4", "a", False, 0.5),
        ("m1", "a", False, 0.6, "c"),
        ("m2", "a", False, 0.7),
        ("alone", "a", False, 0.01),
    ]
    make_rows(lake, rows)
    exact = [
        {"row_id": name, "exact_duplicate_set": "n2", "labels_differ": False}
        for name in ("n2", "n3")
    ]
    make_table(lake, "checks/exact_duplicates", exact)
    sets = {row[0]: {"n": "n1", "m": "m1"}.get(row[0][0]) for row in rows}
    make_near_sets(lake, sets, differ={"m1"})
    checks = make_checks(near_duplicates=NearDuplicatesConfig())
    clean = CleanConfig(near_duplicates="drop", label_issues="review", max_class_fraction=0.7)
    report = decide.run(lake, clean, checks)
    found = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    # m1 stays: it is all of its class.
    assert not_kept(found) == dict.fromkeys(["n1", "n2", "n4"], "drop")
    near = {name: row["near_duplicate_of"] for name, row in found.items()}
    assert near == {
        "n1": "n3", "n2": "n3", "n3": None, "n4": "n3", "m1": "m2", "m2": None, "alone": None,
    }  # fmt: skip
    assert report.figures.dropped_for == {"exact duplicates": 1, "near duplicates": 2}
    assert found["n4"]["reason"] == "near duplicate of n3"
    assert found["n2"]["reason"] == "exact duplicate of n3; near duplicate of n3"
    assert found["m2"]["reason"] == "near duplicates have differing labels: a, c"
    assert found["m1"]["reason"].startswith(f"{found['m2']['reason']}; near duplicate of m2; kept:")
    assert found["alone"]["near_duplicate_set"] is None


def test_near_duplicates_are_kept_unless_the_configuration_says_otherwise(lake):
    make_rows(lake, [("n1", "a", False, 0.1), ("n2", "a", False, 0.9)])
    make_near_sets(lake, {"n1": "n1", "n2": "n1"})
    checks = make_checks(exact_duplicates=None, near_duplicates=NearDuplicatesConfig())
    decide.run(lake, CleanConfig(), checks)
    found = {row["row_id"]: row for row in read_rows(lake.files.root, "issues")}
    assert not_kept(found) == {}
    assert [found[name]["is_near_duplicate_issue"] for name in ("n1", "n2")] == [True, True]
    assert found["n1"]["reason"] == "near duplicate of n2"


# --- the user's own decisions -------------------------------------------------------------------


def test_the_users_own_decisions_win(decided):
    own = [
        ("sure", "keep", "", "Ann"),
        ("unsure", "", "c", "Ann"),
        ("fine", "drop", "", ""),
        ("twin-1", "keep", "", "Bo"),
        ("mixed-2", "", "a", "Bo"),
    ]
    found = decided(own=own)
    assert {name: found[name]["decision"] for name in ("sure", "unsure", "fine")} == {
        "sure": "keep",
        "unsure": "fix",
        "fine": "drop",
    }
    assert found["unsure"]["new_label"] == "c"
    assert found["unsure"]["reason"].startswith("decided by Ann: label c; label issue")
    assert found["fine"]["reason"] == "decided by the user: drop"
    assert (found["fine"]["decided_by"], found["wrong-1"]["decided_by"]) == ("the user", None)
    # The copy that the user keeps is the one that stays, though another has the better score.
    assert (found["twin-1"]["decision"], found["twin-2"]["decision"]) == ("keep", "drop")
    # The label that it has is no new one.
    assert (found["mixed-2"]["decision"], found["mixed-2"]["new_label"]) == ("keep", None)
    assert found["mixed-2"]["reason"] == "decided by Bo: keep"


def test_a_copy_that_the_user_drops_leaves_the_other_one(decided):
    found = decided(own=[("twin-2", "drop", "", "")])
    assert (found["twin-1"]["decision"], found["twin-2"]["decision"]) == ("keep", "drop")


def test_decisions_about_unknown_rows_are_a_warning(decided):
    warnings = []
    decided(own=[("sure", "keep", "", ""), ("gone", "drop", "", "")], warnings=warnings)
    assert len(warnings) == 1
    assert "gone" in warnings[0]


def test_where_several_people_differ_it_is_said_how_far_and_who(decided):
    warnings = []
    own = [
        *((row_id, "keep", "", "Ann") for row_id in ("sure", "unsure", "fine")),
        ("sure", "drop", "", "Bo"),
        *((row_id, "keep", "", "Cy") for row_id in ("sure", "unsure")),
        ("fine", "drop", "", "Bo"),
    ]
    found = decided(own=own, warnings=warnings)
    assert found["sure"]["decided_by"] == "Ann and Cy"
    assert found["fine"]["decided_by"] is None
    told, left = warnings
    assert "several people decided 3 rows and differ on 2" in told
    assert told.endswith(": Bo 0%, Ann 50%, Cy 67%")
    assert "1 row has no majority and no decision: fine" in left


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ([("gone", "drop", "", "")], "decisions_match_nothing"),
        ([("sure", "", "d", "")], "unknown_label"),
    ],
)
def test_decisions_that_cannot_be_followed_are_an_error(decided, own, code):
    with pytest.raises(DataError) as caught:
        decided(own=own)
    assert (caught.value.code, caught.value.where) == (code, "clean.decisions")
