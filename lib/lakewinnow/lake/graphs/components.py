"""Connected components of a table of pairs, however large.

Few pairs go to one task, which has them all in memory. More are turned into stars, rounds of two
steps each (Kiveris et al. 2014, "Connected Components in MapReduce and Beyond"): every node links
its larger neighbours to the least of its neighbourhood, then its smaller ones and itself. A round
never adds a pair, and no task holds the neighbours of a node. It ends as soon as what is left fits
one task, or when all nodes link to the least node of their component and to nothing else.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from lakewinnow.core.checks.row_graph import components
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.schemas import schema

ONE, OTHER = "one", "other"  # the ends of a pair; `one` is the larger
NODE, ROOT = "node", "root"
# What one task takes: about 100 bytes a pair, and 2 s a million.
IN_ONE_TASK: Final = 5_000_000
_ROOTS: Final = schema({NODE: "bigint", ROOT: "bigint"})


def publish_roots(lake: Lake, pairs: str, roots: str, most: int = IN_ONE_TASK) -> int:
    """Publish, for each node that is in a pair, the least node of its component.

    Parameters
    ----------
    pairs : name of a table of pairs, `one` and `other`, bigint, the larger first; a node may be
        paired with itself
    roots : name of the table to write: `node`, `root`
    most : pairs that one task takes

    Returns
    -------
    how many rounds it took; 0: one task did it
    """
    edges, n_edges, n_rounds, is_done = lake.read(pairs), lake.rows(pairs), 0, False
    while n_edges > most and not is_done:
        name = f"{pairs}-{n_rounds % 2}"  # the last one's is being read
        lake.publish(name, _stars(edges))
        edges, n_edges, n_rounds = lake.read(name), lake.rows(name), n_rounds + 1
        is_done = _are_stars(edges)
    if n_rounds:  # which lose the pairs of a node with itself: all that there are of some
        alone = lake.read(pairs).where(F.col(ONE) == F.col(OTHER))
        edges = edges.select(ONE, OTHER).unionByName(alone.select(ONE, OTHER))
    if is_done:
        ends = edges.select(F.explode(F.array(ONE, OTHER)).alias(NODE), OTHER)
        found = ends.groupBy(NODE).agg(F.min(OTHER).alias(ROOT))
    else:
        found = map_batches(edges.select(ONE, OTHER).coalesce(1), _roots, _ROOTS)
    lake.publish(roots, found, schema=_ROOTS)
    return n_rounds


def _stars(edges: DataFrame) -> DataFrame:
    """Make one round: the large-star step, then the small-star step."""
    both = edges.select(ONE, OTHER).unionByName(
        edges.select(F.col(OTHER).alias(ONE), F.col(ONE).alias(OTHER))
    )
    around = Window.partitionBy(ONE)
    least = F.least(ONE, F.min(OTHER).over(around))
    larger = both.withColumn("least", least).where(F.col(OTHER) > F.col(ONE))
    large = larger.select(F.col(OTHER).alias(ONE), F.col("least").alias(OTHER)).distinct()
    smaller = large.withColumn("least", F.min(OTHER).over(around))
    ends = F.array(F.struct(F.col(ONE)), F.struct(F.col(OTHER).alias(ONE)))
    small = smaller.select(F.explode(ends).alias("end"), "least")
    links = small.select(F.col(f"end.{ONE}").alias(ONE), F.col("least").alias(OTHER))
    return links.where(F.col(ONE) > F.col(OTHER)).distinct()


def _are_stars(edges: DataFrame) -> bool:
    """Whether every node links to one other, which links to none."""
    ends = edges.select(F.col(ONE).alias(NODE), F.lit(1).alias("n"), F.lit(0).alias("is_root"))
    roots = edges.select(F.col(OTHER).alias(NODE), F.lit(0).alias("n"), F.lit(1).alias("is_root"))
    seen = (
        ends.unionByName(roots)
        .groupBy(NODE)
        .agg(F.sum("n").alias("n"), F.max("is_root").alias("r"))
    )
    return seen.where((F.col("n") > 1) | ((F.col("n") == 1) & (F.col("r") == 1))).isEmpty()


def _roots(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    parts = [(np.asarray(batch.column(ONE)), np.asarray(batch.column(OTHER))) for batch in batches]
    if parts:
        one, other = (np.concatenate(ends) for ends in zip(*parts, strict=True))
        nodes, roots = components(one, other)
        yield arrow.record_batch(_ROOTS, {NODE: nodes, ROOT: roots})
