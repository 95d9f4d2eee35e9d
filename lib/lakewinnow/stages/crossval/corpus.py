"""The rows to score, where their vectors are, and what the tasks that score them report."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CrossvalConfig, EmbeddingConfig
from lakewinnow.core.evaluation.sampling import quotas
from lakewinnow.core.types import IntArray
from lakewinnow.embedding import registry
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.inputs import content
from lakewinnow.lake.training.sample import stratified
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions import cluster

_MOST_TO_SEND: Final = 2_000_000  # rows, without their vectors


@dataclass
class TaskNotes:
    """What the tasks of a run report."""

    cpu_seconds: float = 0.0
    notes: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, cpu_seconds: float | None, notes: Iterable[str]) -> None:
        """Add what tasks report, each note as JSON."""
        self.cpu_seconds += cpu_seconds or 0.0
        self.notes += map(json.loads, notes)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The rows to score, and what is known of them."""

    rows: DataFrame
    n_rows: int
    n_classes: int
    n_shards: int
    config: CrossvalConfig

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

    def sample(self) -> DataFrame:
        """At most max_train_rows, stratified by fold and class, of smallest hash in each."""
        if self.n_rows <= self.config.max_train_rows:
            return self.rows
        counts = self.counts()
        wanted = quotas(counts, self.config.max_train_rows)
        by_cell = (self.cell(), self.hash(), counts.reshape(-1), wanted.reshape(-1))
        return stratified(self.rows, *by_cell)


@dataclass(frozen=True, kw_only=True)
class EmbeddedCorpus(Corpus):
    """A corpus, and where its vectors are."""

    vectors: DataFrame
    n_stored: int  # vectors at most, to judge by the store's files
    may_repeat: bool  # two runs at once may have stored a text's vector twice

    @classmethod
    def of(cls, lake: Lake, embedding: EmbeddingConfig, config: CrossvalConfig) -> "EmbeddedCorpus":
        """Return the rows of a workspace that came with a label, and their vectors."""
        ingested, store = lake.figures("ingest", Ingested), store_of(lake, embedding)
        return cls(
            rows=accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL, c.FOLD, c.SHARD),
            vectors=store.vectors(registry.identify(embedding), distinct=False),
            n_stored=store.n_rows(),
            may_repeat=store.may_repeat,
            n_rows=n_accepted(lake),
            n_classes=len(ingested.classes),
            n_shards=ingested.n_shards,
            config=config,
        )

    def with_vectors(self, rows: DataFrame, n_rows: int) -> DataFrame:
        """Give rows their vectors; a row that has none is left out."""
        # The few bytes of a row travel to the vectors, which stay where they are
        sent = F.broadcast(rows) if n_rows <= _MOST_TO_SEND else rows
        return self.vectors.join(sent, c.TEXT_KEY).drop(c.TEXT_KEY)

    def with_vectors_once(self) -> "EmbeddedCorpus":
        """Return a corpus of no text's vector twice; only keys are shuffled to find that it is."""
        if not self.may_repeat:
            return self
        key = F.col(c.TEXT_KEY)
        [[n_vectors, n_texts]] = self.vectors.select(F.count(key), F.count_distinct(key)).collect()
        if n_vectors == n_texts:
            return self
        return replace(self, vectors=cluster.first_of_group(self.vectors, [c.TEXT_KEY]))

    def needed_vectors(self) -> DataFrame:
        """Return not many more vectors than rows, so that a shard of them fits a task."""
        if self.n_stored <= self.n_rows or self.vectors.count() <= self.n_rows:
            return self.vectors
        keys = self.rows.select(c.TEXT_KEY)
        sent = F.broadcast(keys) if self.n_rows <= _MOST_TO_SEND else keys
        return self.vectors.join(sent, c.TEXT_KEY, "left_semi")

    @property
    def n_features(self) -> int:
        """D; 0 where there is no vector."""
        first = self.vectors.select(F.size(c.VECTOR)).first()
        return int(first[0]) if first else 0
