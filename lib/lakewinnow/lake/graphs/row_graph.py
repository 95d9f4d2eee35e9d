"""Checks of the graph of rows, made in one task: of all rows, or of those of the sampled texts.

checks/neighbors/ has the nearest texts of each text; those of the texts in the reference are in it
too, so that these make a graph that is whole in itself. It has as many texts as
`checks.neighbors.max_reference_rows` at most, and `MOST_COPIES` rows of each; of a larger corpus
it is a fair sample, whose rows are judged as Datalab would judge them had it no others. The rest
are not judged.

Memory: the task's, 40 bytes × k a row.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.core.checks.row_graph import RowGraph, row_graph
from lakewinnow.figures.labels import NeighborFigures
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow.functions import apply_to_cogroups

MOST_COPIES: Final = 100
_ALL: Final = "all"
_OTHERS: Final = "others"  # in one struct: Sail lets no column of its own have nulls in a cogroup

Judge = Callable[[pa.Table, RowGraph], pa.Table]


def judged(lake: Lake, others: Sequence[Column], judge: Judge, schema: StructType) -> DataFrame:
    """Return what a check says of the rows of the reference.

    Parameters
    ----------
    others : columns of corpus/ that `judge` needs beside row_id, text_key and label
    judge : gets the rows, in the order of their ids, and their graph; returns a table of `schema`
    """
    texts = lake.read("checks/neighbors").where(c.IN_REFERENCE)
    keys = texts.select(c.TEXT_KEY)
    by_id = Window.partitionBy(c.TEXT_KEY).orderBy(c.ROW_ID)
    asked = [F.struct(*others).alias(_OTHERS)] if others else []
    rows = (
        accepted(lake)
        .select(c.ROW_ID, c.TEXT_KEY, c.LABEL, *asked)
        .join(F.broadcast(keys), c.TEXT_KEY, "left_semi")
        .withColumn("copy", F.row_number().over(by_id))
        .where(F.col("copy") <= MOST_COPIES)
        .drop("copy")
    )
    together = partial(_judge_all, judge=judge, k=lake.figures("neighbors", NeighborFigures).k)
    graph = texts.select(c.TEXT_KEY, c.NEIGHBORS, c.DISTANCES)
    one, same = (side.withColumn(_ALL, F.lit(0)) for side in (rows, graph))
    return apply_to_cogroups(one, same, _ALL, together, schema)


def with_all_rows(lake: Lake, found: DataFrame) -> DataFrame:
    """Return what was found of some rows for every accepted row, null for the others."""
    return accepted(lake).select(c.ROW_ID).join(found, c.ROW_ID, "left")


def _judge_all(rows: pa.Table, texts: pa.Table, judge: Judge, k: int) -> pa.Table:
    rows, texts = rows.sort_by(c.ROW_ID), texts.sort_by(c.TEXT_KEY)
    keys = texts.column(c.TEXT_KEY).combine_chunks()
    at = pc.index_in(rows.column(c.TEXT_KEY), value_set=keys).to_numpy().astype(np.int64)
    neighbors, distances = (
        texts.column(name).combine_chunks() for name in (c.NEIGHBORS, c.DISTANCES)
    )
    places = pc.index_in(neighbors.flatten(), value_set=keys).to_numpy().astype(np.int64)
    ends = np.cumsum(pc.list_value_length(neighbors).to_numpy())[:-1]
    graph = row_graph(at, np.split(places, ends), np.split(distances.flatten().to_numpy(), ends), k)
    return judge(_spread(rows), graph)


def _spread(rows: pa.Table) -> pa.Table:
    """Return the other columns beside the rest."""
    if _OTHERS not in rows.column_names:
        return rows
    others = rows.column(_OTHERS).combine_chunks()
    for name, column in zip(others.type.names, others.flatten(), strict=True):
        rows = rows.append_column(name, column)
    return rows.drop_columns([_OTHERS])
