"""What the models of the training sets come to: figures with intervals, and what may be said."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from lakewinnow.core import comparison
from lakewinnow.core.comparison import FIGURES, Interval
from lakewinnow.core.types import FloatArray
from lakewinnow.stages.evaluate import tasks
from lakewinnow.stages.evaluate.training import BASELINE, CONTROL, Trained

BETTER: Final = "better"
WORSE: Final = "worse"
NOT_SHOWN: Final = "no difference shown"


def comparison_of(trained: Trained) -> dict[str, Any]:
    """Return the details of the stage: the figures of each training set, and how they came about.

    A training set is called better or worse where the interval of the difference in accuracy does
    not include 0.
    """
    names, truth, n_classes = list(trained.on_parts), trained.true_labels, len(trained.classes)
    outcomes = list(trained.on_parts.values())
    means = [comparison.figures(outcome, truth, n_classes) for outcome in outcomes]
    resampled = comparison.bootstrap(outcomes, truth, n_classes)
    values = {
        name: (mean, drawn) for name, mean, drawn in zip(names, means, resampled, strict=True)
    }
    right = {name: outcome.predicted[0] == truth for name, outcome in trained.on_all.items()}
    by_mix = np.array_equal(right[BASELINE], right[CONTROL]) if CONTROL in right else True
    compared: dict[str, Any] = {}
    for name, outcome in trained.on_parts.items():
        recalls = comparison.recalls(outcome, truth, n_classes)
        found: dict[str, Any] = {
            "rows": trained.n_rows[name],
            **_with_intervals(*values[name]),
            "recall": {
                of: recall
                for of, recall in zip(trained.classes, recalls.tolist(), strict=True)
                if recall == recall  # of a class that the holdout has
            },
        }
        if name != BASELINE:
            p = comparison.mcnemar_p(right[name], right[BASELINE])
            found["to_baseline"] = {**_difference(values, name, BASELINE), "p": p}
        if name not in (BASELINE, CONTROL) and not by_mix:
            found["to_control"] = _difference(values, name, CONTROL)
        compared[name] = found
    return {
        "evaluate": compared,
        "comparison": {
            "test_rows": len(truth),
            "input_rows": trained.n_input,
            "in_holdout_too": trained.n_leaked,
            "seeds": trained.n_seeds,
            "parts": tasks.N_PARTS,
            "models": len(outcomes[0].predicted),
            "resamples": comparison.N_RESAMPLES,
            "confidence": comparison.CONFIDENCE,
            "class_mix_matters": not by_mix,
        },
        "warnings": _warnings(trained),
    }


def _with_intervals(means: FloatArray, resampled: FloatArray) -> dict[str, float]:
    found: dict[str, float] = {}
    for figure, mean, drawn in zip(FIGURES, means.tolist(), resampled, strict=True):
        interval = comparison.interval(mean, drawn)
        found |= {
            figure: interval.value,
            f"{figure}_low": interval.low,
            f"{figure}_high": interval.high,
        }
    return found


def _difference(
    values: Mapping[str, tuple[FloatArray, FloatArray]], name: str, other: str
) -> dict[str, Any]:
    (mean, drawn), (other_mean, other_drawn) = values[name], values[other]
    found: dict[str, Any] = _with_intervals(mean - other_mean, drawn - other_drawn)
    accuracy = Interval(found["accuracy"], found["accuracy_low"], found["accuracy_high"])
    verdict = BETTER if accuracy.low > 0 else WORSE
    return {**found, "verdict": verdict if accuracy.excludes_zero else NOT_SHOWN}


def _warnings(trained: Trained) -> list[str]:
    told = []
    if trained.n_leaked:
        told.append(
            f"{trained.n_leaked:,} rows of the input have a text of the holdout: no model that is"
            " compared was trained on them"
        )
    told += [
        f"{name}: fewer than {tasks.LEAST_ROWS} rows are left, on which nothing was trained"
        for name in trained.left_out
    ]
    if trained.not_converged:
        told.append(
            f"{trained.not_converged:,} of the models that are compared stopped before they"
            " converged: raise max_iter or lower C in evaluate.params"
        )
    return told
