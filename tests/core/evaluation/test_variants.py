"""Training sets by one another: verdicts, what is left out, and what is of no class."""

import numpy as np
import pytest

from lakewinnow.core.evaluation import paired_comparison as comparison
from lakewinnow.core.evaluation import variants
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.typed_json import to_json

CLASSES = ["a", "b", "c"]
TRUTH = np.random.default_rng(0).integers(2, size=200)  # none of c


def outcome_of(share_right, seed, *, losses=0.5, wrong=None):
    """Three models that are right about a share of the rows."""
    rng = np.random.default_rng(seed)
    is_right = rng.random((3, len(TRUTH))) < share_right
    predicted = np.where(is_right, TRUTH, 1 - TRUTH if wrong is None else wrong)
    return Outcome(predicted, np.full(predicted.shape, losses))


def compared(**outcomes):
    first = {name: of.first for name, of in outcomes.items()}
    n_rows = dict.fromkeys(outcomes, 100)
    found, mix_matters = variants.compare(outcomes, first, TRUTH, CLASSES, n_rows)
    return to_json(found), mix_matters


def test_a_training_set_is_better_worse_or_not_shown_to_be_either():
    found, mix_matters = compared(
        baseline=outcome_of(0.6, 1),
        control=outcome_of(0.61, 2),
        dropped=outcome_of(0.6, 3),
        fixed=outcome_of(0.9, 4),
        soft=outcome_of(0.2, 5),
    )
    verdicts = {name: of["to_baseline"]["verdict"] for name, of in found.items() if name[0] != "b"}
    assert verdicts == {
        "control": variants.NOT_SHOWN,
        "dropped": variants.NOT_SHOWN,
        "fixed": variants.BETTER,
        "soft": variants.WORSE,
    }
    assert mix_matters
    assert "to_control" not in found["control"]
    assert found["fixed"]["to_control"]["verdict"] == variants.BETTER
    accuracy = found["fixed"]["accuracy"] - found["baseline"]["accuracy"]
    assert found["fixed"]["to_baseline"]["accuracy"] == pytest.approx(accuracy)
    assert found["fixed"]["recall"].keys() == {"a", "b"}


def test_the_class_mix_has_no_part_where_the_control_says_the_same():
    one = outcome_of(0.6, 1)
    found, mix_matters = compared(baseline=one, control=one, fixed=outcome_of(0.9, 4))
    assert not mix_matters
    assert "to_control" not in found["fixed"]


def test_what_is_of_no_class_is_wrong_and_unknown_losses_are_left_out():
    found, _ = compared(
        baseline=outcome_of(0.5, 1, losses=np.nan, wrong=len(CLASSES)),
        fixed=outcome_of(1.0, 2, losses=np.nan),
    )
    assert found["fixed"]["accuracy"] == found["fixed"]["macro_f1"] == 1.0
    assert 0.4 < found["baseline"]["accuracy"] < 0.6
    recall = found["baseline"]["recall"]
    assert 0.35 < recall["a"] < 0.65
    assert not any("log_loss" in name for name in found["baseline"])
    assert not any("log_loss" in name for name in found["fixed"]["to_baseline"])


def test_without_the_baseline_nothing_is_told_of_a_difference():
    found, _ = compared(fixed=outcome_of(0.9, 4))
    assert found["fixed"].keys() >= {"rows", "accuracy", "recall"}
    assert "to_baseline" not in found["fixed"]


def test_figures_are_those_of_the_comparison():
    one = outcome_of(0.7, 9)
    found, _ = compared(baseline=one)
    expected = comparison.figures(one, TRUTH, len(CLASSES))
    names = comparison.FIGURES
    np.testing.assert_allclose([found["baseline"][name] for name in names], expected)
