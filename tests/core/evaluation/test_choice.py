"""Choice: a change is made where it is shown to be better, and the best of those."""

import pytest

from lakewinnow.core.evaluation.choice import best_action

AUTO = ("keep", "fix", "drop")


def compared(**sets):
    """Return figures by training set: accuracy, and the verdict beside the baseline."""
    return {
        name: {"accuracy": accuracy, "to_baseline": {"verdict": verdict}}
        for name, (accuracy, verdict) in sets.items()
    }


@pytest.mark.parametrize(
    ("fixed", "dropped", "actions", "chosen"),
    [
        ((0.7, "better"), (0.8, "better"), AUTO, "drop"),
        ((0.8, "better"), (0.8, "better"), AUTO, "fix"),  # which loses no rows
        ((0.8, "no difference shown"), (0.7, "better"), AUTO, "drop"),
        ((0.8, "no difference shown"), (0.7, "worse"), AUTO, "keep"),
        ((0.8, "better"), (0.7, "better"), ("keep", "drop"), "drop"),
        ((0.8, "better"), (0.7, "better"), ("keep", "review"), "review"),
        ((0.8, "better"), (0.7, "worse"), ("keep", "review"), "keep"),
    ],
)
def test_the_best_that_is_shown_to_be_better(fixed, dropped, actions, chosen):
    found = {"baseline": {"accuracy": 0.6}, **compared(fixed=fixed, dropped=dropped)}
    assert best_action(found, actions) == chosen


def test_what_could_not_be_trained_is_not_taken():
    found = {"baseline": {"accuracy": 0.6}, **compared(fixed=(0.7, "better"))}
    assert best_action(found, AUTO) == "fix"
    assert best_action({"baseline": {"accuracy": 0.6}}, AUTO) == "keep"
