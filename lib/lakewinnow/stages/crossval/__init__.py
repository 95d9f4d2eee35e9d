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

A class that the training folds lack has probability 0. See `by_shards` and `by_global_models`.
"""

from typing import Any

from lakewinnow import columns as c
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.config.sections import CrossvalConfig, EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.figures.labels import Crossvalidated
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.observed import LINES, SUM, Observed
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.schemas import schema
from lakewinnow.stages.crossval import by_global_models, by_shards
from lakewinnow.stages.crossval.corpus import Corpus, TaskNotes
from lakewinnow.stages.crossval.modes import choose_mode

__all__ = ["PRED_PROBS", "choose_mode", "run"]

PRED_PROBS = schema({c.ROW_ID: "string", c.LABEL: "int", c.PRED_PROBS: "array<float>"})


def run(
    lake: Lake, embedding: EmbeddingConfig, config: CrossvalConfig
) -> StageReport[Crossvalidated]:
    """Cross-validate the corpus.

    Raises
    ------
    ConfigError : "unknown_class": class_weight names a class that is not there
    EngineError : "embedding_missing": the store has lost vectors that an earlier stage put there;
        "classifier_failed": the user's did, with shard and fold; "models_too_large"
    """
    ingested = lake.figures("ingest", Ingested)
    classifier = classifiers.load(config, ingested.classes)
    store = store_of(lake, embedding)
    corpus = Corpus(
        accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL, c.FOLD, c.SHARD),
        store.vectors(registry.identify(embedding), distinct=False),
        store.n_rows(),
        store.may_repeat,
        n_accepted(lake),
        len(ingested.classes),
        ingested.n_shards,
        config,
    )
    mode, why = str(config.mode), "configured"
    if mode == "auto":
        mode, why = choose_mode(corpus.n_rows, corpus.n_features, corpus.n_classes, config)
    notes = TaskNotes()
    if mode == "global":
        scored = by_global_models.score(corpus, classifier, notes)
    else:
        scored = by_shards.score(corpus, classifier, notes)
    seen = Observed(lake, scored, {tasks.CPU_SECONDS: SUM, tasks.NOTE: LINES})
    lake.publish("pred_probs", seen.rows, schema=PRED_PROBS)
    n_scored = lake.rows("pred_probs")
    if n_scored < corpus.n_rows:
        raise tasks.vectors_missing(corpus.n_rows - n_scored)
    figures = seen.figures()
    notes.add(figures[tasks.CPU_SECONDS], (figures[tasks.NOTE] or "").splitlines())
    return StageReport(
        rows_in=corpus.n_rows,
        rows_out=n_scored,
        reads={"corpus": _passes(corpus, mode, classifier)},
        bytes_in=store.size(),
        writes=("pred_probs",),
        figures=_figures(mode, why, notes),
        warnings=_warnings(notes),
    )


def _passes(corpus: Corpus, mode: str, classifier: Classifier) -> int:
    if mode == "global":
        return 2 + (corpus.n_rows > corpus.config.max_train_rows)
    return 1 if corpus.n_shards == 1 else 2 + (not classifier.is_settled)


def _figures(mode: str, why: str, notes: TaskNotes) -> Crossvalidated:
    settings: dict[str, Any] = {}
    for note in notes.notes:  # the first that chose something: later ones were given it
        chosen = {key: note[key] for key in ("C", "losses", "standardize") if key in note}
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
        f"{n_models:,} models stopped before they converged ({'; '.join(named)}"
        f"{'; …' if len(failed) > 5 else ''}). Raise crossval.params.max_iter or lower C"
    ]
