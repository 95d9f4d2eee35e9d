"""Pairs of texts whose vectors are near, by Datalab's rule (cleanlab 2.9.0, `near_duplicate`).

The radius is a share of the median, over all rows, of the distance to the nearest other row; two
texts are a pair where one is among the k nearest of the other and nearer than that. The similarity
of a text at distance d is exp(-d / median), so that 1 less it is Datalab's score.
"""

from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.near_duplicates import NearDuplicatesConfig
from lakewinnow.checks.near_duplicates.by_text import PAIRS, SIMILARITY, TEXT_ID
from lakewinnow.figures.labels import NeighborFigures
from lakewinnow.lake.graphs.components import ONE, OTHER
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.passes.quantiles import quantiles
from lakewinnow.spark.portable import expressions as portable

THRESHOLD: Final = 0.13  # of the median
_LEAST_SCALE: Final = 1e-6
_NO_DISTANCE: Final = 1e-8


def text_id(key: str) -> Column:
    """Return a text's id by its key, which is the key of its vector as well."""
    return F.xxhash64(key).alias(TEXT_ID)


def publish_pairs(lake: Lake, name: str, config: NearDuplicatesConfig) -> dict[str, Any]:
    """Publish the pairs of texts that are near each other; return figures."""
    how = lake.figures("neighbors", NeighborFigures)
    texts = lake.read("checks/neighbors")
    of_row = F.when(F.col(c.N_ROWS) > 1, F.lit(0.0)).otherwise(_nearest())
    [median] = quantiles(texts, of_row, [0.5], F.col(c.N_ROWS), how.texts)
    scale = max(median or 0.0, _LEAST_SCALE)
    threshold = THRESHOLD if config.threshold is None else config.threshold
    zipped = F.arrays_zip(c.NEIGHBORS, c.DISTANCES)
    near = texts.select(text_id(c.TEXT_KEY), F.explode(zipped).alias("near")).select(
        TEXT_ID,
        text_id(f"near.{c.NEIGHBORS}").alias("other_id"),
        F.col(f"near.{c.DISTANCES}").alias("distance"),
    )
    ends = (F.greatest(TEXT_ID, "other_id").alias(ONE), F.least(TEXT_ID, "other_id").alias(OTHER))
    pairs = near.where(F.col("distance") < threshold * scale).groupBy(*ends)
    similarity = F.max(_similarity(F.col("distance"), median)).alias(SIMILARITY)
    lake.publish(name, pairs.agg(similarity), schema=PAIRS)
    return {
        **vars(how),
        "median": median,
        "threshold": threshold,
        "radius": threshold * scale,
        "pairs": lake.rows(name),
    }


def nearest(lake: Lake, median: float | None) -> DataFrame:
    """Return each text's greatest similarity to another one; null where there is no other."""
    similarity = _similarity(_nearest(), median).alias(SIMILARITY)
    return lake.read("checks/neighbors").select(text_id(c.TEXT_KEY), similarity)


def _nearest() -> Column:
    return F.get(c.DISTANCES, F.lit(0))


def _similarity(distance: Column, median: float | None) -> Column:
    scale = max(median or 0.0, _LEAST_SCALE)
    return F.when(distance <= _NO_DISTANCE, 1.0).otherwise(portable.exp(-distance / F.lit(scale)))
