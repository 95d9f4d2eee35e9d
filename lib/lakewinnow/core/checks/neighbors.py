"""The k nearest neighbours of vectors, by brute force in blocks that fit a cache.

A float32 product of matrices finds `2 * k` candidates for each query; their distances are then
computed in float64 from differences, so that equal vectors are at distance 0 exactly, and the k
nearest of them stay. Where more than `2 * k` vectors are as near as float32 can tell (2e-7 of a
cosine distance), the ones that stay are any of these. What comes out depends on the order of the
vectors and not on the number of threads.

Memory: 3 MiB a thread beside the vectors, of which it makes one copy (two of Euclidean ones).
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import FloatArray, IntArray

Metric = Literal["cosine", "euclidean"]
Vectors = npt.NDArray[np.floating]

FIRST_SPAN: Final = 128  # reference rows after which the k-th best is known roughly
QUERY_BLOCK: Final = 512
REFERENCE_BLOCK: Final = 1024
LEAST_OF_SAMPLE: Final = 2  # neighbours that a mean is of: of 1 alone it varies too much
_MOST_COLUMNS_EUCLIDEAN: Final = 3
_NONE: Final = -1


class Neighbors(NamedTuple):
    """The nearest reference rows of each query, the nearest first, ties by position."""

    # int64, shape (n_queries, k), of reference rows; -1 where there are fewer than k
    positions: IntArray
    distances: FloatArray  # float64, shape (n_queries, k); infinite where there are fewer than k


def default_metric(n_columns: int) -> Metric:
    """Return what cleanlab takes: the cosine distance for more than 3 columns."""
    return "cosine" if n_columns > _MOST_COLUMNS_EUCLIDEAN else "euclidean"


def nearest(
    queries: Vectors,
    reference: Vectors,
    own: IntArray,
    k: int,
    metric: Metric,
    pool: Executor | None = None,
) -> Neighbors:
    """Find the k nearest reference rows of each query, the query itself left out.

    Parameters
    ----------
    queries : shape (n_queries, D), finite
    reference : shape (n_reference, D), finite
    own : int64, shape (n_queries,), the reference row that a query is itself; -1: none
    pool : threads to share the work out to, within `core.parallel.workers`

    Notes
    -----
    The cosine distance is 1 - x·y / (|x| |y|), and 1 from a vector of zeros to any other one.
    """
    searched, offsets = _searched(queries, reference, metric)
    blocks = [slice(at, at + QUERY_BLOCK) for at in range(0, len(queries), QUERY_BLOCK)]

    def of_block(block: slice) -> Neighbors:
        candidates = _candidates(searched[0][block], searched[1], offsets, own[block], 2 * k)
        return _nearest_of(candidates, queries[block], reference, k, metric)

    parts = run_all(of_block, blocks, pool)
    none = Neighbors(np.zeros((0, k), np.int64), np.zeros((0, k)))
    positions, distances = zip(none, *parts, strict=True)
    return Neighbors(np.concatenate(positions), np.concatenate(distances))


def mean_distance(
    distances: FloatArray, rows: IntArray, copies: IntArray, k: int, share: float = 1.0
) -> FloatArray:
    """Return each text's mean distance to its k nearest rows, shape (n,); NaN where none is left.

    A row's nearest rows are the others of its own text, at distance 0, then those of the nearest
    other texts. With fewer than k rows the mean is of those there are.

    Parameters
    ----------
    distances : shape (n, k), of the nearest other texts, ascending; infinite: there is none
    rows : int64, shape (n, k), how many rows have each of these texts
    copies : int64, shape (n,), how many rows have the text itself, 1 or more
    share : of all texts, how many were compared with. Below 1 the m nearest of them stand for the
        m / share nearest of all, so the mean is of so many fewer, of 2 at least. It is still
        greater than to all texts would be, by a tenth to a fourth where `share * k` is 1 to 3
    """
    itself = np.minimum(copies - 1, k)
    wanted = k - itself
    if share < 1:
        fewer = np.maximum(np.ceil(wanted * share), LEAST_OF_SAMPLE).astype(np.int64)
        wanted = np.minimum(wanted, fewer)
    there = np.isfinite(distances)
    upto = np.minimum(np.cumsum(np.where(there, rows, 0), axis=1), wanted[:, np.newaxis])
    taken = np.diff(upto, axis=1, prepend=0)
    n_taken = taken.sum(axis=1)
    total = (np.where(there, distances, 0.0) * taken).sum(axis=1)
    of_others = total / np.maximum(n_taken, 1)
    n_others = np.where(n_taken > 0, k - itself, 0) if share < 1 else n_taken
    means: FloatArray = np.full(len(copies), np.nan)
    n_near = itself + n_others
    np.divide(of_others * n_others, n_near, out=means, where=n_near > 0)
    return means


def _searched(
    queries: Vectors, reference: Vectors, metric: Metric
) -> tuple[tuple[Vectors, Vectors], Vectors | None]:
    """Return vectors whose products (less the offsets) are greatest for the nearest."""
    if metric == "cosine":
        in_float32 = [_unit(of).astype(np.float32, copy=False) for of in (queries, reference)]
        return (in_float32[0], in_float32[1]), None
    # In float64, of what is left without the mean: |x - y|² is a small difference of large numbers
    mean = reference.mean(axis=0, dtype=np.float64)
    centred = (queries - mean, reference - mean)
    return centred, np.einsum("ij,ij->i", centred[1], centred[1]) / 2


def _unit(vectors: Vectors) -> Vectors:
    """Return vectors of unit length in their own precision; those of zeros stay."""
    norms = _norms(vectors)
    unit: Vectors = vectors / np.where(norms > 0, norms, 1.0).astype(vectors.dtype)[:, np.newaxis]
    return unit


def _norms(vectors: Vectors) -> FloatArray:
    norms: FloatArray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return norms


def _candidates(
    queries: Vectors, reference: Vectors, offsets: Vectors | None, own: IntArray, n: int
) -> IntArray:
    """Return the n reference rows of greatest product for each query, in no order; -1: none."""
    best = np.full((len(queries), n), -np.inf, queries.dtype)
    at = np.full((len(queries), n), _NONE)
    for span in _spans(len(reference)):
        least = best.min(axis=1, keepdims=True)
        found = [
            _better(queries, reference, offsets, own, block, least) for block in _blocks(*span)
        ]
        rows, positions, products = (np.concatenate(parts) for parts in zip(*found, strict=True))
        best, at = _merged(best, at, rows, positions, products)
    return at


def _spans(n: int) -> Iterator[tuple[int, int]]:
    """Yield spans that double, so that each holds about as many rows that are better."""
    start, end = 0, FIRST_SPAN
    while start < n:
        yield start, min(end, n)
        start, end = end, 2 * end


def _blocks(start: int, end: int) -> Iterator[slice]:
    return (slice(at, min(at + REFERENCE_BLOCK, end)) for at in range(start, end, REFERENCE_BLOCK))


def _better(
    queries: Vectors,
    reference: Vectors,
    offsets: Vectors | None,
    own: IntArray,
    block: slice,
    least: Vectors,
) -> tuple[IntArray, IntArray, Vectors]:
    """Return the query, the position and the product of what beats the least of the best."""
    products = queries @ reference[block].T
    if offsets is not None:
        products -= offsets[block]
    (itself,) = np.nonzero((block.start <= own) & (own < block.stop))
    products[itself, own[itself] - block.start] = -np.inf
    hits = np.flatnonzero(products > least)
    rows, columns = np.divmod(hits, products.shape[1])
    return rows, columns + block.start, products.reshape(-1)[hits]


def _merged(
    best: Vectors, at: IntArray, rows: IntArray, positions: IntArray, products: Vectors
) -> tuple[Vectors, IntArray]:
    n_queries, n = best.shape
    order = np.argsort(rows, kind="stable")
    rows, positions, products = rows[order], positions[order], products[order]
    counts = np.bincount(rows, minlength=n_queries)
    column = n + np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = n + int(counts.max(initial=0))
    all_products = np.full((n_queries, width), -np.inf, best.dtype)
    all_at = np.full((n_queries, width), _NONE)
    all_products[:, :n], all_at[:, :n] = best, at
    all_products[rows, column], all_at[rows, column] = products, positions
    kept = np.argpartition(-all_products, n - 1, axis=1)[:, :n]
    return np.take_along_axis(all_products, kept, 1), np.take_along_axis(all_at, kept, 1)


def _nearest_of(
    candidates: IntArray, queries: Vectors, reference: Vectors, k: int, metric: Metric
) -> Neighbors:
    """Return the k nearest of each query's candidates, by distances in float64."""
    exact = queries.astype(np.float64)
    norms = _norms(exact)
    if metric == "cosine":
        exact /= np.where(norms > 0, norms, 1.0)[:, np.newaxis]
    distances = np.full(candidates.shape, np.inf)
    for column, at in enumerate(candidates.T):
        there = at != _NONE
        others = reference[at[there]].astype(np.float64)
        if metric == "cosine":
            distances[there, column] = _cosine(exact[there], norms[there] > 0, others)
        else:
            distances[there, column] = _norms(exact[there] - others)
    order = np.lexsort((candidates, distances), axis=1)[:, :k]
    return Neighbors(
        np.take_along_axis(candidates, order, 1), np.take_along_axis(distances, order, 1)
    )


def _cosine(unit: FloatArray, is_some: npt.NDArray[np.bool_], others: FloatArray) -> FloatArray:
    """Return half the squared distance of unit vectors: 1 - cosine, without its cancellation."""
    norms = _norms(others)
    others /= np.where(norms > 0, norms, 1.0)[:, np.newaxis]
    halves = np.square(unit - others).sum(axis=1) / 2
    distances: FloatArray = halves + (is_some != (norms > 0)) / 2
    return distances
