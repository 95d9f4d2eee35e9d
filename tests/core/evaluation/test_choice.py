"""Choice: a change is made where it is shown to be better, and the best of those."""

import pytest

from lakewinnow.core.evaluation.choice import best_action
from lakewinnow.figures.models import Difference, Variant

AUTO = ("keep", "fix", "drop")
NAMES = {f"{name}{end}" for name in ("accuracy", "macro_f1") for end in ("", "_low", "_high")}


def compared(**sets):
    """Return figures by training set: accuracy, and the verdict beside the baseline."""
    return {
        name: variant(accuracy, to_baseline=difference(verdict))
        for name, (accuracy, verdict) in sets.items()
    }


def variant(accuracy, **to):
    others = dict.fromkeys(NAMES - {"accuracy"}, 0.0)
    return Variant(rows=100, recall={}, accuracy=accuracy, **others, **to)


def difference(verdict):
    return Difference(**dict.fromkeys(NAMES, 0.0), verdict=verdict)


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
    found = {"baseline": variant(0.6), **compared(fixed=fixed, dropped=dropped)}
    assert best_action(found, actions) == chosen


def test_what_could_not_be_trained_is_not_taken():
    found = {"baseline": variant(0.6), **compared(fixed=(0.7, "better"))}
    assert best_action(found, AUTO) == "fix"
    assert best_action({"baseline": variant(0.6)}, AUTO) == "keep"
