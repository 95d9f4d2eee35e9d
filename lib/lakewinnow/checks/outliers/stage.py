"""Outliers: rows that are far from all others, or whose probabilities point nowhere.

Reads    checks/neighbors/ and corpus/; or pred_probs/ and noise_model.json
Writes   checks/outliers/, one row per accepted row
Passes   by embedding: 2 over the neighbours (quartiles; flag and score), 1 over the corpus
         by pred_probs: 2 (median; flag and score)
Shuffle  by embedding: one by text key, of the keys of rows and 20 bytes a text; else none
Memory   quartiles: `spark.passes.quantiles`, at most 131,072 distinct values between a number and
         its double
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.outliers import CHECK, IS_ISSUE, SCORE, OutlierFigures, OutliersConfig
from lakewinnow.core.checks import outliers as core
from lakewinnow.core.checks.outliers import Certainty, DistanceRule
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.types import FloatArray
from lakewinnow.figures.labels import NeighborFigures
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted, accepted_probs, n_accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.passes.quantiles import quantiles
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema

_CERTAINTY: Final = "certainty"
_JUDGED = schema(
    {c.TEXT_KEY: "binary", SCORE: "double?", IS_ISSUE: "boolean", c.MEAN_DISTANCE: "double?"}
)
_CERTAIN = schema({c.ROW_ID: "string", _CERTAINTY: "double"})


def run(run: Run, config: OutliersConfig) -> StageReport[OutlierFigures]:
    """Find the outliers, by embedding after the stage of neighbours."""
    lake = run.lake
    by = config.judged_by(run.config.has_vectors)
    found, figures = _by_distance(lake, config) if by == "embedding" else _by_probs(lake, config)
    check_tables.publish(lake, CHECK, found)
    n_issues = lake.files.count_true(CHECK.table, IS_ISSUE)
    reads = {"checks/neighbors": 2, "corpus": 1} if by == "embedding" else {"pred_probs": 2}
    return check_tables.report(lake, CHECK, reads, OutlierFigures(rows=n_issues, by=by, **figures))


def _by_distance(lake: Lake, config: OutliersConfig) -> tuple[DataFrame, dict[str, Any]]:
    how = lake.figures("neighbors", NeighborFigures)
    texts = lake.read("checks/neighbors").select(c.TEXT_KEY, c.N_ROWS, c.MEAN_DISTANCE)
    quartiles = quantiles(texts, F.col(c.MEAN_DISTANCE), core.QUARTILES, F.col(c.N_ROWS), how.texts)
    q1, median, q3 = (float("nan") if q is None else q for q in quartiles)
    threshold = core.DISTANCE_THRESHOLD if config.threshold is None else config.threshold
    rule = DistanceRule(q1, median, q3, how.metric, threshold)
    judged = map_batches(texts.drop(c.N_ROWS), partial(_judge_batches, rule=rule), _JUDGED)
    why = F.format_string(
        f"outlier: distance %s to its neighbours, {median:.2f} is common",
        portable.fixed(F.col(c.MEAN_DISTANCE), 2),
    )
    rows = accepted(lake).select(c.ROW_ID, c.TEXT_KEY).join(judged, c.TEXT_KEY)
    found = check_tables.flagged(CHECK, rows, F.col(IS_ISSUE), why)
    return found, {**vars(how), **asdict(rule), "cutoff": rule.cutoff}


def _judge_batches(
    batches: Iterable[pa.RecordBatch], rule: DistanceRule
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        column = batch.column(c.MEAN_DISTANCE)
        distances = np.asarray(column.to_numpy(zero_copy_only=False), np.float64)  # NaN for null
        judged = {
            c.TEXT_KEY: batch.column(c.TEXT_KEY),
            SCORE: pa.array(rule.scores(distances), mask=np.isnan(distances)),
            IS_ISSUE: distances > rule.cutoff,
            c.MEAN_DISTANCE: column,
        }
        yield arrow.record_batch(_JUDGED, judged)


def _by_probs(lake: Lake, config: OutliersConfig) -> tuple[DataFrame, dict[str, Any]]:
    model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    certain = partial(_certain_batches, thresholds=model.thresholds, method=config.method)
    rows = map_batches(accepted_probs(lake), certain, _CERTAIN)
    [median] = quantiles(rows, F.col(_CERTAINTY), [0.5], F.lit(1), n_accepted(lake))
    threshold = core.CERTAINTY_THRESHOLD if config.threshold is None else config.threshold
    cutoff = core.certainty_cutoff(float(median or 0), threshold)
    why = F.format_string(
        f"outlier: its probabilities point nowhere ({config.method} %s, {median:.2f} is common)",
        portable.fixed(F.col(_CERTAINTY), 2),
    )
    scored = rows.withColumn(SCORE, F.col(_CERTAINTY))
    found = check_tables.flagged(CHECK, scored, F.col(_CERTAINTY) < cutoff, why)
    figures = {"method": config.method, "median": median, "threshold": threshold}
    return found, {**figures, "cutoff": cutoff}


def _certain_batches(
    batches: Iterable[pa.RecordBatch], thresholds: FloatArray, method: Certainty
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        (block,) = trusted_blocks([batch], len(thresholds))
        certainty = core.certainties(block.pred_probs, thresholds, method)
        columns = {c.ROW_ID: batch.column(c.ROW_ID), _CERTAINTY: certainty}
        yield arrow.record_batch(_CERTAIN, columns)
