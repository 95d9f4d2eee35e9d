"""Crossval: the probability of every class for every row, from a model that never saw its text.

Reads    corpus/, the vectors
Writes   pred_probs/, one row per accepted row
Passes   shard: 1 over corpus and vectors, 1 over the corpus for the pool of rare classes, and 1
         over both for a sample where something is left to be chosen
         global: 1 over both for the sample, 1 to score, and 1 over the corpus where not all rows
         are in the sample
Shuffle  shard: vectors and rows once, by shard (N·D·4 bytes); texts of the pool go to every shard
         global: none, as the rows without their vectors are sent to the vectors; of more than
         `_MOST_TO_SEND` rows, vectors and rows once, by text key; and of a store that runs share
         keys alone, to find whether it holds a text twice
         Where a store holds more texts than the corpus has rows, its vectors once more, by text key
Memory   a task: 20 bytes × rows × D and 12 × rows × K, rows being rows_per_shard (global:
         max_train_rows, in the tasks that train). Measured: 17 × rows × D, 50,000 × 256 and × 1,024
         global: 200 bytes for each row sent, on the driver and in each executor

*shard*: each shard cross-validates by itself in one task. A shard is a fair pseudo-random subset,
so its probabilities are pooled with those of the others; one shard is `cross_val_predict` over
everything. Of a class that has fewer than `_RARE` rows in a fold of a shard, on average, up to
`_POOLED` rows of every fold are added to what each shard learns from. They keep their fold, so no
model sees a row of the fold that it scores, and are themselves scored in their own shard only.

*global*: one model a fold for the whole corpus, trained on a stratified sample of max_train_rows
and applied to every row of the fold. With no more rows than that it is `cross_val_predict`.

What is chosen for the whole corpus (C) is chosen where there is one task to train; else on up to
`_SETTLING_ROWS` rows of smallest hash. A class that the training folds lack has probability 0.
"""

import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, IntegerType, StringType, StructField, StructType

from lakewinnow import columns as c
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers import tasks
from lakewinnow.classifiers.base import Classifier
from lakewinnow.config import CrossvalConfig, EmbeddingConfig
from lakewinnow.core.sampling import quotas
from lakewinnow.core.types import IntArray
from lakewinnow.embedding import registry
from lakewinnow.errors import EngineError
from lakewinnow.lake import content
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.embedding_store import store_of
from lakewinnow.lake.sample import hash_bound, stratified
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import cluster

PRED_PROBS = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.LABEL, IntegerType(), nullable=False),
        StructField(c.PRED_PROBS, ArrayType(FloatType(), containsNull=False), nullable=False),
    ]
)

_SETTLING_ROWS: Final = 20_000
_RARE: Final = 2
_POOLED: Final = 10
_ONE_TASK: Final = 1e10  # multiplications of a step that one task does: seconds of a core
_MAX_MODEL_BYTES: Final = 100 * 2**20  # that a plan carries; Connect takes no more than 128 MiB
_MOST_TO_SEND: Final = 2_000_000  # rows, without their vectors
_FEW_ROWS: Final = 500  # of a class in a shard, to learn from
_TRAINING_BYTES: Final = 20  # a feature, at the peak
_MAX_TRAINING_BYTES: Final = 8 * 2**30


@dataclass
class _Told:
    """What the tasks of a run have told."""

    cpu_seconds: float = 0.0
    notes: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, cpu_seconds: float | None, notes: Iterable[str]) -> None:
        self.cpu_seconds += cpu_seconds or 0.0
        self.notes += map(json.loads, notes)


@dataclass(frozen=True)
class _Corpus:
    """The rows to score, and what is known of them."""

    rows: DataFrame
    vectors: DataFrame
    n_stored: int  # vectors at most, to judge by the store's files
    may_repeat: bool  # two runs at once may have stored a text's vector twice
    n_rows: int
    n_classes: int
    n_shards: int
    config: CrossvalConfig

    def with_vectors(self, rows: DataFrame, n_rows: int) -> DataFrame:
        """Give rows their vectors; a row that has none is left out."""
        # The few bytes of a row travel to the vectors, which stay where they are
        sent = F.broadcast(rows) if n_rows <= _MOST_TO_SEND else rows
        return self.vectors.join(sent, c.TEXT_KEY).drop(c.TEXT_KEY)

    def with_vectors_once(self) -> "_Corpus":
        """Return a corpus of no text's vector twice; only keys are shuffled to find that it is."""
        if not self.may_repeat:
            return self
        key = F.col(c.TEXT_KEY)
        [[n_vectors, n_texts]] = self.vectors.select(F.count(key), F.count_distinct(key)).collect()
        if n_vectors == n_texts:
            return self
        return replace(self, vectors=self.vectors.dropDuplicates([c.TEXT_KEY]))

    def needed_vectors(self) -> DataFrame:
        """Return not many more vectors than rows, so that a shard of them fits a task."""
        if self.n_stored <= self.n_rows or self.vectors.count() <= self.n_rows:
            return self.vectors
        keys = self.rows.select(c.TEXT_KEY)
        sent = F.broadcast(keys) if self.n_rows <= _MOST_TO_SEND else keys
        return self.vectors.join(sent, c.TEXT_KEY, "left_semi")

    def shard(self) -> Column:
        """Return the shard of a vector's text, as ingest has given it to the rows."""
        return content.shard(c.TEXT_KEY, self.n_shards, self.config.seed)

    def hash(self) -> Column:
        """Return a hash that neither shards nor folds are made by, -2^63 .. 2^63 - 1."""
        return F.xxhash64(c.TEXT_KEY, F.lit(self.config.seed + 2))

    def cell(self) -> Column:
        """Return the number of a row's fold and class, 0 .. F·K - 1."""
        return (F.col(c.FOLD) * self.n_classes + F.col(c.LABEL)).cast("int")

    def counts(self) -> IntArray:
        """Rows of every fold and class, shape (F, K)."""
        counts = np.zeros((self.config.folds, self.n_classes), np.int64)
        counted = self.rows.groupBy(c.FOLD, c.LABEL).count().toArrow()
        fold, label, n = (column.to_numpy() for column in counted.columns)
        counts[fold, label] = n
        return counts


def run(lake: Lake, embedding: EmbeddingConfig, config: CrossvalConfig) -> StageReport:
    """Cross-validate the corpus.

    Raises
    ------
    ConfigError
        ``"unknown_class"``: class_weight names a class that is not there.
    EngineError
        ``"embedding_missing"``: the store has lost vectors that an earlier stage put there;
        ``"classifier_failed"``: the user's did, with shard and fold; ``"models_too_large"``.
    """
    ingest = lake.details("ingest")
    classifier = classifiers.load(config, ingest["classes"])
    store = store_of(lake, embedding)
    corpus = _Corpus(
        accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL, c.FOLD, c.SHARD),
        store.vectors(registry.identify(embedding), distinct=False),
        store.n_rows(),
        store.may_repeat,
        n_accepted(lake),
        len(ingest["classes"]),
        ingest["n_shards"],
        config,
    )
    mode, why = str(config.mode), "configured"
    if mode == "auto":
        mode, why = choose_mode(corpus.n_rows, _dimensions(corpus), corpus.n_classes, config)
    told = _Told()
    if mode == "global":
        scored = _by_global_models(corpus, classifier, told)
    else:
        scored = _by_shards(corpus, classifier, told)
    seen = Observation("crossval")
    scored = scored.observe(
        seen,
        F.sum(tasks.CPU_SECONDS).alias("cpu_seconds"),
        # As text: of an observed array Spark 4.0 gives a Java object.
        F.concat_ws("\n", F.collect_list(tasks.NOTE)).alias("notes"),
    )
    lake.publish("pred_probs", scored, schema=PRED_PROBS)
    n_scored = lake.rows("pred_probs")
    if n_scored < corpus.n_rows:
        raise tasks.vectors_missing(corpus.n_rows - n_scored)
    told.add(seen.get["cpu_seconds"], seen.get["notes"].splitlines())
    return StageReport(
        rows_in=corpus.n_rows,
        rows_out=n_scored,
        reads={"corpus": _passes(corpus, mode, classifier)},
        bytes_in=store.size(),
        writes=("pred_probs",),
        details={
            "how": {"mode": mode, "why": why, **_how(told)},
            "warnings": _warnings(told),
        },
    )


def _passes(corpus: _Corpus, mode: str, classifier: Classifier) -> int:
    if mode == "global":
        return 2 + (corpus.n_rows > corpus.config.max_train_rows)
    return 1 if corpus.n_shards == 1 else 2 + (not classifier.is_settled)


def choose_mode(
    n_rows: int, n_features: int, n_classes: int, config: CrossvalConfig
) -> tuple[str, str]:
    """Choose between shard and global, and say why.

    Parameters
    ----------
    n_rows, n_features, n_classes : N, D, K

    Returns
    -------
    the mode, and the reason
    """
    in_shard = config.rows_per_shard // n_classes
    if n_rows <= config.rows_per_shard:
        return "shard", f"{n_rows:,} rows are one shard, which learns from all of them"
    if in_shard >= _FEW_ROWS or config.max_train_rows <= config.rows_per_shard:
        return "shard", f"a shard has {in_shard:,} rows a class to learn from"
    model_bytes = 4 * config.folds * n_classes * (n_features + 1)
    if model_bytes > _MAX_MODEL_BYTES:
        return "shard", f"global models of {model_bytes / 2**20:,.0f} MiB are too large to send"
    training = _TRAINING_BYTES * min(n_rows, config.max_train_rows) * n_features
    if training > _MAX_TRAINING_BYTES:
        return "shard", f"global models would take {training / 2**30:,.0f} GiB to train"
    return "global", f"a shard has but {in_shard:,} rows a class to learn from"


def _dimensions(corpus: _Corpus) -> int:
    first = corpus.vectors.select(F.size(c.VECTOR)).first()
    return int(first[0]) if first else 0


def _by_shards(corpus: _Corpus, classifier: Classifier, told: _Told) -> DataFrame:
    rows = corpus.rows.withColumn(tasks.IS_POOLED, F.lit(False))  # noqa: FBT003
    vectors, shards = corpus.needed_vectors(), F.array(corpus.shard())
    if corpus.n_shards > 1:
        classifier = _settle(corpus, classifier, told)
        pool = _pool(corpus)
        if pool is not None:
            every = F.sequence(F.lit(0), F.lit(corpus.n_shards - 1))
            elsewhere = pool.withColumn(c.SHARD, F.explode(F.array_remove(every, F.col(c.SHARD))))
            elsewhere = elsewhere.withColumn(tasks.IS_POOLED, F.lit(True))  # noqa: FBT003
            rows = rows.unionByName(elsewhere)
            pooled = pool.select(c.TEXT_KEY, every.alias("every")).dropDuplicates([c.TEXT_KEY])
            vectors = vectors.join(F.broadcast(pooled), c.TEXT_KEY, "left")
            shards = F.coalesce("every", shards)
    score = partial(
        tasks.score_shard,
        classifier=classifier,
        n_classes=corpus.n_classes,
        n_threads=cluster.threads_per_task(rows.sparkSession, corpus.n_shards),
    )
    sharded = vectors.select(F.explode(shards).alias(c.SHARD), c.TEXT_KEY, c.VECTOR)
    together = rows.groupBy(c.SHARD).cogroup(sharded.groupBy(c.SHARD))
    # A lambda: Spark tells whether it wants the key by the signature, and misreads a partial's.
    return together.applyInArrow(
        lambda rows, vectors: score(rows, vectors),  # noqa: PLW0108
        tasks.SCORED,
    )


def _pool(corpus: _Corpus) -> DataFrame | None:
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


def _settle(corpus: _Corpus, classifier: Classifier, told: _Told) -> Classifier:
    """Choose for the whole corpus, in one task, what is left to be chosen."""
    if classifier.is_settled:
        return classifier
    n_sample = min(corpus.config.rows_per_shard, _SETTLING_ROWS, corpus.n_rows)
    share = 2 * n_sample / corpus.n_rows  # twice what is needed, so that it is there
    within = corpus.hash() < hash_bound(share)
    sample = corpus.rows.where(within) if share < 1 else corpus.rows
    sample = sample.orderBy(corpus.hash(), c.ROW_ID).limit(n_sample)
    settle = partial(
        tasks.settle,
        classifier=classifier,
        n_classes=corpus.n_classes,
        n_threads=cluster.threads_per_task(sample.sparkSession, 1),
    )
    together = corpus.with_vectors(sample, n_sample).groupBy()
    made = together.applyInArrow(lambda table: settle(table), tasks.MADE_OF_ROWS)  # noqa: PLW0108
    [packed] = _collect(made, told, n_sample)
    settled: Classifier = pickle.loads(packed)  # noqa: S301 - made by the task in this run
    return settled


def _by_global_models(corpus: _Corpus, classifier: Classifier, told: _Told) -> DataFrame:
    corpus = corpus.with_vectors_once()
    spark, n_folds = corpus.rows.sparkSession, corpus.config.folds
    n_groups = 1
    work = min(corpus.n_rows, corpus.config.max_train_rows) * n_folds * corpus.n_classes
    if not classifier.shares_folds or (
        not cluster.is_local(spark) and work * _dimensions(corpus) > _ONE_TASK
    ):
        n_groups = min(n_folds, cluster.parallelism(spark))
        classifier = _settle(corpus, classifier, told)
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
    sample = corpus.with_vectors(_sample(corpus), n_sample).withColumn(tasks.GROUP, groups)
    made = sample.groupBy(tasks.GROUP).applyInArrow(
        lambda table: fit(table),  # noqa: PLW0108
        tasks.MADE_OF_ROWS,
    )
    packed = _collect(made, told, n_sample)
    n_bytes = sum(map(len, packed))
    if n_bytes > _MAX_MODEL_BYTES:
        raise EngineError(
            "models_too_large",
            "crossval.mode",
            f"models of at most {_MAX_MODEL_BYTES >> 20} MiB to send to every task",
            f"{n_bytes >> 20} MiB",
            "--set crossval.mode=shard, whose models go nowhere",
        )
    score = partial(tasks.apply_models, packed=packed, n_classes=corpus.n_classes)
    return corpus.with_vectors(corpus.rows, corpus.n_rows).mapInArrow(score, tasks.SCORED)


def _sample(corpus: _Corpus) -> DataFrame:
    """At most max_train_rows, stratified by fold and class, of smallest hash in each."""
    if corpus.n_rows <= corpus.config.max_train_rows:
        return corpus.rows
    counts = corpus.counts()
    wanted = quotas(counts, corpus.config.max_train_rows)
    by_cell = (corpus.cell(), corpus.hash(), counts.reshape(-1), wanted.reshape(-1))
    return stratified(corpus.rows, *by_cell)


def _collect(made: DataFrame, told: _Told, n_rows: int) -> list[bytes]:
    rows = made.collect()
    if not rows:  # a group of no rows at all
        raise tasks.vectors_missing(n_rows)
    for row in rows:
        told.add(row[tasks.CPU_SECONDS], [row[tasks.NOTE]])
    return [bytes(row[tasks.MADE]) for row in rows]


def _how(told: _Told) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for note in told.notes:  # the first that chose something: later ones were given it
        chosen = {key: note[key] for key in ("C", "losses", "standardize") if key in note}
        settings = {**chosen, **settings}
    failed = sum(len(note["not_converged"]) for note in told.notes)
    return {**settings, "not_converged": failed, "cpu_seconds": round(told.cpu_seconds, 3)}


def _warnings(told: _Told) -> list[str]:
    failed = [note for note in told.notes if note["not_converged"]]
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
        f"{'; …' if len(failed) > 5 else ''}): raise crossval.params.max_iter or lower C"
    ]
