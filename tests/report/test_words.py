"""What the report says of the checks, in sentences."""

from lakewinnow.report import words

RULES = [
    {"rule": "digits", "above": 0.5, "before": 9, "after": 8, "alone": 1},
    {"rule": "symbols", "above": 0.5, "before": 8, "after": 8, "alone": 0},
    {"rule": "language", "below": 0.2, "before": 8, "after": 6, "alone": 3},
]


def test_texts_and_personal_data():
    kinds = {"email": 2, "card": 0}
    found = {"text": {"rows": 3, "rules": RULES}, "pii": {"rows": 1, "rows_by_kind": kinds}}
    assert words.checks(found) == [
        (
            "Texts",
            [
                "3 rows with a rule broken. By rule, in the order of the rules:",
                "digits: 1 row; 9 texts came to it and 8 passed.",
                "language: 3 rows; 8 texts came to it and 6 passed.",
            ],
        ),
        ("Personal data", ["1 row with some in the text, by kind: 2 email."]),
    ]
    nothing = {"text": {"rows": 0, "rules": RULES}, "pii": {"rows": 0, "rows_by_kind": kinds}}
    assert [told for _, [told] in words.checks(nothing)] == [
        "No text breaks one of the 3 rules.",
        "None was found in the texts.",
    ]
