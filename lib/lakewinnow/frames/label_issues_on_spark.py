"""`find_label_issues` of a Spark DataFrame.

Passes   2 (thresholds; confident joint), those of the selection, and one when the result is read;
         most often 1 of Parquet files on this machine, by threads of this process (`held_rows`)
Shuffle  by id, for the ranks
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegerType

from lakewinnow import columns as c
from lakewinnow.core.noise.confident_learning import ThresholdState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection.label_issues import plan_selection
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.core.types import FloatArray
from lakewinnow.frames import columns
from lakewinnow.frames.classes import FALSE_TRUE, class_names, label_index
from lakewinnow.frames.options import Options, check_bad_rows
from lakewinnow.lake.inputs.source import column, text_of
from lakewinnow.spark.arrow import parquet_rows
from lakewinnow.spark.arrow.parquet_rows import ParquetRows
from lakewinnow.spark.passes import (
    confident_learning,
    held_rows,
    local_issues,
    valid_probs,
    verdict_joins,
    verdicts,
)
from lakewinnow.spark.passes.confident_learning import Judge
from lakewinnow.spark.passes.held_rows import HeldRows
from lakewinnow.spark.passes.valid_probs import CheckedJoint

_ROW_ID, _LABEL, _PROBS = "__lw_row_id", "__lw_label", "__lw_pred_probs"
_VERDICT_NAME, _FRAME = "__lw_verdict", "__lw_frame"
_SCORE, _RANK = "__lw_score", "__lw_rank"
_NEW_COLUMNS: Final = (*verdicts.VERDICT.names[:-1], c.LABEL_RANK, c.ERROR_CODE)

MOST_TO_JUDGE: Final = 2**22  # rows whose verdicts a driver holds, in 100 bytes each, and sends
MOST_TO_BROADCAST: Final = 10_000_000  # rows; their issues, most often a tenth, take 100 bytes each


class _Estimated(NamedTuple):
    state: ThresholdState
    thresholds: FloatArray  # float64, shape (K,)
    checked: CheckedJoint
    held: HeldRows | None = None


def find(
    df: DataFrame,
    label: str,
    pred_probs: str | Sequence[str],
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame:
    """Return the frame with what is found of each row; see `find_label_issues`."""
    given, label_type = columns.check_label(df.schema, label)
    probs = columns.check_probabilities("pred_probs", df.schema, pred_probs)
    if classes is None and isinstance(label_type, BooleanType):
        classes = FALSE_TRUE
    of_probs = [pred_probs] if isinstance(pred_probs, str) else pred_probs
    files = parquet_rows.of(df, id_column, label, *of_probs) if len(of_probs) == 1 else None
    names = class_names(
        df.select(given.alias("l")),
        df.select(probs.alias("p")),
        classes,
        files.first_lengths if files else None,
    )

    def keyed() -> DataFrame:
        row_id = columns.row_id(df, id_column, [label, *of_probs])
        index = label_index(given, label_type, names)
        return df.withColumns({_ROW_ID: row_id, _LABEL: index, _PROBS: probs})

    rows = files.of_classes(names) if files else _as_ours(keyed())
    estimated = _estimate(rows, names, options)
    state, is_sound = estimated.state, estimated.checked.is_sound
    earlier, joint = options.noise_model, estimated.checked.joint
    model = earlier.of_batch(state, joint) if earlier else NoiseModel.estimate(names, state, joint)
    judge = Judge(
        classes=model.classes,
        thresholds=estimated.thresholds,
        issue_filter=options.issue_filter,
        cuts=Cuts.none(len(names)),
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    if isinstance(rows, ParquetRows):
        can_join = verdict_joins.can_join(df) and rows.n_rows <= MOST_TO_JUDGE
        cuts, judged = _judge(rows, estimated, model, judge, issues_only=not can_join)
        if can_join:
            row_id = text_of(rows.reading.row_id)  # of these none is null
            joined = verdict_joins.join(df, _numbered(df), row_id, rows, judged)
            if joined:
                return _beside(df, label, *joined)
        ranks = verdict_joins.as_frame(df.sparkSession, verdict_joins.ranks(judged))
    else:
        to_blocks = confident_learning.trusted_blocks if is_sound else valid_probs.blocks
        cuts, _ = confident_learning.cuts(rows, options.issue_filter, model, to_blocks)
        ranks = verdicts.ranks(rows, replace(judge, cuts=cuts), is_sound=is_sound)
    ranks = ranks.select(  # rows that share an id need not share a verdict, or a score
        F.col(c.ROW_ID).alias(_ROW_ID),
        F.col(c.LABEL_SCORE).alias(_SCORE),
        F.col(c.LABEL_RANK).alias(_RANK),
    )
    if state.counts.sum() <= MOST_TO_BROADCAST:  # else Spark decides, by the ranks' size
        ranks = F.broadcast(ranks)
    return _ranked(keyed(), df, label, replace(judge, cuts=cuts), ranks, is_sound=is_sound)


def _as_ours(keyed: DataFrame) -> DataFrame:
    names = {_ROW_ID: c.ROW_ID, _LABEL: c.LABEL, _PROBS: c.PRED_PROBS}
    return keyed.select(*(F.col(own).alias(name) for own, name in names.items()))


def _estimate(rows: DataFrame | ParquetRows, names: Sequence[str], options: Options) -> _Estimated:
    """Estimate the thresholds and, by these, the confident joint; warn of bad rows."""
    held = _held(rows, names, options) if isinstance(rows, ParquetRows) else None
    return _of_held(held, options) if held else _of_passes(rows, len(names), options)


def _held(rows: ParquetRows, names: Sequence[str], options: Options) -> HeldRows | None:
    """Read the rows once and hold what later steps take of them, if that can be."""
    if rows.n_rows > MOST_TO_JUDGE or options.adjust_pred_probs:
        return None
    if not options.issue_filter.is_of_margins:
        return None
    thresholds = options.noise_model.thresholds if options.noise_model else None
    return held_rows.read(rows, names, options.rank_by, thresholds)


def _of_held(held: HeldRows, options: Options) -> _Estimated:
    state, earlier = held.state, options.noise_model
    thresholds = earlier.thresholds if earlier else state.thresholds()
    checked = held.joint(thresholds)
    check_bad_rows(checked, options.max_bad_fraction)
    return _Estimated(state, thresholds, checked, held)


def _of_passes(rows: DataFrame | ParquetRows, n_classes: int, options: Options) -> _Estimated:
    # Most often no row is bad: then the second pass, which checks them all, finds that the first
    # one, which did not, is right, and the others need not check again.
    state, earlier = confident_learning.self_confidence(rows, n_classes), options.noise_model
    thresholds = earlier.thresholds if earlier else state.thresholds()
    with_margins = isinstance(rows, ParquetRows) and options.issue_filter.is_of_margins
    checked = valid_probs.joint(rows, thresholds, with_margins=with_margins)
    check_bad_rows(checked, options.max_bad_fraction)
    if not checked.is_sound:
        state = valid_probs.thresholds(rows, n_classes)
        if not earlier:
            thresholds = state.thresholds()
            checked = valid_probs.joint(rows, thresholds, with_margins=with_margins)
    return _Estimated(state, thresholds, checked)


def _judge(
    rows: ParquetRows, estimated: _Estimated, model: NoiseModel, judge: Judge, *, issues_only: bool
) -> tuple[Cuts, pa.Table]:
    """Return what `local_issues.judge_rows` returns."""
    checked, held = estimated.checked, estimated.held
    plan = plan_selection(judge.issue_filter, model, below_zero=checked.below_zero)
    if held and plan.looks_below_zero:
        return held.judge(plan)
    return local_issues.judge_rows(
        rows, plan, judge, is_sound=checked.is_sound, issues_only=issues_only
    )


def _ranked(
    keyed: DataFrame, df: DataFrame, label: str, judge: Judge, ranks: DataFrame, *, is_sound: bool
) -> DataFrame:
    """Judge the rows where they stand and join the ranks of the issues; lazy."""
    is_plain = verdicts.is_plain(judge, is_sound=is_sound)
    if is_plain:
        found = verdicts.plain(F.col(_LABEL), F.col(_PROBS), judge)
    else:
        row_id, given, probs = map(F.col, (_ROW_ID, _LABEL, _PROBS))
        verdict = verdicts.by_python(row_id, given, probs, judge, is_sound=is_sound)
        keyed = keyed.withColumn(_VERDICT_NAME, verdict)
        found = {name: F.col(_VERDICT_NAME).getField(name) for name in verdicts.VERDICT.names}
    whole = keyed.select(
        _ROW_ID,
        found[c.LABEL_SCORE].alias(_SCORE),
        *(value.alias(f"{_VERDICT_NAME}_{name}") for name, value in found.items()),
        *_numbered(df),
    )
    joined = whole.join(ranks, [_ROW_ID, _SCORE], "left")
    found = {name: F.col(f"{_VERDICT_NAME}_{name}") for name in found}
    found[c.LABEL_RANK] = F.col(_RANK).cast(IntegerType())
    if is_plain:
        found[c.IS_LABEL_ISSUE] = F.col(_RANK).isNotNull()
    else:
        found[c.LABEL_RANK] = F.when(found[c.IS_LABEL_ISSUE], found[c.LABEL_RANK])
    return _beside(df, label, joined, found)


def _numbered(df: DataFrame) -> list[Column]:
    """Return the frame's columns, numbered so that they and ours are not taken for each other."""
    return [column(name).alias(f"{_FRAME}_{i}") for i, name in enumerate(df.columns)]


def _beside(df: DataFrame, label: str, joined: DataFrame, found: Mapping[str, Column]) -> DataFrame:
    """Return the frame's columns under their names, and the new ones beside them."""
    own = columns.own_names(_NEW_COLUMNS, df.columns)
    predicted = found[c.PREDICTED_LABEL].cast(df.schema[label].dataType)
    new = {**found, c.PREDICTED_LABEL: predicted}
    return joined.select(
        *(F.col(f"{_FRAME}_{i}").alias(name) for i, name in enumerate(df.columns)),
        *(new[name].alias(own[name]) for name in _NEW_COLUMNS),
    )
