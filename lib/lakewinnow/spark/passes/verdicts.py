"""What is said of each row of somebody else's frame: by expressions where they do, else by Python.

The frame's own columns never travel to Python. Workers import this module, so it does without
pandas, which takes them a third of a second.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

from lakewinnow import columns as c
from lakewinnow.core.selection.label_issues import LOW, flag
from lakewinnow.core.selection.scores import label_scores
from lakewinnow.core.types import Block
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow import udf
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.arrow.parquet_rows import PLACE
from lakewinnow.spark.passes import confident_learning, valid_probs
from lakewinnow.spark.passes.confident_learning import Judge
from lakewinnow.spark.passes.valid_probs import Checked
from lakewinnow.spark.schemas import schema

VERDICT: Final = schema(
    {
        c.PREDICTED_LABEL: "string?",
        c.PREDICTED_PROB: "double?",
        c.IS_LABEL_ISSUE: "boolean?",
        c.LABEL_SCORE: "double?",
        c.ERROR_CODE: "string?",
    }
)
JUDGED: Final = StructType(
    [StructField(PLACE, LongType()), StructField(c.ROW_ID, StringType()), *VERDICT.fields]
)
ISSUE: Final = schema({c.ROW_ID: "string?", c.IS_LABEL_ISSUE: "boolean?", c.LABEL_SCORE: "double?"})


def ranks(rows: DataFrame, judge: Judge, *, is_sound: bool) -> DataFrame:
    """Rank the issues: a lazy frame of (label_score, row_id, label_rank).

    Parameters
    ----------
    rows : (row_id, label, pred_probs)
    is_sound : whether all rows are valid
    """
    doubtful = rows.where(_may_be_issue(judge))
    found = map_batches(doubtful, partial(_issues, judge=judge, is_sound=is_sound), ISSUE)
    return confident_learning.ranks(found)


def _may_be_issue(judge: Judge) -> Column:
    """Leave out most rows that are no issues, before they travel to Python."""
    filter_by = judge.issue_filter.filter_by
    if filter_by in LOW:
        return F.lit(col=True)
    highest, label = F.array_max(c.PRED_PROBS), F.col(c.LABEL)
    if filter_by != "prune_by_noise_rate":
        return F.array_position(c.PRED_PROBS, highest) - 1 != label
    bounds = np.full(len(judge.classes), -np.inf)  # of a row's least margin
    np.maximum.at(bounds, judge.cuts.cells.given, judge.cuts.score)
    margin = F.get(c.PRED_PROBS, label).cast("double") - highest.cast("double")
    return margin <= F.get(F.array(*map(F.lit, bounds.tolist())), label)


def _issues(
    batches: Iterable[pa.RecordBatch], judge: Judge, *, is_sound: bool
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield _issues_of(checked(batch, len(judge.classes), is_sound=is_sound).block, judge)


def _issues_of(block: Block, judge: Judge) -> pa.RecordBatch:
    (rows,) = np.nonzero(flag(block, judge.issue_filter, judge.thresholds, judge.cuts))
    labels, pred_probs, row_ids = block.take(rows)
    adjust_by = judge.thresholds if judge.adjust_pred_probs else None
    columns = {
        c.ROW_ID: row_ids,
        c.IS_LABEL_ISSUE: np.ones(len(rows), bool),
        c.LABEL_SCORE: label_scores(labels, pred_probs, judge.rank_by, adjust_by),
    }
    return arrow.record_batch(ISSUE, columns)


def checked(batch: pa.RecordBatch, n_classes: int, *, is_sound: bool) -> Checked[Block]:
    """Judge whether the rows of a batch are good, where it is not known that all are."""
    if not is_sound:
        return valid_probs.check_batch(batch, n_classes)
    (block,) = confident_learning.trusted_blocks([batch], n_classes)
    return Checked.sound(block)


def judged(
    batch: pa.RecordBatch, rows: Checked[Block], found: Mapping[str, pa.Array | NDArray[np.generic]]
) -> pa.RecordBatch:
    """Return what there is to say of a batch of `ParquetRows`, a batch of the schema `JUDGED`.

    Parameters
    ----------
    found : of the good rows
    """
    same = {name: batch.column(name) for name in (PLACE, c.ROW_ID)}
    return arrow.record_batch(JUDGED, same | rows.of_all_rows(found))


def is_plain(judge: Judge, *, is_sound: bool) -> bool:
    """Whether `plain` says all that there is to say but the flag."""
    return is_sound and judge.rank_by == "self_confidence" and not judge.adjust_pred_probs


def plain(label: Column, pred_probs: Column, judge: Judge) -> dict[str, Column]:
    """Return the columns of `VERDICT` but the flag, which takes all of a row's margins.

    The predicted label is still a number where all classes are named by their positions.
    """
    highest = F.array_max(pred_probs)
    position = F.array_position(pred_probs, highest).cast("int") - 1
    are_positions = judge.classes == tuple(map(str, range(len(judge.classes))))
    names = F.array(*map(F.lit, judge.classes))
    return {
        c.PREDICTED_LABEL: position if are_positions else F.get(names, position),
        c.PREDICTED_PROB: highest.cast("double"),
        c.LABEL_SCORE: F.get(pred_probs, label).cast("double"),
        c.ERROR_CODE: F.lit(None).cast("string"),
    }


def by_python(
    row_id: Column, label: Column, pred_probs: Column, judge: Judge, *, is_sound: bool
) -> Column:
    """Return the columns of `VERDICT` as one struct."""
    verdicts = partial(_verdicts, judge=judge, is_sound=is_sound)
    return udf.on_arrow(verdicts, VERDICT)(row_id, label, pred_probs)


def _verdicts(
    row_ids: pa.Array, labels: pa.Array, values: pa.Array, judge: Judge, *, is_sound: bool
) -> pa.StructArray:
    batch = pa.record_batch([row_ids, labels, values], names=[c.ROW_ID, c.LABEL, c.PRED_PROBS])
    rows = checked(batch, len(judge.classes), is_sound=is_sound)
    return udf.struct_array(VERDICT, rows.of_all_rows(judge.of_block(rows.block)))
