"""Clusters of the embeddings, by density (DBSCAN), as groups.

Passes   2 over the neighbours, 2 over the keys of the corpus
Memory   one task: `lake.graphs.row_graph`

The rows of the reference are clustered on their graph, as in Datalab. Where texts are compared with
a sample, other texts belong to the cluster of the nearest text that is the core of one, if it is
within the distance that makes a cluster; so do rows of a text beyond those that the graph has.
"""

from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN

from lakewinnow import columns as c
from lakewinnow.core.checks.row_graph import RowGraph
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.graphs import row_graph
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

TABLE: Final = "checks/clusters"
KIND: Final = "cluster"
_MIN_NEAR: Final = 5  # rows within the distance, itself among them, that make a row a core
_NOISE: Final = -1
_CLUSTERED = schema(
    {
        c.ROW_ID: "string",
        c.TEXT_KEY: "binary",
        "cluster": "int",  # -1: in none
        "is_core": "boolean",
    }
)


def publish(lake: Lake, max_distance: float) -> None:
    """Cluster the rows of the reference."""
    cluster = partial(_cluster, max_distance=max_distance)
    lake.publish(TABLE, row_graph.judged(lake, [], cluster, _CLUSTERED), schema=_CLUSTERED)


def of_rows(lake: Lake, max_distance: float) -> DataFrame:
    """Return (row_id, group) of the rows that are in a cluster."""
    clustered = lake.read(TABLE)
    if lake.rows(TABLE) == n_accepted(lake):
        found = clustered.where(F.col("cluster") != _NOISE)
        return found.select(c.ROW_ID, F.col("cluster").cast("string").alias("group"))
    cores = (
        clustered.where("is_core")
        .groupBy(F.col(c.TEXT_KEY).alias("near"))
        .agg(F.min("cluster").alias("cluster"))
    )
    texts = lake.read("checks/neighbors")
    pairs = F.transform(c.NEIGHBORS, _with_distance)
    itself = F.struct(F.col(c.TEXT_KEY).alias("near"), F.lit(0.0).alias("distance"))
    # Named, since to Sail a struct that may be null is of another type than one that may not.
    of_pair = "struct<near:binary,distance:double>"
    nearest = F.array_append(pairs.cast(f"array<{of_pair}>"), itself.cast(of_pair))
    near = texts.select(c.TEXT_KEY, F.inline(nearest))
    by_text = (
        near.where(F.col("distance") <= max_distance)
        .join(F.broadcast(cores), "near")
        .groupBy(c.TEXT_KEY)
        .agg(F.min(F.struct("distance", "cluster"))["cluster"].alias("by_text"))
    )
    rows = (
        accepted(lake)
        .select(c.ROW_ID, c.TEXT_KEY)
        .join(clustered.select(c.ROW_ID, "cluster"), c.ROW_ID, "left")
        .join(by_text, c.TEXT_KEY, "left")
    )
    cluster = F.coalesce("cluster", "by_text")
    return rows.where(cluster != _NOISE).select(c.ROW_ID, cluster.cast("string").alias("group"))


def _with_distance(near: Column, at: Column) -> Column:
    return F.struct(near.alias("near"), F.get(c.DISTANCES, at).alias("distance"))


def _cluster(rows: pa.Table, graph: RowGraph, max_distance: float) -> pa.Table:
    n_rows, k = graph.positions.shape
    itself = np.arange(n_rows)[:, np.newaxis]
    near = np.hstack([itself, graph.positions])
    apart = np.hstack([np.zeros((n_rows, 1)), graph.distances])
    ends = np.arange(n_rows + 1) * (k + 1)
    matrix = csr_matrix((apart.reshape(-1), near.reshape(-1), ends), (n_rows, n_rows))
    found = DBSCAN(eps=max_distance, min_samples=_MIN_NEAR, metric="precomputed").fit(matrix)
    is_core = np.zeros(n_rows, bool)
    is_core[found.core_sample_indices_] = True
    columns = {
        c.ROW_ID: rows.column(c.ROW_ID).combine_chunks(),
        c.TEXT_KEY: rows.column(c.TEXT_KEY).combine_chunks(),
        "cluster": found.labels_,
        "is_core": is_core,
    }
    return arrow.table(_CLUSTERED, columns)
