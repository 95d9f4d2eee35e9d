"""What tasks of the stage do: Arrow batches in, Arrow batches out.

The last rows of a task have no key and say what is to be known of it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import LongType, StructField, StructType

from lakewinnow.config.sections import EmbeddingConfig, EmbeddingIdentity
from lakewinnow.embedding import tasks
from lakewinnow.embedding.requests.engine import Share
from lakewinnow.lake.vectors.embedding_store import write_rows
from lakewinnow.lake.vectors.new_texts import NEW_TEXTS, NewTexts
from lakewinnow.spark.arrow import arrays as arrow

TEXTS: Final = "texts"  # distinct ones, new or not

FOUND = StructType(
    [
        *(StructField(f.name, f.dataType, nullable=True) for f in NEW_TEXTS),
        StructField(TEXTS, LongType(), nullable=True),
    ]
)
Into = tuple[EmbeddingIdentity, str] | None  # whose vectors, and the folder they go to
Embed = Callable[..., Iterator[pa.RecordBatch]]  # `embed` or `embed_new`
MADE = StructType([*tasks.MADE, StructField(TEXTS, LongType(), nullable=True)])


def find(
    batches: Iterable[pa.RecordBatch], n_buckets: int, config: EmbeddingConfig | None
) -> Iterator[pa.RecordBatch]:
    """Find the new texts, rows of `FOUND`; with `config`, count their tokens as its provider does.

    Parameters
    ----------
    batches : of `wanted_and_stored`
    """
    texts = NewTexts(n_buckets)
    new = texts.among(batches)
    counted = new if config is None else tasks.count_tokens(new, config)
    return _with_texts(counted, texts, FOUND)


def embed(
    batches: Iterable[pa.RecordBatch], config: EmbeddingConfig, share: Share, into: Into
) -> Iterator[pa.RecordBatch]:
    """Embed a chunk, rows of `MADE`; those with a key go into a file of the store, if `into`."""
    made = tasks.embed(batches, config, share)
    return _with_texts(made if into is None else write_rows(made, *into), None, MADE)


def embed_new(
    batches: Iterable[pa.RecordBatch], config: EmbeddingConfig, share: Share, into: Into
) -> Iterator[pa.RecordBatch]:
    """Find the new texts among those of `wanted_and_stored`, and embed them, as `embed` does."""
    texts = NewTexts(n_buckets=1)
    made = tasks.embed(texts.among(batches), config, share)
    return _with_texts(made if into is None else write_rows(made, *into), texts, MADE)


def _with_texts(
    batches: Iterable[pa.RecordBatch], texts: NewTexts | None, schema: StructType
) -> Iterator[pa.RecordBatch]:
    """Add a column: null, but how many texts there were in a row after the last, with `texts`."""
    as_arrow = to_arrow_schema(schema)
    for batch in batches:
        columns = [*batch.columns, pa.nulls(len(batch), pa.int64())]
        yield pa.RecordBatch.from_arrays(columns, schema=as_arrow)
    if texts is not None:
        empty: dict[str, list[int | None]] = {name: [None] for name in schema.fieldNames()}
        yield arrow.record_batch(schema, empty | {TEXTS: [texts.n_texts]})
