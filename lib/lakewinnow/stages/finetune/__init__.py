"""Finetune: whether models that are fine-tuned on cleaned labels are better, by a trusted holdout.

Reads    corpus/, issues/, pred_probs/ (for soft labels), the reference; holdout/corpus/
Writes   finetune/: what each model answers, and of a service the files that were uploaded and what
         is known of each job. Its figures go to summary.json
Passes   2 over the corpus (rows by class; the sample), 1 over the issues and the pred_probs
Shuffle  that of the sample, once for each training set and seed, with its texts
Memory   a local task: its texts, 1 GiB at most of what lower layers make of them, and a model with
         its gradients; the driver: for each test row and model 12 bytes, and 16 MB

See `local` and `by_service`.
"""

from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation import paired_comparison as comparison
from lakewinnow.core.evaluation import variants
from lakewinnow.core.evaluation.variants import BASELINE
from lakewinnow.errors import ConfigError
from lakewinnow.figures.models import Finetuned, Finetuning
from lakewinnow.lake.inputs import reference as reference_
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.training import training_sets
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages.finetune import by_service, local
from lakewinnow.stages.finetune.by_service import cancel
from lakewinnow.stages.finetune.plan import FineTuningEstimate
from lakewinnow.stages.finetune.tuned import ReportProgress, Tuned

__all__ = ["FineTuningEstimate", "cancel", "check", "estimate", "run"]


def check(config: Config) -> None:
    """Find what stands in the way, before anything runs."""
    if config.evaluate.holdout is None and config.evaluate.trusted is None:
        hint = "fine-tuned models are compared on rows whose labels are trusted"
        raise ConfigError("no_holdout", "evaluate.holdout", "a file of trusted rows", None, hint)
    if config.input.text is None:
        where, hint = "input.text", "models are fine-tuned on texts"
        raise ConfigError("missing_key", where, "a column", None, hint)
    if config.finetune.provider == "local":
        local.check(config)
    else:
        by_service.check(config)


def estimate(
    lake: Lake, config: Config, *, trusted: Lake, reference: Source | None = None
) -> FineTuningEstimate:
    """Say what a service would take for it, and write the files that it would learn from.

    Raises
    ------
    DataError : as `run`; "too_few_examples", "file_too_large"
    """
    truth = None if reference is None else reference_.true_labels(reference, config.input)
    return by_service.estimate(lake, trusted, config, truth)


def run(
    lake: Lake,
    config: Config,
    *,
    trusted: Lake,
    reference: Source | None = None,
    report_progress: ReportProgress = lambda *_: None,
) -> StageReport[Finetuned]:
    """Fine-tune a model on each training set, and compare what they say of the holdout.

    Parameters
    ----------
    trusted : the workspace that the holdout was taken into
    reference : the input's rows with their labels corrected, for the ceiling
    report_progress : gets how many models, jobs or questions are done, of how many, with a note

    Raises
    ------
    DataError : "holdout_too_small", "too_few_to_train_on"
    ConfigError, ProviderError
    """
    truth = None if reference is None else reference_.true_labels(reference, config.input)
    if config.finetune.provider == "local":
        tuned = local.run(lake, trusted, config, truth, report_progress)
    else:
        tuned = by_service.run(lake, trusted, config, truth, report_progress)
    return StageReport(
        rows_in=lake.rows("issues"),
        rows_out=len(tuned.true_labels),
        reads={"issues": 1, "corpus": 2, "pred_probs": 1, "holdout/corpus": 2},
        figures=_figures(tuned),
        warnings=_warnings(tuned),
    )


def _figures(tuned: Tuned) -> Finetuned:
    """Return the figures of each training set, and how they came about."""
    first = {name: outcome.first for name, outcome in tuned.outcomes.items()}
    compared, class_mix_matters = variants.compare(
        tuned.outcomes, first, tuned.true_labels, tuned.classes, tuned.n_rows
    )
    return Finetuned(
        finetune=compared,
        finetuning=Finetuning(
            **vars(tuned.recipe),
            failed=list(tuned.failed),
            test_rows=len(tuned.true_labels),
            input_rows=tuned.n_input,
            in_holdout_too=tuned.n_leaked,
            models=max(len(outcome.predicted) for outcome in tuned.outcomes.values()),
            resamples=comparison.N_RESAMPLES,
            confidence=comparison.CONFIDENCE,
            class_mix_matters=class_mix_matters,
        ),
    )


def _warnings(tuned: Tuned) -> list[str]:
    warnings = training_sets.warnings(tuned.n_leaked, tuned.left_out)
    warnings += [f"{of}: run again to begin another job" for of in tuned.failed]
    return warnings + [f"{BASELINE} has no model, so nothing is compared"] * (
        BASELINE not in tuned.outcomes
    )
