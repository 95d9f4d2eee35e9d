"""What the models of the training sets come to: figures with intervals, and what may be said."""

from lakewinnow.core.evaluation import paired_comparison as comparison
from lakewinnow.core.evaluation import variants
from lakewinnow.core.evaluation.variants import BASELINE
from lakewinnow.figures.models import Comparison, Evaluated
from lakewinnow.lake.training import training_sets
from lakewinnow.stages.evaluate import tasks
from lakewinnow.stages.evaluate.training import Trained


def comparison_of(trained: Trained) -> Evaluated:
    """Return the figures of each training set, and how they came about.

    See `core.evaluation.variants.compare`.
    """
    compared, class_mix_matters = variants.compare(
        trained.on_parts, trained.on_all, trained.true_labels, trained.classes, trained.n_rows
    )
    return Evaluated(
        evaluate=compared,
        comparison=Comparison(
            test_rows=len(trained.true_labels),
            input_rows=trained.n_input,
            in_holdout_too=trained.n_leaked,
            seeds=trained.n_seeds,
            parts=tasks.N_PARTS,
            models=len(trained.on_parts[BASELINE].predicted),
            resamples=comparison.N_RESAMPLES,
            confidence=comparison.CONFIDENCE,
            class_mix_matters=class_mix_matters,
        ),
    )


def warnings(trained: Trained) -> list[str]:
    """Say what was left out, and which models were stopped."""
    found = training_sets.warnings(trained.n_leaked, trained.left_out)
    if trained.not_converged:
        found.append(
            f"{trained.not_converged:,} of the models that are compared stopped before they"
            " converged. Raise max_iter or lower C in evaluate.params"
        )
    return found
