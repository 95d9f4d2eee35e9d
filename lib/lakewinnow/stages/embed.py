"""Embed: a vector for every distinct text that the store does not have yet.

Reads    corpus/, the embedding store
Writes   the embedding store (rows added)
Passes   1 over the distinct new texts
Shuffle  one, by text key
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.embedding import registry
from lakewinnow.lake.embedding_store import EMBEDDINGS, store_of
from lakewinnow.lake.source import normal_form
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import arrow, cluster

_TEXTS_PER_TASK: Final = 20_000
_BATCH_SIZE: Final = 1_024


def run(lake: Lake, config: EmbeddingConfig) -> StageReport:
    """Embed what is new.

    Raises
    ------
    ConfigError
        The provider does not have the model or the dimensions.
    ProviderError
        The provider cannot be loaded.
    """
    identity = registry.identify(config)
    store = store_of(lake, config)
    # One of several spellings of a text; all have the same normal form, which is what is embedded.
    texts = lake.read("corpus").groupBy(c.TEXT_KEY).agg(F.min(c.TEXT).alias(c.TEXT))
    new = texts.join(store.vectors(identity), c.TEXT_KEY, "left_anti") if store.exists() else texts
    n_texts, n_new = texts.count(), new.count()
    if n_new:
        store.append(_embed(new, n_new, identity, config))
    return StageReport(
        rows_in=n_texts,
        rows_out=n_texts,
        reads={"corpus": 1},
        details={"identity": vars(identity), "texts": n_texts, "embedded": n_new},
    )


def _embed(
    new: DataFrame, n_new: int, identity: EmbeddingIdentity, config: EmbeddingConfig
) -> DataFrame:
    n_tasks = max(
        1, min(n_new // 500, cluster.parallelism(new.sparkSession)), n_new // _TEXTS_PER_TASK
    )
    embed = partial(_embed_batches, identity=identity, config=config)
    return new.repartition(n_tasks, c.TEXT_KEY).mapInArrow(embed, EMBEDDINGS)


def _embed_batches(
    batches: Iterable[pa.RecordBatch], identity: EmbeddingIdentity, config: EmbeddingConfig
) -> Iterator[pa.RecordBatch]:
    embedder, batch_size = registry.load(config), config.batch_size or _BATCH_SIZE
    for whole in batches:
        for start in range(0, len(whole), batch_size):
            batch = whole.slice(start, batch_size)
            texts = list(map(normal_form, batch.column(c.TEXT).to_pylist()))
            yield arrow.record_batch(
                EMBEDDINGS,
                {
                    c.TEXT_KEY: batch.column(c.TEXT_KEY),
                    c.PROVIDER: [identity.provider] * len(texts),
                    c.MODEL: [identity.model] * len(texts),
                    c.DIMENSIONS: [identity.dimensions] * len(texts),
                    c.VECTOR: arrow.list_array(embedder.embed(texts)),
                },
            )
