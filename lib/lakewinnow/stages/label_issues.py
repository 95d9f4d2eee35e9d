"""Label issues: which rows to doubt, and how much.

Reads    pred_probs/, noise_model.json
Writes   checks/label_issues/, one row per accepted row; checks/label_ranks/, one per issue
Passes   the selection's (one for small data, two most often), and one to flag, score and write
Shuffle  none but the ranking of the issues
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.config import LabelIssuesConfig
from lakewinnow.core.candidates import Candidates
from lakewinnow.core.label_issues import IssueFilter, flag, plan_selection
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.scan import scan
from lakewinnow.core.scores import check_score, label_scores
from lakewinnow.core.selection import Cuts, Selection, Tally
from lakewinnow.core.types import Block, FloatArray
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import arrow

LABEL_ISSUES = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.GIVEN_LABEL, StringType(), nullable=False),
        StructField(c.PREDICTED_LABEL, StringType(), nullable=False),
        StructField(c.PREDICTED_PROB, DoubleType(), nullable=False),
        StructField(c.SUGGESTED_LABEL, StringType(), nullable=False),
        StructField(c.SUGGESTED_PROB, DoubleType(), nullable=False),
        StructField(c.IS_LABEL_ISSUE, BooleanType(), nullable=False),
        StructField(c.LABEL_SCORE, DoubleType(), nullable=False),
    ]
)
LABEL_RANKS = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.LABEL_RANK, IntegerType(), nullable=False),
    ]
)
WORST_FIRST: Final = (c.LABEL_SCORE, c.ROW_ID)  # lower is worse; the id breaks ties

# What a selection pass found: a histogram bin of a cell, or (bin -1) a row that may be selected.
_TALLY = StructType(
    [
        StructField("cell", LongType(), nullable=False),
        StructField("bin", LongType(), nullable=False),
        StructField("score", DoubleType(), nullable=True),
        StructField(c.ROW_ID, StringType(), nullable=True),
        StructField("n", LongType(), nullable=False),
    ]
)
_NO_BIN: Final = -1


def run(lake: Lake, config: LabelIssuesConfig) -> StageReport:
    """Flag, score and rank.

    Raises
    ------
    ConfigError
        A combination that cannot be: `rank_by` that does not go with `adjust_pred_probs`, say.
    """
    check_score(config.rank_by, adjusted=config.adjust_pred_probs)
    issue_filter = IssueFilter(
        filter_by=config.filter_by,
        frac_noise=config.frac_noise,
        min_examples_per_class=config.min_examples_per_class,
    )
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    pred_probs = lake.read("pred_probs")
    cuts, n_passes = _cuts(pred_probs, issue_filter, noise_model)
    judge = partial(
        _judge_batches,
        issue_filter=issue_filter,
        thresholds=noise_model.thresholds,
        cuts=cuts,
        config=config,
        classes=noise_model.classes,
    )
    lake.publish("checks/label_issues", pred_probs.mapInArrow(judge, LABEL_ISSUES))
    judged = lake.read("checks/label_issues")
    lake.publish("checks/label_ranks", _ranks(judged), schema=LABEL_RANKS)
    n_rows = lake.rows("checks/label_issues")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={"pred_probs": n_passes + 1, "checks/label_issues": 2},
        writes=("checks/label_issues", "checks/label_ranks"),
        details={"label_issues": _figures(judged, noise_model)},
    )


def _cuts(
    pred_probs: DataFrame, issue_filter: IssueFilter, noise_model: NoiseModel
) -> tuple[Cuts, int]:
    plan, n_passes = plan_selection(issue_filter, noise_model), 0
    while not plan.done:
        found = (
            pred_probs.mapInArrow(partial(_scan_batches, plan=plan), _TALLY)
            .groupBy("cell", "bin", "score", c.ROW_ID)
            .agg(F.sum("n").alias("n"))
            .toArrow()
        )
        plan, n_passes = plan.refine(_tally(found)), n_passes + 1
    return plan.cuts, n_passes


def _scan_batches(batches: Iterable[pa.RecordBatch], plan: Selection) -> Iterator[pa.RecordBatch]:
    tally = scan(plan, map(_block, batches))
    n_bins, n_rows = len(tally.bins), len(tally.rows)
    yield arrow.record_batch(
        _TALLY,
        {
            "cell": np.concatenate([tally.bins[:, 0], tally.rows.cell]),
            "bin": np.concatenate([tally.bins[:, 1], np.full(n_rows, _NO_BIN)]),
            "score": pa.concat_arrays([pa.nulls(n_bins, pa.float64()), pa.array(tally.rows.score)]),
            c.ROW_ID: [None] * n_bins + list(tally.rows.row_id),
            "n": np.concatenate([tally.bins[:, 2], np.ones(n_rows, np.int64)]),
        },
    )


def _tally(found: pa.Table) -> Tally:
    is_row = found.column("bin").to_numpy() == _NO_BIN
    bins = np.column_stack(
        [found.column(name).to_numpy()[~is_row] for name in ("cell", "bin", "n")]
    )
    rows = found.filter(pa.array(is_row))
    row_ids = np.empty(len(rows), object)
    row_ids[:] = rows.column(c.ROW_ID).to_pylist()
    candidates = Candidates(
        rows.column("cell").to_numpy(), rows.column("score").to_numpy(zero_copy_only=False), row_ids
    )
    return Tally(bins, candidates)


def _judge_batches(
    batches: Iterable[pa.RecordBatch],
    issue_filter: IssueFilter,
    thresholds: FloatArray,
    cuts: Cuts,
    config: LabelIssuesConfig,
    classes: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    names = pa.array(classes)
    adjust_by = thresholds if config.adjust_pred_probs else None
    for batch in batches:
        block = _block(batch)
        labels, pred_probs, _ = block
        predicted = pred_probs.argmax(axis=1)
        predicted_label = names.take(pa.array(predicted))
        predicted_prob = pred_probs[np.arange(len(labels)), predicted]
        yield arrow.record_batch(
            LABEL_ISSUES,
            {
                c.ROW_ID: batch.column(c.ROW_ID),
                c.GIVEN_LABEL: names.take(pa.array(labels)),
                c.PREDICTED_LABEL: predicted_label,
                c.PREDICTED_PROB: predicted_prob,
                c.SUGGESTED_LABEL: predicted_label,
                c.SUGGESTED_PROB: predicted_prob,
                c.IS_LABEL_ISSUE: flag(block, issue_filter, thresholds, cuts),
                c.LABEL_SCORE: label_scores(labels, pred_probs, config.rank_by, adjust_by),
            },
        )


def _block(batch: pa.RecordBatch) -> Block:
    return Block(
        batch.column(c.LABEL).to_numpy().astype(np.int64),
        arrow.matrix(batch.column(c.PRED_PROBS)).astype(np.float64),
        batch.column(c.ROW_ID).to_pylist(),
    )


def _ranks(judged: DataFrame) -> DataFrame:
    issues = judged.where(c.IS_LABEL_ISSUE)
    everywhere = Window.partitionBy(c.IS_LABEL_ISSUE).orderBy(*WORST_FIRST)  # issues only: one task
    return issues.select(c.ROW_ID, F.row_number().over(everywhere).alias(c.LABEL_RANK))


def _figures(judged: DataFrame, noise_model: NoiseModel) -> Mapping[str, Any]:
    issues = judged.where(c.IS_LABEL_ISSUE)
    counted = issues.groupBy(c.GIVEN_LABEL, c.PREDICTED_LABEL).count().collect()
    by_class: Counter[str] = Counter()
    likeliest: dict[str, str] = {}
    for given, predicted, n in sorted(counted, key=lambda row: (-row["count"], row[0], row[1])):
        by_class[given] += n
        likeliest.setdefault(given, predicted)
    counts = dict(zip(noise_model.classes, noise_model.counts.tolist(), strict=True))
    return {
        "n": by_class.total(),
        "rows": sum(counts.values()),
        "by_class": {name: by_class[name] for name in noise_model.classes},
        "class_counts": counts,
        "most_often_predicted": likeliest,
    }
