"""What is said of each row of somebody else's frame: by expressions where they do, else by Python.

The frame's own columns never travel to Python. Workers import this module, so it does without
pandas, which takes them a third of a second.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.selection.label_issues import LOW, flag
from lakewinnow.core.selection.scores import label_scores
from lakewinnow.core.types import Block, BoolArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow import udf
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes import confident_learning, valid_probs
from lakewinnow.spark.passes.confident_learning import Judge
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
    to_blocks = confident_learning.trusted_blocks if is_sound else valid_probs.blocks
    for block in to_blocks(batches, len(judge.classes)):
        yield issues(block, judge)


def issues(block: Block, judge: Judge, among: BoolArray | None = None) -> pa.RecordBatch:
    """Return the issues of a block, a batch of the schema `ISSUE`.

    Parameters
    ----------
    among : bool, shape (n,), rows to judge; None: all
    """
    is_issue = flag(block, judge.issue_filter, judge.thresholds, judge.cuts)
    rows = np.flatnonzero(is_issue if among is None else is_issue & among)
    labels, pred_probs, row_ids = block.take(rows)
    adjust_by = judge.thresholds if judge.adjust_pred_probs else None
    columns = {
        c.ROW_ID: row_ids,
        c.IS_LABEL_ISSUE: np.ones(len(rows), bool),
        c.LABEL_SCORE: label_scores(labels, pred_probs, judge.rank_by, adjust_by),
    }
    return arrow.record_batch(ISSUE, columns)


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
    if is_sound:
        (block,) = confident_learning.trusted_blocks([batch], len(judge.classes))
        found = {name: pa.array(values) for name, values in judge.of_block(block).items()}
        found[c.ERROR_CODE] = pa.nulls(len(batch), pa.string())
        return udf.struct_array(VERDICT, found)
    checked = valid_probs.check_batch(batch, len(judge.classes))
    return udf.struct_array(VERDICT, checked.of_all_rows(judge.of_block(checked.block)))
