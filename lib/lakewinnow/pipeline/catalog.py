"""The graph on one page: every stage, what it reads and writes, and what decides its result.

What a stage needs follows from what it reads; see `plan.graph`. A stage is done as long as none of
its settings and of what it reads has changed; see `pipeline.records`.
"""

from collections.abc import Callable
from typing import Final

from lakewinnow.config.sections import Config
from lakewinnow.embedding.candidates import may_refuse
from lakewinnow.plan.check import rewriting_settings
from lakewinnow.plan.cost import Cost, Sizes, product
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.registry import own_checks
from lakewinnow.plan.stage import Names, Stage

# How a service is asked decides no vector.
_HOW_TO_EMBED: Final = (
    "embedding.batch_size",
    *(
        f"embedding.openai.{key}"
        for key in (
            *("mode", "concurrency", "max_requests_per_minute", "max_tokens_per_minute"),
            *("max_cost_usd", "price_per_million_tokens", "timeout_s", "max_retries", "poll_s"),
        )
    ),
)
_CLASSIFIER: Final = tuple(
    f"crossval.{key}" for key in ("classifier", "params", "seed", "standardize")
)


def _is_embedded(config: Config) -> bool:
    return config.input.pred_probs is None and not config.input.has_own_vectors


def _written_by_ingest(config: Config) -> Names:
    """Every row of corpus/ is accepted, but where a provider may refuse its text."""
    refuses = _is_embedded(config) and may_refuse(config.embedding)
    return ("corpus", "quarantine") if refuses else ("corpus", "quarantine", "accepted")


def _written_by_embed(config: Config) -> Names:
    return ("vectors", "accepted") if may_refuse(config.embedding) else ("vectors",)


def _with_rewriting(*settings: str) -> Callable[[Config], Names]:
    return lambda config: (*settings, *rewriting_settings(config))


def _read_by_decide(config: Config) -> Names:
    return (
        *("corpus", "checks/label_issues", "checks/label_ranks", "choice?"),
        *(check.table for check in config.checks.of_rows),
    )


def _read_by_publish(config: Config) -> Names:
    soft = ("pred_probs", "noise_model.json") if config.output.soft_labels else ()
    return ("accepted", "issues", *soft)


def _read_by_export(config: Config) -> Names:
    return ("accepted", "issues", *(("pred_probs",) if config.export.soft_copies else ()))


def _seconds_to_embed(config: Config, sizes: Sizes) -> float | None:
    """Say how long static embeddings take; others are tried on a sample, or have rates."""
    is_static = config.embedding.provider == "static" and not config.embedding.candidates
    return product(sizes.rows, 1 / 50_000) if is_static else None


def _seconds_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    if config.crossval.classifier != "logistic":
        return None
    return product(sizes.rows, sizes.features, sizes.classes, config.crossval.folds, 1 / 8e8)


def _memory_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    crossval = config.crossval
    most = crossval.rows_per_shard if crossval.mode == "shard" else crossval.max_train_rows
    if sizes.rows is None or sizes.features is None or sizes.classes is None:
        return None
    return min(sizes.rows, most) * (20 * sizes.features + 12 * sizes.classes)


def _memory_of_neighbors(config: Config, sizes: Sizes) -> float | None:
    if sizes.rows is None:
        return None
    reference = min(sizes.rows, config.checks.neighbors.max_reference_rows)
    return product(14 * 2 * reference, sizes.features)


def _memory_to_compare(config: Config, sizes: Sizes) -> float | None:
    most = config.evaluate.max_train_rows
    return product(5 * 4, most if sizes.rows is None else min(most, sizes.rows), sizes.features)


def _seconds_to_fine_tune(config: Config, sizes: Sizes) -> float | None:
    """Say how long models take here, all-MiniLM-L6-v2 on two cores: 800 rows took 40 s."""
    wanted = config.finetune
    if wanted.provider != "local" or sizes.rows is None:
        return None
    n_models = len(wanted.variants or range(5)) * (wanted.seeds or 3)  # local.py has the defaults
    return n_models * wanted.epochs * min(sizes.rows, wanted.max_train_rows) / 20


STAGES: Final = (
    Stage(
        name="ingest",
        title="ingest",
        purpose="splits the source into the rows that can be worked with and quarantine/",
        run="lakewinnow.pipeline.steps:ingest",
        after="lakewinnow.pipeline.steps:check_classes",
        writes=_written_by_ingest,
        settings=("input", "crossval.folds", "crossval.seed", "crossval.rows_per_shard"),
        outside=("source",),
        cost=Cost(passes=2, rows_per_second=100_000),
    ),
    Stage(
        name="own_vectors",
        title="own vectors",
        purpose="takes your own embeddings or features (input.embedding, input.features)",
        run="lakewinnow.pipeline.steps:own_vectors",
        reads=("corpus",),
        writes=("vectors",),
        is_on=lambda config: config.has_vectors and config.input.has_own_vectors,
        cost=Cost(rows_per_second=100_000),
    ),
    Stage(
        name="candidates",
        title="candidates",
        purpose="compares embedding.candidates on a sample, and chooses the best",
        run="lakewinnow.pipeline.candidates:compare",
        reads=("corpus",),
        writes=("candidates",),
        settings=("embedding", *_CLASSIFIER, "crossval.mode", "crossval.max_train_rows"),
        how=_HOW_TO_EMBED,
        outside=("embedding", "classifier"),
        is_on=lambda config: _is_embedded(config) and bool(config.embedding.candidates),
    ),
    Stage(
        name="embed",
        title="embed",
        purpose="makes a vector of every text that the embedding store does not have yet",
        run="lakewinnow.pipeline.steps:embed",
        reads=("corpus", "candidates?"),
        writes=_written_by_embed,
        settings=("embedding",),
        how=_HOW_TO_EMBED,
        outside=("embedding",),
        is_on=_is_embedded,
        cost=Cost(seconds=_seconds_to_embed),
    ),
    Stage(
        name="crossval",
        title="cross-validate",
        purpose="asks classifiers that have not seen a row how probable each class is for it",
        run="lakewinnow.pipeline.steps:crossval",
        reads=("accepted", "vectors"),
        writes=("pred_probs",),
        settings=("crossval",),
        resolved="lakewinnow.stages.crossval.modes:resolved",
        outside=("classifier",),
        is_on=lambda config: config.has_vectors,
        cost=Cost(seconds=_seconds_to_cross_validate, task_memory=_memory_to_cross_validate),
    ),
    Stage(
        name="own_probs",
        title="probabilities",
        purpose="takes your own probabilities (input.pred_probs)",
        run="lakewinnow.pipeline.steps:own_probs",
        reads=("corpus",),
        writes=("pred_probs",),
        is_on=lambda config: config.input.pred_probs is not None,
        cost=Cost(rows_per_second=100_000),
    ),
    Stage(
        name="noise",
        title="noise model",
        purpose="estimates how often labels of each class are wrong, and which they should be",
        run="lakewinnow.pipeline.steps:noise",
        reads=("pred_probs",),
        writes=("noise_model.json", "label_health/classes", "label_health/overlaps"),
        outside=("noise_model",),
        cost=Cost(passes=2, rows_per_second=80_000),
    ),
    Stage(
        name="label_issues",
        title="label issues",
        purpose="finds the rows whose label is to be doubted, and the likeliest label of each",
        run="lakewinnow.pipeline.steps:label_issues",
        reads=("pred_probs", "noise_model.json"),
        writes=("checks/label_issues", "checks/label_ranks"),
        settings=("label_issues",),
        cost=Cost(passes=2, rows_per_second=120_000),
    ),
    Stage(
        name="neighbors",
        title="neighbours",
        purpose="finds which texts are near to each text",
        run="lakewinnow.pipeline.steps:neighbors",
        reads=("accepted", "vectors"),
        writes=("checks/neighbors",),
        settings=("checks.neighbors",),
        is_on=lambda config: config.has_vectors,
        on_demand=True,
        cost=Cost(passes=2, rows_per_second=15_000, task_memory=_memory_of_neighbors),
    ),
    *(check.stage for check in own_checks()),
    Stage(
        name="holdout",
        title="holdout",
        purpose="takes in the rows whose labels are trusted, and embeds them",
        run="lakewinnow.pipeline.steps:holdout",
        reads=("corpus", "vectors?", "candidates?"),
        writes=("holdout/corpus",),
        settings=("clean.is_to_be_chosen", "embedding"),
        how=_HOW_TO_EMBED,
        outside=("holdout", "embedding"),
        is_on=lambda config: config.evaluate.has_holdout,
        on_demand=True,
    ),
    Stage(
        name="choose",
        title="choose",
        purpose="chooses what becomes of label issues by models that are asked about trusted rows",
        run="lakewinnow.pipeline.steps:choose",
        reads=("accepted", "pred_probs", "checks/label_issues", "holdout/corpus?", "candidates?"),
        writes=("choice",),
        settings=("clean.label_issues", "clean.require_improvement", "evaluate", *_CLASSIFIER),
        outside=("classifier",),
        is_on=lambda config: config.clean.is_to_be_chosen,
        cost=Cost(passes=2, task_memory=_memory_to_compare),
    ),
    Stage(
        name="decide",
        title="decide",
        purpose="decides what happens to each row",
        run="lakewinnow.pipeline.steps:decide",
        reads=_read_by_decide,
        writes=("issues",),
        settings=_with_rewriting("clean"),
        how=("clean.max_drop_fraction",),
        outside=("decisions",),
        cost=Cost(passes=4, rows_per_second=60_000),
    ),
    Stage(
        name="publish",
        title="publish",
        purpose="writes clean/, review/ and dropped/",
        run="lakewinnow.pipeline.steps:publish",
        before="lakewinnow.pipeline.steps:check_drop_fraction",
        reads=_read_by_publish,
        writes=("clean", "review", "dropped"),
        settings=_with_rewriting("output", "clean.max_drop_fraction"),
        how=("output.mode",),
        cost=Cost(passes=3, rows_per_second=200_000),
    ),
    Stage(
        name="report",
        title="report",
        purpose="collects what report.html shows",
        run="lakewinnow.pipeline.steps:report",
        reads=("issues", "checks/label_issues", "checks/drift?"),
        writes=("report",),
        cost=Cost(passes=4, rows_per_second=200_000),
    ),
    Stage(
        name="evaluate",
        title="evaluate",
        purpose="compares the issues with evaluate.reference, and models on evaluate.holdout",
        run="lakewinnow.pipeline.steps:evaluate",
        reads=("accepted", "pred_probs", "issues", "holdout/corpus?", "candidates?"),
        settings=("evaluate", *_CLASSIFIER),
        outside=("reference", "classifier"),
        is_on=lambda config: config.evaluate.reference is not None or config.evaluate.has_holdout,
        cost=Cost(passes=2, task_memory=_memory_to_compare),
    ),
    Stage(
        name="finetune",
        title="fine-tune",
        purpose="fine-tunes a model on each version of the labels, and compares them",
        run="lakewinnow.pipeline.steps:finetune",
        reads=("accepted", "pred_probs", "issues", "holdout/corpus", "candidates?"),
        settings=_with_rewriting(
            *("finetune", "export", "evaluate", "crossval.seed"),
            *("embedding.provider", "embedding.model"),  # of the model, where none is named
        ),
        how=tuple(
            f"finetune.{key}"
            for key in ("max_cost_usd", "poll_s", "concurrency", "timeout_s", "max_retries")
        ),
        outside=("reference", "finetune_model"),
        is_on=lambda config: config.evaluate.has_holdout,
        by_default=False,
        cost=Cost(passes=2, seconds=_seconds_to_fine_tune),
    ),
    Stage(
        name="export",
        title="export",
        purpose="writes files for fine-tuning (export.format)",
        run="lakewinnow.pipeline.steps:export",
        reads=_read_by_export,
        writes=("exports",),
        settings=_with_rewriting("export"),
        is_on=lambda config: config.export.format is not None,
        cost=Cost(passes=2, rows_per_second=50_000),
    ),
)


def graph_of(config: Config) -> Graph:
    """Return the graph of all stages that a configuration turns on."""
    others = [check.stage for check in config.checks.known if check not in own_checks()]
    return Graph.of((*STAGES, *others), config)
