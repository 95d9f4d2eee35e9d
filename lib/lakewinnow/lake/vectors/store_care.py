"""Looking after an embedding store: what is in it, whether it is sound, and putting it together."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.lake.vectors.embedding_store import APPENDING, EMBEDDINGS, EmbeddingStore
from lakewinnow.spark.sessions import cluster

_IDENTITY: Final = (c.PROVIDER, c.MODEL, c.DIMENSIONS)
_BYTES_PER_FILE: Final = 256 * 2**20
_KEY_BYTES: Final = 32
_SECONDS_OF_AN_APPEND: Final = 86_400  # at most
_NOT_FINITE: Final = (float("nan"), float("inf"), float("-inf"))

FAULTS: Final[Mapping[str, str]] = {
    "bad_key": "text_key is not the 32 bytes of a SHA-256",
    "no_identity": "provider, model or dimensions is null",
    "wrong_length": "the vector has another length than dimensions",
    "not_finite": "the vector holds NaN or infinity",
    "neither": "there is neither a vector nor an error",
}


@dataclass(frozen=True)
class Contents:
    """What a store holds of one provider, model and size."""

    provider: str
    model: str
    dimensions: int
    rows: int
    texts: int  # with a vector
    refused: int  # rows


def stats(store: EmbeddingStore) -> list[Contents]:
    """Count what is there, by provider, model and size."""
    has_vector = F.col(c.ERROR_CODE).isNull()
    counted = (
        store.rows()
        .groupBy(*_IDENTITY)
        .agg(
            F.count("*"),
            F.count_distinct(F.when(has_vector, F.col(c.TEXT_KEY))),
            F.count_if(~has_vector),
        )
    )
    return sorted(
        (Contents(*row) for row in counted.collect()),
        key=lambda of: (of.provider, of.model, of.dimensions),
    )


def verify(store: EmbeddingStore) -> Mapping[str, int]:
    """Read every row; return how many have each of `FAULTS`, those that none has left out."""
    counted = store.rows().groupBy(_fault().alias("fault")).count().where("fault IS NOT NULL")
    return dict(sorted(counted.collect()))


def compact(store: EmbeddingStore) -> tuple[int, int]:
    """Write the store anew in few files: each text once, and no row that `verify` finds fault with.

    The new files are whole before the old ones go, so a kill leaves some rows twice and none out. A
    run that reads the store meanwhile may find a file gone; it can be run again.

    Returns
    -------
    files before, files after
    """
    before = store.data_files()
    if not before:
        return 0, 0
    size = sum(store.files.size(name) for name in before)
    sound = store.rows(before).where(_fault().isNull())
    # A refusal is kept no longer than until the text is embedded.
    embedded_first = [F.col(c.ERROR_CODE).isNotNull()]
    once = cluster.first_of_group(sound, EMBEDDINGS.fieldNames()[:4], embedded_first)
    n_files = max(1, round(size / _BYTES_PER_FILE))
    store.append(
        cluster.colocated_in_order(
            cluster.colocated(once, [c.TEXT_KEY], n_files), [c.TEXT_KEY], [*_IDENTITY, c.TEXT_KEY]
        ).select(*EMBEDDINGS.fieldNames())
    )
    for name in before:
        store.files.delete(name)
    _sweep(store)
    return len(before), len(store.data_files())


def _sweep(store: EmbeddingStore) -> None:
    """Delete what appends that were killed have left, unless they may still be under way."""
    now = time.time()
    for entry in store.files.entries(APPENDING):
        if now - entry.mtime.timestamp() > _SECONDS_OF_AN_APPEND:
            store.files.delete(f"{APPENDING}/{entry.base_name}")


def _fault() -> Column:
    vector = F.col(c.VECTOR)
    # Without a lambda, which Sail 0.7 hands down to where it reads Parquet and does not find there.
    not_finite = F.array(*(F.lit(value).cast("float") for value in _NOT_FINITE))
    is_bad = F.coalesce(F.arrays_overlap(vector, not_finite), vector.isNotNull())  # null: has one
    return (
        F.when(F.coalesce(F.octet_length(c.TEXT_KEY), F.lit(0)) != _KEY_BYTES, "bad_key")
        .when(F.greatest(*(F.col(name).isNull() for name in _IDENTITY)), "no_identity")
        .when(vector.isNull() & F.col(c.ERROR_CODE).isNull(), "neither")
        .when(F.size(vector) != F.col(c.DIMENSIONS), "wrong_length")
        .when(is_bad, "not_finite")
    )
