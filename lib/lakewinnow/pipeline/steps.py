"""What each stage of the catalog calls, with the parts of the `Run` that it needs.

What was chosen in mid-run, the best embedding and what becomes of label issues, is in the records
of the stages that chose; `chosen_embedding` and `chosen_clean` read it there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.config.sections import LLM, CleanConfig, Config, EmbeddingConfig
from lakewinnow.embedding import listed
from lakewinnow.figures.labels import CandidateFigures
from lakewinnow.figures.models import Choice
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.inputs.annotations import Annotations
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.pipeline import nested
from lakewinnow.pipeline.catalog import has_neighbors
from lakewinnow.stages import (
    annotations,
    annotators,
    ask,
    crossval,
    decide,
    embed,
    evaluate,
    export,
    functions,
    ingest,
    label_issues,
    noise,
    own_probs,
    own_vectors,
    publish,
    report,
)


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


def check_classes(run: Run) -> None:
    """Find settings that do not go with the classes, before embedding takes its time."""
    classes = run.lake.figures("ingest", Ingested).classes
    label_issues.checked_filter(run.config.label_issues, classes)
    if run.config.opinion_kinds:
        annotators.check(len(classes))
    if LLM in run.config.opinion_kinds:
        from lakewinnow.stages import llm  # services' clients take long to import

        llm.check_classes(run.config.opinions.llm, classes)
    if run.config.input.pred_probs is None:
        crossval.check_classes(run.config.crossval, classes)
        crossval.check_size(run.lake, run.config.crossval, len(classes))


def check_drop_fraction(run: Run) -> None:
    """Stop before anything is touched, if too many rows would go."""
    publish.check_drop_fraction(run.lake, run.config.clean.max_drop_fraction)


def _annotations(run: Run) -> StageReport[Any]:
    said = cast("Annotations", run.inputs.annotations)  # without which the graph has no such stage
    return annotations.run(run.lake, said, run.config.input)


def _noise(run: Run) -> StageReport[Any]:
    earlier = run.inputs.noise_model
    is_ours = run.config.input.pred_probs is None
    model = None if earlier is None else earlier.model
    if not is_ours:
        return noise.run(run.lake, model)
    return noise.run(run.lake, model, run.config.crossval, chosen_embedding(run))


def _ask(run: Run) -> StageReport[Any]:
    config = run.config
    own = run.inputs.decisions
    return ask.run(
        *(run.lake, config.ask, run.text, config.opinion_kinds, config.checks.sets, own),
        has_neighbors=has_neighbors(config),
    )


def _decide(run: Run) -> StageReport[Any]:
    clean, why = chosen_clean(run)
    own, checked = run.inputs.decisions, run.inputs.checked
    source, is_asked = run.config.input, LLM in run.config.opinion_kinds
    return decide.run(
        run.lake, clean, run.config.checks, own, why, checked, source, is_asked=is_asked
    )


def _evaluate(run: Run) -> StageReport[Any]:
    config, reference = as_embedded(run), run.inputs.reference
    return evaluate.run(run.lake, config, reference=reference, trusted=run.trusted)


def _llm(run: Run) -> StageReport[Any]:
    from lakewinnow.stages import llm  # services' clients take long to import

    others = [kind for kind in run.config.opinion_kinds if kind != LLM]
    return llm.run(run.lake, run.config.opinions.llm, others, run.report_progress)


def _finetune(run: Run) -> StageReport[Any]:
    """Fine-tune models; where some jobs failed, the next run begins those again."""
    from lakewinnow.stages import finetune  # services' clients take long to import

    report = finetune.run(
        run.lake,
        as_embedded(run),
        trusted=cast("Lake", run.trusted),  # without which the graph has no such stage
        reference=run.inputs.reference,
        report_progress=run.report_progress,
    )
    return replace(report, is_complete=not report.figures.finetuning.failed)


RUN: Final[Mapping[str, Callable[[Run], StageReport[Any]]]] = {
    "ingest": lambda of: ingest.run(of.lake, of.inputs.source, of.config.input, of.config.crossval),
    "annotations": _annotations,
    "functions": lambda of: functions.run(of.lake, of.config.opinions.functions, of.config.input),
    "own_vectors": lambda of: own_vectors.run(of.lake, of.config.input),
    "embed": lambda of: embed.run(
        of.lake, of.config.input, chosen_embedding(of), of.report_progress
    ),
    "crossval": lambda of: crossval.run(
        of.lake, chosen_embedding(of), of.config.crossval, of.report_progress
    ),
    "own_probs": lambda of: own_probs.run(of.lake, of.config.input),
    "noise": _noise,
    "llm": _llm,
    "annotators": lambda of: annotators.run(of.lake, of.config.opinion_kinds),
    "label_issues": lambda of: label_issues.run(
        of.lake,
        of.config.label_issues,
        is_checked=of.config.clean.is_promised,
        has_opinions=bool(of.config.opinion_kinds),
    ),
    "neighbors": lambda of: neighbors.run(
        of.lake, chosen_embedding(of), of.config.checks.neighbors
    ),
    "holdout": lambda of: nested.take_in_holdout(of, chosen_embedding(of)),
    "unlabelled": lambda of: nested.predict_unlabelled(of, chosen_embedding(of)),
    "choose": lambda of: evaluate.choose(of.lake, as_embedded(of), of.trusted),
    "ask": _ask,
    "decide": _decide,
    "publish": lambda of: publish.run(of.lake, of.config.input, of.config.output, of.text),
    "report": lambda of: report.run(of.lake, of.config.checks.on),
    "evaluate": _evaluate,
    "finetune": _finetune,
    "export": lambda of: export.run(of.lake, of.config.export, of.text),
}
