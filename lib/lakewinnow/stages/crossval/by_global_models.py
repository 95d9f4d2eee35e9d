"""A model a fold for the whole corpus, applied to every row of its fold where the row is.

They learn from a stratified sample of max_train_rows; with no more rows than that it is
`cross_val_predict` over everything.
"""

from functools import partial
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.errors import EngineError
from lakewinnow.spark.arrow.functions import apply_to_groups, map_batches
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.crossval.corpus import EmbeddedCorpus, TaskNotes
from lakewinnow.stages.crossval.modes import MAX_MODEL_BYTES
from lakewinnow.stages.crossval.settling import collect, settle

_ONE_TASK: Final = 1e10  # multiplications of a step that one task does: seconds of a core


def score(
    corpus: EmbeddedCorpus,
    classifier: Classifier,
    notes: TaskNotes,
    others: DataFrame | None = None,
    n_others: int = 0,
) -> DataFrame:
    """Return every row with its probabilities, `tasks.SCORED`.

    Parameters
    ----------
    others : rows without a label, to be scored too, each by the model of its fold
    n_others : how many they are

    Raises
    ------
    EngineError : "models_too_large"
    """
    corpus = corpus.with_vectors_once()
    spark, n_folds = corpus.rows.sparkSession, corpus.config.folds
    n_groups = 1
    work = min(corpus.n_rows, corpus.config.max_train_rows) * n_folds * corpus.n_classes
    if not classifier.shares_folds or (
        not cluster.is_local(spark) and work * corpus.n_features > _ONE_TASK
    ):
        n_groups = min(n_folds, cluster.parallelism(spark))
        classifier = settle(corpus, classifier, notes)
    fit = partial(
        tasks.fit_models,
        classifier=classifier,
        n_classes=corpus.n_classes,
        n_folds=n_folds,
        n_groups=n_groups,
        n_threads=cluster.threads_per_task(spark, n_groups),
    )
    groups = F.explode(F.sequence(F.lit(0), F.lit(n_groups - 1)))
    n_sample = min(corpus.n_rows, corpus.config.max_train_rows)
    sample = corpus.with_vectors(corpus.sample(), n_sample).withColumn(tasks.GROUP, groups)
    made = apply_to_groups(sample, [tasks.GROUP], fit, tasks.MADE_OF_ROWS)
    packed = collect(made, notes, n_sample)
    n_bytes = sum(map(len, packed))
    if n_bytes > MAX_MODEL_BYTES:
        expected = f"models of at most {MAX_MODEL_BYTES >> 20} MiB to send to every task"
        got, hint = f"{n_bytes >> 20} MiB", "--set crossval.mode=shard, which sends no models"
        raise EngineError("models_too_large", "crossval.mode", expected, got, hint)
    apply_models = partial(tasks.apply_models, packed=packed, n_classes=corpus.n_classes)
    to_score = corpus.rows if others is None else union(corpus.rows, others)
    rows = corpus.with_vectors(to_score, corpus.n_rows + n_others)
    return map_batches(rows, apply_models, tasks.SCORED)
