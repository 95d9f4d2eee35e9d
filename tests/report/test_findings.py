"""What is said of the checks: what counts, and that nothing was found where it is so."""

from dataclasses import MISSING, fields

from lakewinnow.plan.registry import own_checks
from lakewinnow.report import findings


def of_checks(found):
    """Return what is said of figures, those that are not given being None."""
    made = {}
    for check in own_checks():
        if check.name in found:
            required = {f.name: None for f in fields(check.figures) if f.default is MISSING}
            made[check.name] = check.found(required | found[check.name])
    return findings.of_checks(own_checks(), made, n_rows=1000)


RULES = [
    {"rule": "digits", "above": 0.5, "before": 9, "after": 8, "alone": 1, "source": None},
    {"rule": "symbols", "above": 0.5, "before": 8, "after": 8, "alone": 0, "source": None},
    {"rule": "language", "below": 0.2, "before": 8, "after": 6, "alone": 3, "source": None},
]
KINDS = {"email": 2, "card": 0}
FAR = {"by": "embedding", "cutoff": 0.81, "k": 10, "median": 0.4, "texts": 900}
FOUND = {
    "outliers": {"rows": 7, "reference_texts": 500, **FAR},
    "imbalance": {"rare": ["b", "d"], "share": 0.0012},
    "nulls": {"rows": 2, "columns": {"topic": 0.25, "source": 0.0, "date": 0.5}},
    "non_iid": {"rows": 1, "by": "date", "p_value": 0.01},
    "groups": {
        "worst": [
            {"rows": 40, "by": "source", "group": "mail", "score": 0.09, "is_issue": True},
            {"rows": 50, "by": "source", "group": "web", "score": 0.8, "is_issue": False},
        ]
    },
    "valuation": {"rows": 3, "judged": 990},
    "exact_duplicates": {"sets": 2, "rows": 5, "sets_whose_labels_differ": 1},
    "near_duplicates": {"sets": 3, "rows": 9, "sets_whose_labels_differ": 0},
    "text": {"rows": 3, "rules": RULES},
    "pii": {"rows": 1, "rows_by_kind": KINDS},
}
NOTHING = {
    "outliers": {"rows": 0, "reference_texts": 900, **FAR},
    "imbalance": {"rare": [], "share": 0.3},
    "nulls": {"rows": 0, "columns": {"topic": 0.0}},
    "non_iid": {"rows": 0, "by": "date", "p_value": 0.5},
    "groups": {"worst": []},
    "valuation": {"rows": 0, "judged": 990},
    "exact_duplicates": {"sets": 0, "rows": 0, "sets_whose_labels_differ": 0},
    "near_duplicates": {"sets": 0, "rows": 0, "sets_whose_labels_differ": 0},
    "text": {"rows": 0, "rules": RULES},
    "pii": {"rows": 0, "rows_by_kind": KINDS},
}


def test_says_what_was_found():
    assert [(found.title, *found.lines) for found in of_checks(FOUND)] == [
        ("Exact duplicates", "5 rows in 2 groups; in 1 group the labels differ"),
        (
            "Outliers",
            "7 of 1,000 rows are farther than 0.81 from the 10 nearest rows; 0.40 is usual"
            " (compared with 500 of 900 texts)",
        ),
        ("Rare classes", "b, d; the rarest has 0.12% of the rows"),
        ("Missing values", "50.0% of date, 25.0% of topic; 2 rows have no value at all"),
        ("Row order", "sorted by date, similar rows come together (p = 0.010)"),
        (
            "Weak groups",
            "40 rows of source mail: the classifier's confidence in their labels is 9% of the"
            " average",
        ),
        ("Harmful rows", "3 of 990 rows do more harm than good to a nearest-neighbour classifier"),
        ("Near duplicates", "9 rows in 3 groups"),
        (
            "Texts",
            "3 rows break a rule (3 language, 1 digits)",
            "digits: 1 row; 9 texts reached it and 8 passed",
            "language: 3 rows; 8 texts reached it and 6 passed",
        ),
        ("Personal data", "1 text (2 email)"),
    ]


def test_says_that_nothing_was_found():
    told = of_checks(NOTHING)
    assert [found.title for found in told] == [f.title for f in of_checks(FOUND)]
    assert not any(found.is_any for found in told)
    assert all(len(found.lines) == 1 for found in told)


def test_says_nothing_of_checks_that_were_not_made():
    assert of_checks({}) == []
