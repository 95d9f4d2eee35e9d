"""The graph on one page: every stage, what it reads and writes, and what decides its result.

What a stage needs follows from what it reads; see `plan.graph`. A stage is done as long as none of
its settings and of what it reads has changed; see `pipeline.records`.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from lakewinnow.config.sections import (
    ANNOTATION,
    FINETUNE,
    FUNCTION,
    LLM,
    OPINION_TABLES,
    OWN_PARAMS,
    Config,
)
from lakewinnow.embedding.listed import may_refuse
from lakewinnow.pipeline.costs import COSTS
from lakewinnow.plan.check import rewriting_settings
from lakewinnow.plan.cost import UNKNOWN
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.registry import own_checks
from lakewinnow.plan.stage import Names, Stage, names_of

if TYPE_CHECKING:
    from lakewinnow.lake.run import Run

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
NEIGHBORS: Final = "checks/neighbors"
_HOW_TO_ASK: Final = tuple(
    f"opinions.llm.{key}"
    for key in (
        *("mode", "concurrency", "max_requests_per_minute", "max_tokens_per_minute"),
        *("timeout_s", "max_retries", "poll_s"),
    )
)
_CLASSIFIER: Final = tuple(
    f"crossval.{key}" for key in ("classifier", "params", "seed", "standardize")
)


def _is_embedded(config: Config) -> bool:
    return config.input.pred_probs is None and not config.input.has_own_vectors


def _written_by_ingest(config: Config) -> Names:
    """Every row of corpus/ is accepted, but where a provider may refuse its text."""
    refuses = _is_embedded(config) and may_refuse(config.embedding)
    apart = ("unlabelled/corpus",) if config.input.unlabelled == "label" else ()
    return ("corpus", "quarantine", *apart, *(() if refuses else ("accepted",)))


def _written_by_embed(config: Config) -> Names:
    return ("vectors", "accepted") if may_refuse(config.embedding) else ("vectors",)


def _with_rewriting(*settings: str) -> Callable[[Config], Names]:
    return lambda config: (*settings, *rewriting_settings(config))


def _cleaning(config: Config) -> Names:
    """Return the keys of what happens to rows with an issue; a check that is off finds none."""
    off = {check.name for check in config.checks.known} - {of.name for of in config.checks.on}
    keys = (field.name.rstrip("_") for field in fields(config.clean) if field.name not in off)
    return (*(f"clean.{key}" for key in keys), *rewriting_settings(config))


def _read_by_noise(config: Config) -> Names:
    return ("pred_probs", "accepted", "vectors") if config.has_vectors else ("pred_probs",)


def _read_by_decide(config: Config) -> Names:
    return (
        *("corpus", "checks/label_issues", "checks/label_ranks", "choice?"),
        *("unlabelled/corpus?", "unlabelled/pred_probs?"),
        *(check.table for check in config.checks.of_rows),
        *((OPINION_TABLES[LLM],) if LLM in config.opinion_kinds else ()),
    )


def _read_by_ask(config: Config) -> Names:
    alike = [*config.checks.sets]
    if has_neighbors(config):
        alike.append(NEIGHBORS)
    opinions = (OPINION_TABLES[kind] for kind in config.opinion_kinds)
    return ("accepted", "checks/label_issues", *alike, *opinions)


def has_neighbors(config: Config) -> bool:
    """Whether a check has the nearest texts found, which takes long."""
    reads = (names_of(check.reads, config) for check in config.checks.on)
    return config.has_vectors and any(NEIGHBORS in tables for tables in reads)


def _read_by_publish(config: Config) -> Names:
    soft = ("pred_probs", "noise_model.json") if config.output.soft_labels else ()
    return ("accepted", "issues", *soft)


def _read_by_report(config: Config) -> Names:
    lists = (check.table for check in config.checks.on if check.lists_rows and not check.is_issue)
    return ("clean", "issues", "checks/label_issues", *lists)  # whoever wants it wants the rows


def _read_by_export(config: Config) -> Names:
    return ("accepted", "issues", *(("pred_probs",) if config.export.soft_copies else ()))


def _classifiers(config: Config) -> Names:
    """Return the import paths of the user's classifiers, if they are not ours."""
    names = (member.classifier for member in config.crossval.members)
    return tuple(name for name in names if name not in OWN_PARAMS)


def _read_by_crossval(config: Config) -> Names:
    """Fine-tuned models see texts, and no vectors."""
    sees_vectors = any(of.classifier != FINETUNE for of in config.crossval.members)
    return ("accepted", *(("vectors",) if sees_vectors else ()))


def _stage(name: str, title: str, purpose: str, **declared: Any) -> Stage:
    """Declare a stage, which runs what `steps` has for its name if nothing else is said."""

    def run(of: "Run") -> Any:
        from lakewinnow.pipeline import steps  # and with it all engines

        return steps.RUN[name](of)

    cost = COSTS.get(name, UNKNOWN)
    return Stage(name=name, title=title, purpose=purpose, cost=cost, **{"run": run, **declared})


STAGES: Final = (
    _stage(
        "ingest",
        "ingest",
        "checks the input's rows; those that cannot be used go to quarantine/",
        after="lakewinnow.pipeline.steps:check_classes",
        writes=_written_by_ingest,
        settings=("input", "crossval.folds", "crossval.seed", "crossval.rows_per_shard"),
        how=("input.annotations",),  # another stage's
        outside=("source",),
    ),
    _stage(
        "annotations",
        "annotations",
        "reads what annotators say of the rows (input.annotations)",
        reads=("corpus",),
        writes=(OPINION_TABLES[ANNOTATION],),
        settings=("input.annotations", "input.normalize_labels"),
        outside=("annotations",),
        is_on=lambda config: ANNOTATION in config.opinion_kinds,
        turned_on_by="input.annotations.path",
    ),
    _stage(
        "functions",
        "functions",
        "asks your labelling functions about every text (opinions.functions)",
        reads=("accepted",),
        writes=(OPINION_TABLES[FUNCTION],),
        settings=("opinions.functions", "input.normalize_labels"),
        code=lambda config: config.opinions.functions,
        is_on=lambda config: FUNCTION in config.opinion_kinds,
        turned_on_by="opinions.functions",
    ),
    _stage(
        "own_vectors",
        "own vectors",
        "takes your own embeddings or features (input.embedding, input.features)",
        reads=("corpus",),
        writes=("vectors",),
        is_on=lambda config: config.has_vectors and config.input.has_own_vectors,
        turned_on_by="input.embedding or input.features",
    ),
    _stage(
        "candidates",
        "candidates",
        "compares embedding.candidates on a sample, and chooses the best",
        run="lakewinnow.pipeline.candidates:compare",
        reads=("corpus",),
        writes=("candidates",),
        settings=("embedding", *_CLASSIFIER, "crossval.mode", "crossval.max_train_rows"),
        how=_HOW_TO_EMBED,
        outside=("embedding",),
        code=_classifiers,
        is_on=lambda config: _is_embedded(config) and bool(config.embedding.candidates),
        turned_on_by="embedding.candidates",
        version=2,
    ),
    _stage(
        "embed",
        "embed",
        "turns every text that is new to the embedding store into a vector",
        reads=("corpus", "candidates?"),
        writes=_written_by_embed,
        settings=("embedding",),
        how=_HOW_TO_EMBED,
        outside=("embedding",),
        is_on=_is_embedded,
        turned_on_by="input.text, without input.embedding, input.features or input.pred_probs,",
    ),
    _stage(
        "crossval",
        "cross-validate",
        "predicts how probable each class is for each row, by classifiers that have not seen it",
        reads=_read_by_crossval,
        writes=("pred_probs",),
        settings=("crossval",),
        outside=("crossval_model",),
        resolved="lakewinnow.stages.crossval.modes:resolved",
        code=_classifiers,
        is_on=lambda config: config.has_vectors,
        turned_on_by="an input without input.pred_probs",
        version=4,
    ),
    _stage(
        "own_probs",
        "probabilities",
        "takes your own probabilities (input.pred_probs)",
        reads=("corpus",),
        writes=("pred_probs",),
        is_on=lambda config: config.input.pred_probs is not None,
        turned_on_by="input.pred_probs",
    ),
    _stage(
        "noise",
        "noise model",
        "estimates how often labels of each class are wrong, and what they should be",
        reads=_read_by_noise,
        writes=("noise_model.json", "label_health/classes", "label_health/overlaps"),
        outside=("noise_model",),
        version=2,
    ),
    _stage(
        "llm",
        "language model",
        "asks a language model about the texts whose label is unsure (opinions.llm)",
        reads=lambda config: (
            *("accepted", "pred_probs", "noise_model.json"),
            *(OPINION_TABLES[kind] for kind in config.opinion_kinds if kind != LLM),
        ),
        writes=(OPINION_TABLES[LLM],),
        settings=("opinions.llm",),
        how=_HOW_TO_ASK,
        is_on=lambda config: LLM in config.opinion_kinds,
        turned_on_by="opinions.llm.model",
    ),
    _stage(
        "annotators",
        "annotators",
        "estimates how often each annotator is right, and what it says of which class",
        reads=lambda config: (
            *("pred_probs", "noise_model.json"),
            *(OPINION_TABLES[kind] for kind in config.opinion_kinds),
        ),
        writes=("annotators.json", "opinions_by_row"),
        is_on=lambda config: bool(config.opinion_kinds),
        turned_on_by="input.annotations.path, opinions.functions or opinions.llm.model",
        version=3,
    ),
    _stage(
        "label_issues",
        "label issues",
        "finds the rows whose label looks wrong, and the likeliest label of each",
        reads=lambda config: (
            *("pred_probs", "noise_model.json"),
            *(("annotators.json", "opinions_by_row") if config.opinion_kinds else ()),
        ),
        writes=("checks/label_issues", "checks/label_ranks"),
        settings=("label_issues", "clean.is_promised"),
        version=4,
    ),
    _stage(
        "neighbors",
        "neighbours",
        "finds the nearest texts to each text",
        reads=("accepted", "vectors"),
        writes=(NEIGHBORS,),
        settings=("checks.neighbors",),
        is_on=lambda config: config.has_vectors,
        turned_on_by="an input without input.pred_probs",
        on_demand=True,
    ),
    *(check.stage for check in own_checks()),
    _stage(
        "holdout",
        "holdout",
        "reads the rows whose labels are trusted, and embeds them",
        reads=("corpus", "vectors?", "candidates?"),
        writes=("holdout/corpus",),
        settings=("clean.is_to_be_chosen", "embedding"),
        how=_HOW_TO_EMBED,
        outside=("holdout", "embedding"),
        is_on=lambda config: config.evaluate.has_holdout,
        turned_on_by="evaluate.holdout or evaluate.trusted",
        on_demand=True,
    ),
    _stage(
        "choose",
        "choose",
        "chooses what to do with label issues, by testing models on trusted rows",
        reads=("accepted", "pred_probs", "checks/label_issues", "holdout/corpus?", "candidates?"),
        writes=("choice",),
        settings=("clean.label_issues", "clean.require_improvement", "evaluate", *_CLASSIFIER),
        code=_classifiers,
        is_on=lambda config: config.clean.is_to_be_chosen,
        turned_on_by="clean.label_issues: auto, or clean.require_improvement,",
        version=2,
    ),
    _stage(
        "ask",
        "ask",
        "ranks the rows of which one more opinion is worth most",
        reads=_read_by_ask,
        writes=lambda config: ("ask", *(["labelling"] if config.ask.format else [])),
        settings=_with_rewriting("ask"),
        outside=("decisions",),
        is_on=lambda config: config.ask.rows is not None,
        turned_on_by="ask.rows",
    ),
    _stage(
        "unlabelled",
        "unlabelled rows",
        "embeds rows without a label, and predicts it by models that learn from the others",
        reads=("unlabelled/corpus", "accepted", "vectors", "candidates?"),
        writes=("unlabelled/pred_probs",),
        settings=("embedding", *_CLASSIFIER, "crossval.classifiers", "crossval.max_train_rows"),
        how=_HOW_TO_EMBED,
        outside=("embedding",),
        code=_classifiers,
        is_on=lambda config: config.may_label,
        turned_on_by="input.unlabelled: label, with clean.fix_at_most_wrong,",
    ),
    _stage(
        "decide",
        "decide",
        "decides what happens to each row",
        reads=_read_by_decide,
        writes=("issues",),
        settings=_cleaning,
        how=("clean.max_drop_fraction",),
        outside=("decisions", "checked"),
    ),
    _stage(
        "publish",
        "publish",
        "writes clean/, review/ and dropped/",
        before="lakewinnow.pipeline.steps:check_drop_fraction",
        reads=_read_by_publish,
        writes=("clean", "review", "dropped"),
        settings=_with_rewriting("output", "clean.max_drop_fraction"),
        how=("output.mode", "output.keep_versions"),
    ),
    _stage(
        "report",
        "report",
        "collects what report.html shows",
        reads=_read_by_report,
        writes=("report",),
    ),
    _stage(
        "evaluate",
        "evaluate",
        "compares the issues with evaluate.reference, and models on evaluate.holdout",
        reads=("accepted", "pred_probs", "issues", "holdout/corpus?", "candidates?"),
        settings=("evaluate", *_CLASSIFIER),
        outside=("reference",),
        code=_classifiers,
        is_on=lambda config: config.evaluate.reference is not None or config.evaluate.has_holdout,
        turned_on_by="evaluate.reference, evaluate.holdout or evaluate.trusted",
        version=3,
    ),
    _stage(
        "finetune",
        "fine-tune",
        "fine-tunes a model on each version of the labels, and compares them",
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
        turned_on_by="evaluate.holdout or evaluate.trusted",
        by_default=False,
    ),
    _stage(
        "export",
        "export",
        "writes files for fine-tuning (export.format)",
        reads=_read_by_export,
        writes=("exports",),
        settings=_with_rewriting("export"),
        is_on=lambda config: config.export.format is not None,
        turned_on_by="export.format",
    ),
)


def graph_of(config: Config) -> Graph:
    """Return the graph of all stages that a configuration turns on."""
    others = [check.stage for check in config.checks.known if check not in own_checks()]
    return Graph.of((*STAGES, *others), config)
