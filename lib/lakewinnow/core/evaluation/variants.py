"""The training sets that are compared, and what their models come to, by one another.

baseline  the given labels
control   the same, weighted to the class mix of `fixed`: what of a gain is that mix alone (where
          what is trained takes weights)
dropped   without the label issues
fixed     label issues with their suggested label
soft      the labels that a row may have, by the posterior, weighted by their probability (likewise)
reviewed  the user's own decisions alone, where there are some
clean     what the run has published in clean/: duplicates gone, the user's decisions taken
ceiling   the reference's labels, where there is a reference
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from lakewinnow.core.evaluation import paired_comparison as comparison
from lakewinnow.core.evaluation.paired_comparison import FIGURES, Interval, Outcome
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.figures.models import BETTER, NOT_SHOWN, WORSE, Difference, Variant

BASELINE: Final = "baseline"
CONTROL: Final = "control"
DROPPED: Final = "dropped"
FIXED: Final = "fixed"
SOFT: Final = "soft"
REVIEWED: Final = "reviewed"
CLEAN: Final = "clean"
CEILING: Final = "ceiling"
ORDER: Final = (BASELINE, CONTROL, DROPPED, FIXED, SOFT, REVIEWED, CLEAN, CEILING)


def compare(
    tries: Mapping[str, Outcome],
    whole: Mapping[str, Outcome],
    true_labels: IntArray,
    classes: Sequence[str],
    n_rows: Mapping[str, int],
) -> tuple[dict[str, Variant], bool]:
    """Return the figures of each training set, and whether the class mix has a part in them.

    A training set is called better or worse where the interval of the difference in accuracy does
    not include 0. Where losses are not known (NaN), neither is the log loss.

    Parameters
    ----------
    tries : by training set, M models, of which those in the same place belong together
    whole : by training set, one model of all its rows, which McNemar's test is of
    true_labels : int64, shape (n,); a prediction of K or more is of no class
    n_rows : of each training set
    """
    n_classes = len(classes) + 1  # one for what is none
    outcomes = list(tries.values())
    means = [comparison.figures(outcome, true_labels, n_classes) for outcome in outcomes]
    resampled = comparison.bootstrap(outcomes, true_labels, n_classes)
    values = {name: of for name, *of in zip(tries, means, resampled, strict=True)}
    right = {name: outcome.predicted[0] == true_labels for name, outcome in whole.items()}
    both = BASELINE in right and CONTROL in right
    by_mix = np.array_equal(right[BASELINE], right[CONTROL]) if both else True
    compared = {}
    for name, outcome in tries.items():
        recalls = comparison.recalls(outcome, true_labels, n_classes).tolist()
        to_baseline = to_control = None
        if name != BASELINE and BASELINE in tries:
            p = comparison.mcnemar_p(right[name], right[BASELINE])
            to_baseline = _difference(values, name, BASELINE, p)
        if name not in (BASELINE, CONTROL) and not by_mix:
            to_control = _difference(values, name, CONTROL)
        compared[name] = Variant(
            rows=n_rows[name],
            **_with_intervals(*values[name]),
            recall={
                of: recall
                for of, recall in zip(classes, recalls[:-1], strict=True)
                if recall == recall  # of a class that the holdout has
            },
            to_baseline=to_baseline,
            to_control=to_control,
        )
    return compared, not by_mix


def _with_intervals(means: FloatArray, resampled: FloatArray) -> dict[str, float]:
    found: dict[str, float] = {}
    for figure, mean, drawn in zip(FIGURES, means.tolist(), resampled, strict=True):
        if mean == mean:
            interval = comparison.interval(mean, drawn)
            found |= {
                figure: interval.value,
                f"{figure}_low": interval.low,
                f"{figure}_high": interval.high,
            }
    return found


def _difference(
    values: Mapping[str, Sequence[FloatArray]], name: str, other: str, p: float | None = None
) -> Difference:
    (mean, drawn), (other_mean, other_drawn) = values[name], values[other]
    found = _with_intervals(mean - other_mean, drawn - other_drawn)
    accuracy = Interval(found["accuracy"], found["accuracy_low"], found["accuracy_high"])
    shown: Literal["better", "worse"] = BETTER if accuracy.low > 0 else WORSE
    return Difference(**found, p=p, verdict=shown if accuracy.excludes_zero else NOT_SHOWN)
