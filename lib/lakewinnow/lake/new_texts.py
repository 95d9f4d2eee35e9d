"""The distinct texts of the corpus that the embedding store has no vector of."""

import numpy as np
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import EmbeddingIdentity
from lakewinnow.core.text import BYTES_PER_TOKEN
from lakewinnow.core.types import IntArray
from lakewinnow.lake.embedding_store import EmbeddingStore
from lakewinnow.lake.workspace import Lake

_BYTES, _STORED = "bytes", "stored"
_ROWS_PER_BUCKET = 512
_MOST_BUCKETS = 2**16


def new_texts(
    lake: Lake,
    store: EmbeddingStore,
    identity: EmbeddingIdentity,
    n: int,
    seen: Observation | None = None,
) -> DataFrame:
    """Return (text_key, text, bucket, tokens) of the texts that are new; tokens are estimated.

    Parameters
    ----------
    n : int
        Buckets.
    seen : Observation, optional
        Counts, as ``n``, all distinct texts when the new ones are computed.
    """
    # One of several spellings of a text; all have the same normal form, which is what is embedded.
    texts = lake.read("corpus").groupBy(c.TEXT_KEY).agg(F.min(c.TEXT).alias(c.TEXT))
    if seen is not None:
        texts = texts.observe(seen, F.count("*").alias("n"))
    stored = store.vectors(identity, distinct=False).select(c.TEXT_KEY)
    new = texts.join(stored, c.TEXT_KEY, "left_anti")
    return new.select(
        c.TEXT_KEY,
        c.TEXT,
        _bucket(n).alias(c.BUCKET),
        _tokens(F.octet_length(c.TEXT)).alias(c.TOKENS),
    )


def count_texts(lake: Lake, store: EmbeddingStore, identity: EmbeddingIdentity, n: int) -> IntArray:
    """Return texts, new ones and their estimated tokens in each of n buckets, shape (3, n)."""
    is_new = ~F.col(_STORED)
    texts = _keys(lake, store, identity)
    counted = texts.groupBy(_bucket(n).alias(c.BUCKET)).agg(
        F.count("*"),
        F.count_if(is_new),
        F.sum(F.when(is_new, _tokens(F.col(_BYTES))).otherwise(0)),
    )
    return by_bucket(counted, n)


def by_bucket(counted: DataFrame, n: int) -> IntArray:
    """Collect rows of bucket and numbers as a matrix, shape (n_numbers, n); zero where none is."""
    bucket, *numbers = (column.to_numpy() for column in counted.toArrow().columns)
    matrix = np.zeros((len(numbers), n), np.int64)
    for row, values in zip(matrix, numbers, strict=True):
        row[bucket] = values
    return matrix


def n_buckets(lake: Lake) -> int:
    """Return how many buckets the corpus's texts are dealt into."""
    wanted = max(1, lake.rows("corpus") // _ROWS_PER_BUCKET)
    return min(max(64, 1 << wanted.bit_length()), _MOST_BUCKETS)


def _keys(lake: Lake, store: EmbeddingStore, identity: EmbeddingIdentity) -> DataFrame:
    """Return (text_key, bytes, stored) of all distinct texts.

    One aggregation of both tables' keys: a join would sort them, and the texts themselves would be
    most of what is shuffled.
    """
    wanted = lake.read("corpus").select(
        c.TEXT_KEY,
        F.octet_length(c.TEXT).alias(_BYTES),
        F.lit(False).alias(_STORED),  # noqa: FBT003
    )
    stored = store.vectors(identity, distinct=False).select(
        c.TEXT_KEY,
        F.lit(None).cast("int").alias(_BYTES),
        F.lit(True).alias(_STORED),  # noqa: FBT003
    )
    once = (F.min(_BYTES).alias(_BYTES), F.bool_or(_STORED).alias(_STORED))
    keys = wanted.union(stored).groupBy(c.TEXT_KEY).agg(*once)
    return keys.where(F.col(_BYTES).isNotNull())


def _bucket(n: int) -> Column:
    return F.pmod(F.xxhash64(c.TEXT_KEY, F.lit(c.BUCKET)), F.lit(n))


def _tokens(n_bytes: Column) -> Column:
    return F.ceil(n_bytes / BYTES_PER_TOKEN)
