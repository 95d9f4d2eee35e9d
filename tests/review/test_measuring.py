"""What decisions say of all rows; the arithmetic is `core.evaluation.reviewing`'s."""

import pyarrow as pa
import pytest

from lakewinnow.lake.inputs.votes import Decision
from lakewinnow.review.files import Sample, Stratum
from lakewinnow.review.measuring import figures

KEEP, DROP = Decision("keep", None), Decision("drop", None)
FIX = Decision("fix", "b")


def stratum(rows, drawn, *, is_label_issue):
    return Stratum(is_label_issue, None, 0.0, 1.0, rows, drawn)


SAMPLE = Sample(
    id="0123456789abcdef",
    rows=60,
    decided=0,
    classes=["a", "b"],
    strata=[
        stratum(1000, 20, is_label_issue=False),
        stratum(100, 30, is_label_issue=True),
        stratum(300, 10, is_label_issue=True),
    ],
    flagged_by_score=[(0.1, 100), (0.5, 300)],
    fixes_by_prob=[(0.6, 300), (0.9, 100)],
)
IN_STRATUM = [0] * 20 + [1] * 30 + [2] * 10
ROWS = pa.table(
    {
        "row_id": [f"r{n}" for n in range(60)],
        "given_label": ["a"] * 60,
        "suggested_label": ["b"] * 60,
        "suggested_prob": [{0: 0.5, 1: 0.9, 2: 0.6}[at] for at in IN_STRATUM],
        "is_label_issue": [at > 0 for at in IN_STRATUM],
        "label_score": [{0: 0.9, 1: 0.1, 2: 0.5}[at] for at in IN_STRATUM],
        "stratum": IN_STRATUM,
    }
)


def of(*decisions, wanted=0.85):
    said = zip(ROWS["row_id"].to_pylist(), decisions, strict=False)
    return figures(SAMPLE, ROWS, {row_id: v for row_id, v in said if v is not None}, wanted)


def test_strata_count_by_their_rows():
    found = of(*[KEEP] * 19, FIX, *[FIX] * 30, *[KEEP] * 10)
    assert found["flags"]["precision"] == pytest.approx(0.25)
    assert found["others"]["errors"] == pytest.approx(0.05)
    assert found["recall"] == pytest.approx(100 / (100 + 50))
    assert found["flags_by_class"]["a"]["answered"] == 40
    assert found["rows"]["decided"] == {"fix": 31, "keep": 29}


def test_a_drop_says_that_the_flag_is_right_and_the_fix_is_not():
    found = of(*[None] * 20, *[DROP] * 40)
    assert (found["flags"]["precision"], found["fixes"]["right"]) == (1, 0)
    assert (found["others"]["errors"], found["recall"]) == (None, None)


def test_cuts_say_how_many_rows_they_take():
    found = of(*[None] * 20, *[FIX] * 30, *[KEEP] * 10)["wanted"]
    shown = found["label_score"]["shown"]
    assert (shown["cut"], shown["rows"], shown["answered"]) == (0.1, 100, 30)
    shown = found["suggested_prob"]["shown"]
    assert (shown["cut"], shown["rows"], shown["answered"]) == (0.9, 100, 30)
    everywhere = of(*[None] * 20, *[FIX] * 40)["wanted"]
    assert everywhere["label_score"]["likely"]["rows"] == 400
    assert everywhere["suggested_prob"]["shown"]["cut"] == 0.6


def test_without_a_decision_nothing_is_said():
    found = of()
    assert found["flags"] == {"rows": 400, "answered": 0, "precision": None}
    assert found["wanted"]["label_score"] == {"shown": None, "likely": None}
