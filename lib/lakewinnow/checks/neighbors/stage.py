"""Neighbours: which texts lie nearest to each text by their vectors, for the checks that ask.

Reads    corpus/, the vectors
Writes   checks/neighbors/, one row per distinct text
Passes   2 over the keys of the corpus, 2 over the vectors; one more over the keys counts the texts,
         where embed has not
Shuffle  the vectors once, by slot; and those of the reference to every slot: with 20,000 of them of
         256 dimensions, 0.5 to 2 times the bytes of the corpus' own. Of more than `_MOST_TO_SEND`
         texts the vectors once more, by text key
Memory   a task: 14 bytes × (texts of a slot + of the reference) × D in Python, 22 by Euclidean
         distances (20,000 × 512 and 100,000 × 256): 400 MB where 100,000 texts of 256 dimensions
         are compared with all

Every text is compared with every text of the reference: all texts, where these are no more than
`checks.neighbors.max_reference_rows`; else a sample, those of smallest hash, the same one for all.
Work grows with texts × reference and is never texts × texts. The nearest texts of a sample are as
far as, in the corpus, the ones texts / reference times as many away, whether a text is in the
sample itself or not: so the mean distance is of fewer of them
(`core.checks.neighbors.mean_distance`), and what is made of it should be relative to that of all
rows. Against the mean over all, on Banking77 (10,003 texts, 66 outliers) and on 20,000 generated
vectors (111 outliers) a sample gives

    share    rank correlation   outliers   in both, of those in either
    1/2      0.970   0.995      65   122   0.77   0.68
    1/4      0.918   0.987      62   117   0.60   0.59
    1/10     0.822   0.973      60    57   0.37   0.28

Equal texts are compared once, and how many rows have them is kept. A slot is a task's share of the
texts, by hash: it decides what is multiplied with what, so the numbers do not depend on the cores.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.classifiers.tasks import vectors_missing
from lakewinnow.config.sections import EmbeddingConfig, NeighborsConfig
from lakewinnow.core.checks import neighbors as core
from lakewinnow.core.checks.neighbors import Metric, Vectors
from lakewinnow.core.parallel import workers
from lakewinnow.embedding import registry
from lakewinnow.figures.labels import NeighborFigures
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.training.sample import smallest
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import apply_to_cogroups
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

NEIGHBORS = schema(
    {
        c.TEXT_KEY: "binary",
        c.N_ROWS: "int",  # that have the text
        c.NEIGHBORS: "array<binary>",
        c.DISTANCES: "array<double>",
        c.NEIGHBOR_ROWS: "array<int>",
        c.MEAN_DISTANCE: "double?",
        c.IN_REFERENCE: "boolean",
    }
)

_NOTHING: Final[Mapping[str, list[object]]] = {name: [] for name in NEIGHBORS.names}
_SLOT: Final = "slot"
_FEW_SLOTS: Final = 8  # with less work a slot than _MOST_WORK
_LEAST_WORK: Final = 2e10  # multiplications of a slot: a second or two of a core
_MOST_WORK: Final = 2e11
_MOST_TEXTS: Final = 100_000  # of a slot
_MOST_TO_SEND: Final = 2_000_000  # keys of texts


def run(
    lake: Lake, embedding: EmbeddingConfig, config: NeighborsConfig
) -> StageReport[NeighborFigures]:
    """Find each text's nearest neighbours.

    Raises
    ------
    EngineError : "embedding_missing": the store has lost vectors that an earlier stage put there
    """
    n_texts, n_rows = _n_texts(lake), n_accepted(lake)
    store = store_of(lake, embedding)
    identity = registry.identify(embedding)
    first = store.vectors(identity, distinct=False).select(F.size(c.VECTOR)).first()
    n_columns = int(first[0]) if first else 0
    metric = core.default_metric(n_columns) if config.metric == "auto" else config.metric
    n_reference = min(n_texts, config.max_reference_rows)
    n_slots = count_slots(n_texts, n_reference, n_columns)
    search = partial(
        _search_slot,
        k=config.k,
        share=n_reference / max(n_texts, 1),
        metric=metric,
        n_threads=cluster.threads_per_task(lake.spark, n_slots),
    )
    # Read anew for each side: joined to what comes of itself, a frame's columns are ambiguous
    queries = _with_vectors(_texts(lake), store.vectors(identity, distinct=False), n_texts)
    reference = _with_vectors(
        _sample(_texts(lake), n_texts, n_reference),
        store.vectors(identity, distinct=False),
        n_reference,
    )
    found = _by_slot(queries, reference, n_slots, search)
    lake.publish("checks/neighbors", found, schema=NEIGHBORS)
    n_found = lake.rows("checks/neighbors")
    if n_found < n_texts:
        raise vectors_missing(n_texts - n_found)
    return StageReport(
        rows_in=n_rows,
        rows_out=n_found,
        reads={"corpus": 2},
        bytes_in=2 * store.size(),
        writes=("checks/neighbors",),
        figures=NeighborFigures(
            k=min(config.k, n_rows - 1), metric=metric, texts=n_texts, reference_texts=n_reference
        ),
    )


def _texts(lake: Lake) -> DataFrame:
    """Return the distinct texts, and how many rows have each."""
    return accepted(lake).groupBy(c.TEXT_KEY).agg(F.count("*").cast("int").alias(c.N_ROWS))


def _n_texts(lake: Lake) -> int:
    """Return how many distinct texts there are: embed has counted them, but for what it refused."""
    embedded = None if lake.figures("ingest", Ingested).own_vectors else lake.committed("embed")
    if embedded is None or embedded.figures["refused"]:
        return _texts(lake).count()
    return int(embedded.figures["texts"])


def count_slots(n_texts: int, n_reference: int, n_columns: int) -> int:
    """Return into how many tasks the texts go: by the work, and so that each fits its memory."""
    work = max(1.0, float(n_texts) * n_reference * n_columns)
    of_slot = min(max(work / _FEW_SLOTS, _LEAST_WORK), _MOST_WORK)
    return max(1, int(np.ceil(work / of_slot)), -(-n_texts // _MOST_TEXTS))


def _sample(texts: DataFrame, n_texts: int, n_sample: int) -> DataFrame:
    """Return the texts of smallest hash, or all."""
    hash_ = F.xxhash64(c.TEXT_KEY, F.lit("reference"))
    return smallest(texts, hash_, n_texts, n_sample, c.TEXT_KEY)


def _with_vectors(texts: DataFrame, vectors: DataFrame, n_texts: int) -> DataFrame:
    """Give texts their vectors, which stay where they are if the keys of the texts are few."""
    sent = F.broadcast(texts) if n_texts <= _MOST_TO_SEND else texts
    return vectors.join(sent, c.TEXT_KEY).select(c.TEXT_KEY, c.N_ROWS, c.VECTOR)


def _by_slot(
    queries: DataFrame,
    reference: DataFrame,
    n_slots: int,
    search: Callable[[pa.Table, pa.Table], pa.Table],
) -> DataFrame:
    """Search each slot's texts, and all of the reference, brought together."""
    index = F.pmod(F.xxhash64(c.TEXT_KEY, F.lit(_SLOT)), F.lit(n_slots))
    slots = F.sequence(F.lit(0).cast("bigint"), F.lit(n_slots - 1).cast("bigint"))
    return apply_to_cogroups(
        queries.withColumn(_SLOT, index),
        reference.withColumn(_SLOT, F.explode(slots)),
        _SLOT,
        search,
        NEIGHBORS,
        n_groups=n_slots,
    )


def _search_slot(
    queries: pa.Table, reference: pa.Table, k: int, share: float, metric: Metric, n_threads: int
) -> pa.Table:
    """Find the neighbours of a slot's texts; both tables in the order of their keys."""
    queries, of_queries = _in_order(queries)
    reference, of_reference = _in_order(reference)
    if not len(queries):
        return arrow.table(NEIGHBORS, _NOTHING)
    keys = reference.column(c.TEXT_KEY).combine_chunks()
    found_at = pc.fill_null(pc.index_in(queries.column(c.TEXT_KEY), value_set=keys), -1)
    own = found_at.to_numpy().astype(np.int64)
    work = float(of_queries.size) * len(of_reference)
    with workers(n_threads, work) as pool:
        found = core.nearest(of_queries, of_reference, own, k, metric, pool)
    counts = reference.column(c.N_ROWS).to_numpy()
    rows, copies = counts[found.positions], queries.column(c.N_ROWS).to_numpy()
    means = core.mean_distance(found.distances, rows, copies.astype(np.int64), k, share)
    there = np.isfinite(found.distances)
    offsets = np.append(0, np.cumsum(there.sum(axis=1)))
    lists = {
        c.NEIGHBORS: keys.take(pa.array(found.positions[there])),
        c.DISTANCES: pa.array(found.distances[there]),
        c.NEIGHBOR_ROWS: pa.array(rows[there]),
    }
    columns = {
        c.TEXT_KEY: queries.column(c.TEXT_KEY).combine_chunks(),
        c.N_ROWS: copies,
        **{
            name: pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
            for name, values in lists.items()
        },
        c.MEAN_DISTANCE: pa.array(means, mask=np.isnan(means)),
        c.IN_REFERENCE: own >= 0,
    }
    return arrow.table(NEIGHBORS, columns)


def _in_order(texts: pa.Table) -> tuple[pa.Table, Vectors]:
    """Return texts in the order of their keys, each once, and their vectors.

    Two runs at once may store a vector twice. Arrow would take the vectors in three times the
    memory.
    """
    vectors, texts = texts.column(c.VECTOR), texts.drop_columns([c.VECTOR])
    order = pc.sort_indices(texts.column(c.TEXT_KEY)).to_numpy()
    keys = texts.column(c.TEXT_KEY).take(order)
    if len(order) > 1:
        order = order[np.append(True, pc.not_equal(keys[1:], keys[:-1]).to_numpy())]
    return texts.take(order), arrow.matrix_in_order(vectors, order)
