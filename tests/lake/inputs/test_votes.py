"""What several people decided: what most of them say, and how far they agree."""

import pytest

from lakewinnow.lake.inputs.votes import Decision, Votes

KEEP, DROP, FIX = Decision("keep", None), Decision("drop", None), Decision("fix", "b")


def test_a_majority_decides_and_a_tie_does_not():
    votes = Votes(
        {
            "r1": [("Ann", FIX), ("Bo", FIX), ("Cy", KEEP)],
            "r2": [("Ann", FIX), ("Bo", KEEP)],
            "r3": [("", DROP)],
        },
    )
    assert votes.agreed() == {"r1": FIX, "r3": DROP}
    people = votes.people()
    assert (people["differing"], people["undecided"]) == (["r1", "r2"], ["r2"])
    assert people["by"] == {"": 1, "Ann": 2, "Bo": 2, "Cy": 1}
    assert people["agreement"]["rows"] == 2
    assert people["agreement_by"] == {
        "Cy": 0,
        "Ann": pytest.approx(1 / 3),
        "Bo": people["agreement_by"]["Ann"],
    }
    assert votes.csv().splitlines() == [
        "row_id,decision,label,by",
        "r1,fix,b,Ann and Bo",
        "r3,drop,,",
    ]
