"""The distinct texts of the corpus that the embedding store has no vector of.

The corpus and the keys of the store go through one shuffle and one sort, side by side, and what is
new is then told row by row. A join or an aggregation would sort both sides again, and each time:
404,000 texts against 400,000 keys took 5.5 s of CPU so, 9.5 s with an aggregation of the keys, to
count, and a join.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingIdentity
from lakewinnow.core.text import BYTES_PER_TOKEN
from lakewinnow.core.types import IntArray
from lakewinnow.lake.files import Files
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

_ROWS_PER_BUCKET = 512
_MOST_BUCKETS = 2**16  # as many as the first two bytes of a key tell apart

NEW_TEXTS = schema({c.TEXT_KEY: "binary", c.TEXT: "string", c.BUCKET: "bigint", c.TOKENS: "bigint"})


def wanted_and_stored(
    lake: Lake, store: EmbeddingStore, identity: EmbeddingIdentity, n: int | None = None
) -> DataFrame:
    """Return (text_key, text) of the corpus, and of the store without text, for `NewTexts`.

    Rows of a key are in one partition, which is sorted by key; what is stored comes first.

    Parameters
    ----------
    n : partitions; default: as Spark sees fit
    """
    rows = lake.read("corpus").select(c.TEXT_KEY, c.TEXT)
    if store.exists():
        stored = store.vectors(identity, distinct=False)
        rows = rows.union(stored.select(c.TEXT_KEY, F.lit(None).cast("string")))
    dealt = cluster.colocated(rows, [c.TEXT_KEY], n)
    return cluster.colocated_in_order(dealt, [c.TEXT_KEY], [c.TEXT_KEY, F.asc_nulls_first(c.TEXT)])


class NewTexts:
    """Tells what is new among the rows of a partition of `wanted_and_stored`.

    Of several spellings of a text the first is taken; all have the same normal form, which is what
    is embedded.

    Attributes
    ----------
    n_texts : distinct texts so far, new or not
    """

    def __init__(self, n_buckets: int) -> None:
        self.n_texts = 0
        self._n_buckets = n_buckets

    def among(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of `NEW_TEXTS`, in the order of their keys; tokens are estimated."""
        last_key, last_is_stored = None, False
        for batch in batches:
            if not len(batch):
                continue
            keys, texts = batch.column(c.TEXT_KEY), batch.column(c.TEXT)
            is_first = np.empty(len(keys), bool)
            is_first[0] = keys[0].as_py() != last_key
            is_first[1:] = pc.not_equal(keys[1:], keys[:-1])
            is_wanted = np.asarray(pc.is_valid(texts))
            follows_stored = np.concatenate([[last_is_stored], ~is_wanted[:-1]])
            self.n_texts += int((is_wanted & (is_first | follows_stored)).sum())
            last_key, last_is_stored = keys[-1].as_py(), not is_wanted[-1]
            is_new = pa.array(is_first & is_wanted)
            yield self._rows(keys.filter(is_new), texts.filter(is_new))

    def _rows(self, keys: pa.Array, texts: pa.Array) -> pa.RecordBatch:
        n_bytes = np.asarray(pc.binary_length(texts), np.int64)
        columns = {
            c.TEXT_KEY: keys,
            c.TEXT: texts,
            c.BUCKET: _first_two_bytes(keys) * self._n_buckets // _MOST_BUCKETS,
            c.TOKENS: -(-n_bytes // BYTES_PER_TOKEN),
        }
        return arrow.record_batch(NEW_TEXTS, columns)


def by_bucket(files: Files, name: str, n: int) -> tuple[IntArray, IntArray]:
    """Return rows and tokens in each of n buckets of a table of `NEW_TEXTS`."""
    rows, tokens = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for batch in files.batches(name, [c.BUCKET, c.TOKENS]):
        buckets = np.asarray(batch.column(c.BUCKET))
        rows += np.bincount(buckets, minlength=n)
        np.add.at(tokens, buckets, np.asarray(batch.column(c.TOKENS)))
    return rows, tokens


def n_buckets(lake: Lake) -> int:
    """Return how many buckets the corpus's texts are dealt into."""
    wanted = max(1, lake.rows("corpus") // _ROWS_PER_BUCKET)
    return min(max(64, 1 << wanted.bit_length()), _MOST_BUCKETS)


def most_tokens(lake: Lake) -> int:
    """Return how many tokens the distinct texts of the corpus have at most, by its footers."""
    n_bytes = lake.files.column_bytes("corpus", c.TEXT)
    return n_bytes // BYTES_PER_TOKEN + lake.rows("corpus")


def _first_two_bytes(keys: pa.Array) -> IntArray:
    """Return what the first two bytes of each key, which is a hash, tell: 0 .. 2^16 - 1."""
    firsts = pc.binary_slice(keys, 0, 2).cast(pa.binary(2))
    packed = np.frombuffer(firsts.buffers()[1], ">u2", len(firsts), 2 * firsts.offset)
    return packed.astype(np.int64)
