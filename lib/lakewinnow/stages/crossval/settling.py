"""What is chosen for the whole corpus, in a task of its own; and what a task hands back."""

import pickle
from functools import partial
from typing import Final

from pyspark.sql import DataFrame

from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.lake.training.sample import smallest
from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.crossval.corpus import EmbeddedCorpus, TaskNotes

_SETTLING_ROWS: Final = 20_000


def settle(corpus: EmbeddedCorpus, classifier: Classifier, notes: TaskNotes) -> Classifier:
    """Choose C for the whole corpus, if that is left to us, on rows of smallest hash."""
    if classifier.is_settled:
        return classifier
    n_sample = min(corpus.config.rows_per_shard, _SETTLING_ROWS, corpus.n_rows)
    sample = smallest(corpus.rows, corpus.hash(), corpus.n_rows, n_sample)
    settle_on = partial(
        tasks.settle,
        classifier=classifier,
        n_classes=corpus.n_classes,
        n_threads=cluster.threads_per_task(sample.sparkSession, 1),
    )
    together = corpus.with_vectors(sample, n_sample)
    made = apply_to_groups(together, (), settle_on, tasks.MADE_OF_ROWS)
    [packed] = collect(made, notes, n_sample)
    settled: Classifier = pickle.loads(packed)  # noqa: S301 - made by the task in this run
    return settled


def collect(made: DataFrame, notes: TaskNotes, n_rows: int) -> list[bytes]:
    """Return what tasks made of rows, pickled; `n_rows` were to reach them."""
    rows = made.collect()
    if not rows:  # a group of no rows at all
        raise tasks.vectors_missing(n_rows)
    for row in rows:
        notes.add(row[tasks.CPU_SECONDS], [row[tasks.NOTE]])
    return [bytes(row[tasks.MADE]) for row in rows]
