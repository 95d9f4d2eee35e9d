"""Crossval: the probability of every class for every row, from a model that never saw its text.

Reads    corpus/, the vectors
Writes   pred_probs/, one row per accepted row
Passes   shard: 1 over corpus and vectors, 1 over the corpus for the pool of rare classes, and 1
         over both for a sample where something is left to be chosen
         global: 1 over both for the sample, 1 to score, and 1 over the corpus where not all rows
         are in the sample
Shuffle  shard: vectors and rows once, by shard (N·D·4 bytes); texts of the pool go to every shard
         global: none, as the rows without their vectors are sent to the vectors; of more than
         two million rows, vectors and rows once, by text key; and of a store that runs share
         keys alone, to find whether it holds a text twice
         Where a store holds more texts than the corpus has rows, its vectors once more, by text key
Memory   a task: 20 bytes × rows × D and 12 × rows × K, rows being rows_per_shard (global:
         max_train_rows, in the tasks that train). Measured: 17 × rows × D, 50,000 × 256 and × 1,024
         global: 200 bytes for each row sent, on the driver and in each executor

         finetune: its texts, 1 GiB at most of what lower layers make of them, and a model with its
         gradients; crossval/ keeps 4 × rows × K bytes a seed of what models have said
         Of several classifiers, each writes a table, and 2 passes over these together make one

A class that the training folds lack has probability 0. See `by_shards`, `by_global_models` and
`by_finetuning`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.config.sections import FINETUNE, CrossvalConfig, EmbeddingConfig
from lakewinnow.core.evaluation.pooling import grid
from lakewinnow.errors import ConfigError, LakewinnowError
from lakewinnow.figures.labels import Combined, CombinedClassifier, Crossvalidated
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import PREDICTED, UNLABELLED, accepted, n_accepted
from lakewinnow.lake.observed import LINES, SUM, Observed
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.words import counted
from lakewinnow.spark.passes import pooling
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.crossval import by_global_models, by_shards
from lakewinnow.stages.crossval.corpus import Corpus, EmbeddedCorpus, TaskNotes
from lakewinnow.stages.crossval.kept import FOLDER, forget_all_but
from lakewinnow.stages.crossval.modes import choose_mode

__all__ = [
    "PRED_PROBS",
    "check",
    "check_classes",
    "check_size",
    "choose_mode",
    "predict_others",
    "run",
]

_BYTES_PER_PROBABILITY: Final = 12  # of a task, at the peak

PRED_PROBS = schema({c.ROW_ID: "string", c.LABEL: "int?", c.PRED_PROBS: "array<float>"})
ReportProgress = Callable[[int, int, str], object]  # done, of how many, and a note

_ALWAYS_GLOBAL = "models that are fine-tuned are of the whole corpus"


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A table of probabilities, and how it came about."""

    figures: Crossvalidated
    passes: int  # over the corpus
    bytes_in: int = 0
    warnings: Sequence[str] = ()
    fingerprint: str = ""  # of what fine-tuned models have said


def check(config: CrossvalConfig) -> None:
    """Find out before anything runs whether there are such classifiers.

    Raises
    ------
    ConfigError : as `classifiers.registry.check` and `by_finetuning.check`
    ProviderError : "provider_missing"
    """
    for i, section in enumerate(config.members):
        with _at(config, i):
            if section.classifier == FINETUNE:
                from lakewinnow.stages.crossval import by_finetuning

                by_finetuning.check(section)
            else:
                classifiers.check(section)


def check_classes(config: CrossvalConfig, classes: Sequence[str]) -> None:
    """Find weights of classes that are not there.

    Raises
    ------
    ConfigError : "unknown_class"
    """
    for i, section in enumerate(config.members):
        with _at(config, i):
            if section.classifier == FINETUNE:
                from lakewinnow.stages.crossval import by_finetuning

                by_finetuning.class_weight_of(section, classes)
            else:
                classifiers.load(section, classes)


def check_size(lake: Lake, config: CrossvalConfig, n_classes: int) -> None:
    """See that the probabilities of a task's rows fit into this machine, before texts are embedded.

    Raises
    ------
    ConfigError : "too_large"
    """
    if all(section.classifier == FINETUNE for section in config.members):
        return  # which score in batches
    is_global = config.mode == "global"
    key = "max_train_rows" if is_global else "rows_per_shard"
    most_rows = config.max_train_rows if is_global else config.rows_per_shard
    n_rows = n_accepted(lake)
    memory = cluster.memory_per_task(lake.spark, -(-n_rows // most_rows))
    if memory is None or _BYTES_PER_PROBABILITY * min(n_rows, most_rows) * n_classes <= memory:
        return
    fitting = max(1, memory // (_BYTES_PER_PROBABILITY * n_classes))
    expected = f"at most {fitting:,} with {n_classes:,} classes, for the memory of this machine"
    hint = f"--set crossval.{key}={fitting}"
    raise ConfigError("too_large", f"crossval.{key}", expected, most_rows, hint)


def run(
    lake: Lake,
    embedding: EmbeddingConfig,
    config: CrossvalConfig,
    report_progress: ReportProgress = lambda *_: None,
) -> StageReport[Crossvalidated]:
    """Cross-validate the corpus.

    Parameters
    ----------
    report_progress : gets how many models are fine-tuned, of how many, and a note

    Raises
    ------
    ConfigError : "unknown_class": class_weight names a class that is not there
    EngineError : "embedding_missing": the store has lost vectors that an earlier stage put there;
        "classifier_failed": the user's did, with shard and fold; "models_too_large"
    """
    members, made = config.members, list[_Made]()
    names = ["pred_probs"]
    if len(members) > 1:
        names = [f"{FOLDER}/of-{i}" for i in range(len(members))]
    for i, (name, section) in enumerate(zip(names, members, strict=True)):
        with _at(config, i):
            if section.classifier == FINETUNE:
                made.append(_by_texts(lake, name, section, report_progress))
            else:
                made.append(_by_vectors(lake, name, embedding, section))
    figures = made[0].figures
    if len(members) > 1:
        figures = _combine(lake, names, config, [of.figures for of in made])
    forget_all_but(lake, [of.fingerprint for of in made])
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows("pred_probs"),
        reads={"corpus": sum(of.passes for of in made)},
        bytes_in=sum(of.bytes_in for of in made),
        writes=("pred_probs",),
        figures=figures,
        warnings=[warning for of in made for warning in of.warnings],
    )


def _by_texts(
    lake: Lake, name: str, section: CrossvalConfig, report_progress: ReportProgress
) -> _Made:
    """Publish what fine-tuned models say."""
    from lakewinnow.stages.crossval import by_finetuning  # tokenizers take long to import

    ingested = lake.figures("ingest", Ingested)
    corpus = Corpus(
        rows=accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL, c.FOLD, c.TEXT),
        n_rows=n_accepted(lake),
        n_classes=len(ingested.classes),
        n_shards=ingested.n_shards,
        config=section,
    )
    said = by_finetuning.score(lake, corpus, ingested.classes, report_progress)
    lake.publish(name, said.rows)
    figures = Crossvalidated(
        mode="global",
        why=_ALWAYS_GLOBAL,
        not_converged=0,
        cpu_seconds=round(said.cpu_seconds, 3),
        fine_tuned=said.figures,
    )
    return _Made(figures=figures, passes=2, fingerprint=said.fingerprint)


def _by_vectors(lake: Lake, name: str, embedding: EmbeddingConfig, config: CrossvalConfig) -> _Made:
    """Publish what a classifier says that sees vectors."""
    ingested = lake.figures("ingest", Ingested)
    classifier = classifiers.load(config, ingested.classes)
    corpus = EmbeddedCorpus.of(lake, embedding, config)
    mode, why = str(config.mode), "configured"
    if mode == "auto":
        mode, why = choose_mode(corpus.n_rows, corpus.n_features, corpus.n_classes, config)
    notes = TaskNotes()
    if mode == "global":
        scored = by_global_models.score(corpus, classifier, notes)
    else:
        scored = by_shards.score(corpus, classifier, notes)
    seen = Observed(lake, scored, {tasks.CPU_SECONDS: SUM, tasks.NOTE: LINES})
    lake.publish(name, seen.rows, schema=PRED_PROBS)
    n_scored = lake.rows(name)
    if n_scored < corpus.n_rows:
        raise tasks.vectors_missing(corpus.n_rows - n_scored)
    figures = seen.figures()
    notes.add(figures[tasks.CPU_SECONDS], (figures[tasks.NOTE] or "").splitlines())
    return _Made(
        figures=_figures(mode, why, notes),
        passes=_passes(corpus, mode, classifier),
        bytes_in=store_of(lake, embedding).size(),
        warnings=_warnings(notes),
    )


def predict_others(
    lake: Lake, others: DataFrame, embedding: EmbeddingConfig, config: CrossvalConfig
) -> StageReport[None]:
    """Predict the labels of rows without one, and of all others again, by the same models.

    There is a model a fold, of labelled rows of the other folds. A row is scored by that of its own
    fold, whether it has a label or not, so that the one is as new to it as the other. Of several
    classifiers it is the first that sees vectors.

    Parameters
    ----------
    others : rows of `UNLABELLED`, whose texts are embedded

    Raises
    ------
    EngineError : as `run`
    """
    section, notes = config.on_vectors, TaskNotes()
    classes = lake.figures("ingest", Ingested).classes
    corpus = EmbeddedCorpus.of(lake, embedding, section)
    rows, n_others = others.select(*corpus.rows.columns), others.count()
    classifier = classifiers.load(section, classes)
    scored = by_global_models.score(corpus, classifier, notes, rows, n_others)
    lake.publish(PREDICTED, scored, schema=PRED_PROBS)
    n_missing = corpus.n_rows + n_others - lake.rows(PREDICTED)
    if n_missing:
        raise tasks.vectors_missing(n_missing)
    return StageReport(
        rows_in=n_others,
        rows_out=n_others,
        reads={"corpus": 2, UNLABELLED: 2},
        bytes_in=store_of(lake, embedding).size(),
        writes=(PREDICTED,),
        warnings=_warnings(notes),
    )


def _combine(
    lake: Lake, names: Sequence[str], config: CrossvalConfig, figures: Sequence[Crossvalidated]
) -> Crossvalidated:
    """Publish the average of several classifiers' probabilities, or their stack."""
    points, n_classes = grid(len(names)), len(lake.figures("ingest", Ingested).classes)
    rows = accepted(lake).select(c.ROW_ID, c.LABEL, c.FOLD)
    together = pooling.side_by_side(rows, [lake.read(name) for name in names])
    pooled = pooling.losses(together, config.folds, n_classes, points).pooled(points)
    is_stack = config.combine == "stack" or (
        config.combine == "auto" and pooled.stack < pooled.average
    )
    equal = np.full_like(pooled.weights, 1 / len(names))
    weights = pooled.weights if is_stack else equal
    lake.publish("pred_probs", pooling.pool(together, weights), schema=PRED_PROBS)
    several = [
        CombinedClassifier(classifier=member.classifier, log_loss=float(loss), weight=float(weight))
        for member, loss, weight in zip(
            config.members, pooled.members, weights.mean(axis=0), strict=True
        )
    ]
    combined = Combined(
        by="stack" if is_stack else "average",
        average_log_loss=pooled.average,
        stack_log_loss=pooled.stack,
        classifiers=several,
    )
    on_vectors = next((of for of in figures if of.fine_tuned is None), figures[0])
    return replace(
        on_vectors,
        not_converged=sum(of.not_converged for of in figures),
        cpu_seconds=round(sum(of.cpu_seconds for of in figures), 3),
        fine_tuned=next((of.fine_tuned for of in figures if of.fine_tuned), None),
        combined=combined,
    )


@contextmanager
def _at(config: CrossvalConfig, i: int) -> Iterator[None]:
    """Have errors about a classifier name its key, where it is one of several."""
    try:
        yield
    except LakewinnowError as error:
        where = re.sub(
            r"^crossval\.(?=classifier\b|params\b)", f"crossval.classifiers[{i}].", error.where
        )
        if not config.classifiers or where == error.where:
            raise
        raise error.at(where) from error


def _passes(corpus: EmbeddedCorpus, mode: str, classifier: Classifier) -> int:
    if mode == "global":
        return 2 + (corpus.n_rows > corpus.config.max_train_rows)
    return 1 if corpus.n_shards == 1 else 2 + (not classifier.is_settled)


def _figures(mode: str, why: str, notes: TaskNotes) -> Crossvalidated:
    settings: dict[str, Any] = {}
    for note in notes.notes:  # the first that chose something: later ones were given it
        chosen = {
            key: note[key] for key in ("C", "losses", "standardize", "repeats") if key in note
        }
        settings = {**chosen, **settings}
    failed = sum(len(note["not_converged"]) for note in notes.notes)
    cpu_seconds = round(notes.cpu_seconds, 3)
    return Crossvalidated(
        mode=mode, why=why, **settings, not_converged=failed, cpu_seconds=cpu_seconds
    )


def _warnings(notes: TaskNotes) -> list[str]:
    failed = [note for note in notes.notes if note["not_converged"]]
    if not failed:
        return []
    named = [
        (f"shard {note['shard']} " if "shard" in note else "")
        + f"fold {', '.join(map(str, note['not_converged'][:10]))}"
        for note in sorted(failed, key=lambda note: note.get("shard", 0))[:5]
    ]
    n_models = sum(len(note["not_converged"]) for note in failed)
    return [
        f"{counted(n_models, 'model')} stopped before they converged ({'; '.join(named)}"
        f"{'; …' if len(failed) > 5 else ''}). Raise crossval.params.max_iter or lower C"
    ]
