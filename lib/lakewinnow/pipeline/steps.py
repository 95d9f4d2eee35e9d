"""What each stage of the catalog calls, with the parts of the `Run` that it needs.

What was chosen in mid-run, the best embedding and what becomes of label issues, is in the records
of the stages that chose; `chosen_embedding` and `chosen_clean` read it there.
"""

from dataclasses import replace
from typing import Any, TypeVar

from lakewinnow.checks.neighbors import stage as neighbors_
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.config.sections import CleanConfig, Config, EmbeddingConfig
from lakewinnow.embedding import listed
from lakewinnow.figures.labels import CandidateFigures
from lakewinnow.figures.models import Choice
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.pipeline import nested
from lakewinnow.stages import crossval as crossval_
from lakewinnow.stages import decide as decide_
from lakewinnow.stages import embed as embed_
from lakewinnow.stages import evaluate as evaluate_
from lakewinnow.stages import export as export_
from lakewinnow.stages import ingest as ingest_
from lakewinnow.stages import label_issues as label_issues_
from lakewinnow.stages import noise as noise_
from lakewinnow.stages import own_probs as own_probs_
from lakewinnow.stages import own_vectors as own_vectors_
from lakewinnow.stages import publish as publish_
from lakewinnow.stages import report as report_

S = TypeVar("S")


def chosen_embedding(run: Run) -> EmbeddingConfig:
    """Return the section of the embedding that the run uses: the best, where there are several.

    What comparing them has cost, the best may no longer spend.
    """
    config = run.config.embedding
    if not config.candidates:
        return config
    found = run.lake.figures("candidates", CandidateFigures)
    spent = sum(of.cost_usd or 0.0 for of in found.compared)
    return listed.chosen(config, found.used, spent)


def chosen_clean(run: Run) -> tuple[CleanConfig, str]:
    """Return what becomes of rows with issues, and why, where that was to be chosen."""
    config = run.config.clean
    if not config.is_to_be_chosen:
        return config, ""
    found = run.lake.figures("choose", Choice)
    changed: dict[str, Any] = {"label_issues": found.label_issues}
    if found.is_unchanged:
        checks = [check for check in run.config.checks.known if check.is_for_models]
        changed |= {check.name: "keep" for check in checks if check.actions}
    return replace(config, **changed), found.why


def as_embedded(run: Run) -> Config:
    """Return the configuration, for a stage that takes it whole, with the embedding in use."""
    return replace(run.config, embedding=chosen_embedding(run))


def asked_for(section: S | None) -> S:
    """Return a section that is there: without it the graph has no such stage."""
    if section is None:
        raise ValueError("a stage that is not asked for")
    return section


def ingest(run: Run) -> StageReport[Any]:
    """Split the source into corpus/ and quarantine/."""
    return ingest_.run(run.lake, run.inputs.source, run.config.input, run.config.crossval)


def check_classes(run: Run) -> None:
    """Find settings that do not go with the classes, before embedding takes its time."""
    classes = run.lake.figures("ingest", Ingested).classes
    label_issues_.checked_filter(run.config.label_issues, classes)
    if run.config.input.pred_probs is None:
        classifiers.load(run.config.crossval, classes)


def own_vectors(run: Run) -> StageReport[Any]:
    """Take the user's vectors."""
    return own_vectors_.run(run.lake, run.config.input)


def embed(run: Run) -> StageReport[Any]:
    """Embed the texts that are new."""
    return embed_.run(run.lake, run.config.input, chosen_embedding(run), run.report_progress)


def crossval(run: Run) -> StageReport[Any]:
    """Make out-of-sample probabilities."""
    return crossval_.run(run.lake, chosen_embedding(run), run.config.crossval)


def own_probs(run: Run) -> StageReport[Any]:
    """Take the user's probabilities."""
    return own_probs_.run(run.lake, run.config.input)


def noise(run: Run) -> StageReport[Any]:
    """Estimate the noise model."""
    earlier = run.inputs.noise_model
    is_ours = run.config.input.pred_probs is None
    model = None if earlier is None else earlier.model
    return noise_.run(run.lake, model, run.config.crossval if is_ours else None)


def label_issues(run: Run) -> StageReport[Any]:
    """Find label issues."""
    return label_issues_.run(run.lake, run.config.label_issues)


def neighbors(run: Run) -> StageReport[Any]:
    """Find which texts are near to each text."""
    return neighbors_.run(run.lake, chosen_embedding(run), run.config.checks.neighbors)


def holdout(run: Run) -> StageReport[Any]:
    """Take in trusted rows."""
    return nested.take_in_holdout(run, chosen_embedding(run))


def choose(run: Run) -> StageReport[Any]:
    """Choose what becomes of label issues."""
    return evaluate_.choose(run.lake, as_embedded(run), run.trusted)


def decide(run: Run) -> StageReport[Any]:
    """Decide what happens to each row."""
    clean, why = chosen_clean(run)
    return decide_.run(run.lake, clean, run.config.checks, run.inputs.decisions, why)


def check_drop_fraction(run: Run) -> None:
    """Stop before anything is touched, if too many rows would go."""
    publish_.check_drop_fraction(run.lake, run.config.clean.max_drop_fraction)


def publish(run: Run) -> StageReport[Any]:
    """Write the clean dataset, and the other rows."""
    return publish_.run(run.lake, run.config.input, run.config.output, run.text)


def report(run: Run) -> StageReport[Any]:
    """Collect what the report shows."""
    return report_.run(run.lake, run.config.checks.on)


def evaluate(run: Run) -> StageReport[Any]:
    """Compare with the reference, and models on the holdout."""
    config, reference = as_embedded(run), run.inputs.reference
    return evaluate_.run(run.lake, config, reference=reference, trusted=run.trusted)


def finetune(run: Run) -> StageReport[Any]:
    """Fine-tune models; where some jobs failed, the next run begins those again."""
    from lakewinnow.stages import finetune as finetune_  # services' clients take long to import

    report = finetune_.run(
        run.lake,
        as_embedded(run),
        trusted=asked_for(run.trusted),
        reference=run.inputs.reference,
        report_progress=run.report_progress,
    )
    return replace(report, is_complete=not report.figures.finetuning.failed)


def export(run: Run) -> StageReport[Any]:
    """Write files for fine-tuning."""
    return export_.run(run.lake, run.config.export, run.text)
