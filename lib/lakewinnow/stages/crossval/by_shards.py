"""Each shard cross-validates by itself in one task.

A shard is a fair pseudo-random subset, so its probabilities are pooled with those of the others;
one shard is `cross_val_predict` over everything. Of a class that has fewer than `_RARE` rows in a
fold of a shard, on average, up to `_POOLED` rows of every fold are added to what each shard learns
from. They keep their fold, so no model sees a row of the fold that it scores, and are themselves
scored in their own shard only.
"""

from functools import partial
from typing import Final

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.repeats import of_shards
from lakewinnow.spark.arrow.functions import apply_to_cogroups
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.crossval.corpus import EmbeddedCorpus, TaskNotes
from lakewinnow.stages.crossval.settling import settle

_RARE: Final = 2
_POOLED: Final = 10


def score(corpus: EmbeddedCorpus, classifier: Classifier, notes: TaskNotes) -> DataFrame:
    """Return every row with its probabilities, `tasks.SCORED`."""
    rows = corpus.rows.withColumn(tasks.IS_POOLED, F.lit(False))  # noqa: FBT003
    vectors, shards = corpus.needed_vectors(), F.array(corpus.shard())
    if corpus.n_shards > 1:
        classifier = settle(corpus, classifier, notes)
        pool = _pool(corpus)
        if pool is not None:
            every = F.sequence(F.lit(0), F.lit(corpus.n_shards - 1))
            elsewhere = pool.withColumn(c.SHARD, F.explode(F.array_remove(every, F.col(c.SHARD))))
            elsewhere = elsewhere.withColumn(tasks.IS_POOLED, F.lit(True))  # noqa: FBT003
            rows = rows.unionByName(elsewhere)
            pooled = cluster.first_of_group(
                pool.select(c.TEXT_KEY, every.alias("every")), [c.TEXT_KEY]
            )
            vectors = vectors.join(F.broadcast(pooled), c.TEXT_KEY, "left")
            shards = F.coalesce("every", shards)
    score_shard = partial(
        tasks.score_shard,
        classifier=classifier,
        n_classes=corpus.n_classes,
        n_threads=cluster.threads_per_task(rows.sparkSession, corpus.n_shards),
        repeats=of_shards(corpus.config.repeats, classifier, corpus.n_shards),
    )
    sharded = vectors.select(F.explode(shards).alias(c.SHARD), c.TEXT_KEY, c.VECTOR)
    return apply_to_cogroups(rows, sharded, c.SHARD, score_shard, tasks.SCORED)


def _pool(corpus: EmbeddedCorpus) -> DataFrame | None:
    """Rows of rare classes, which every shard learns from; None where no class is rare."""
    counts = corpus.counts()
    rare = np.flatnonzero((counts > 0) & (counts < _RARE * corpus.n_shards)).tolist()
    if not rare:
        return None
    most = min(_POOLED, max(1, corpus.config.rows_per_shard // (2 * counts.size)))
    by_hash = Window.partitionBy(c.FOLD, c.LABEL).orderBy(corpus.hash(), c.ROW_ID)
    return (
        corpus.rows.where(corpus.cell().isin(rare))
        .withColumn("rank", F.row_number().over(by_hash))
        .where(F.col("rank") <= most)
        .drop("rank")
    )
