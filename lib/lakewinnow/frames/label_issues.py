"""`find_label_issues` for those who have probabilities already: Spark, pandas or NumPy."""

from __future__ import annotations  # help() shows ArrayLike, and not what it stands for

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, IntegerType

from lakewinnow import columns as c
from lakewinnow.core.noise.confident_learning import ThresholdState
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection import label_issues as core
from lakewinnow.core.selection.label_issues import FilterBy, IssueFilter, plan_selection
from lakewinnow.core.selection.n_lowest import Cuts
from lakewinnow.core.types import FloatArray
from lakewinnow.errors import ConfigError, DataError, Shown, check_columns
from lakewinnow.frames import columns, pandas_columns
from lakewinnow.frames.classes import FALSE_TRUE, class_names, class_names_in_memory, label_index
from lakewinnow.frames.options import Options, check_bad_rows
from lakewinnow.frames.pandas_columns import as_name
from lakewinnow.lake.inputs import noise_models
from lakewinnow.lake.inputs.source import column, text_of
from lakewinnow.plan.words import counted
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
from lakewinnow.spark.sessions.session import explaining_lost_engine

_ROW_ID, _LABEL, _PROBS = "__lw_row_id", "__lw_label", "__lw_pred_probs"
_VERDICT_NAME, _FRAME = "__lw_verdict", "__lw_frame"
_SCORE, _RANK = "__lw_score", "__lw_rank"
_NEW_COLUMNS: Final = (*verdicts.VERDICT.names[:-1], c.LABEL_RANK, c.ERROR_CODE)

MOST_TO_JUDGE: Final = 2**21  # rows whose verdicts a driver holds, and sends, in 100 bytes each
MOST_TO_BROADCAST: Final = 10_000_000  # rows; their issues, most often a tenth, take 100 bytes each


@explaining_lost_engine()
def find_label_issues(
    df: DataFrame | pd.DataFrame | npt.ArrayLike | None = None,
    pred_probs: str | Sequence[str] | npt.ArrayLike | None = None,
    *,
    label: str | npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    id: str | None = None,
    classes: Sequence[object] | None = None,
    filter_by: FilterBy = "prune_by_noise_rate",
    rank_by: str = "self_confidence",
    return_indices_ranked_by: str | None = None,
    adjust_pred_probs: bool = False,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    num_to_remove_per_class: Sequence[int] | None = None,
    max_bad_fraction: float = 0.1,
    noise_model: noise_models.Source | None = None,
) -> DataFrame | pd.DataFrame | npt.NDArray[np.generic]:
    """Find label issues by confident learning, exactly as cleanlab does.

    ``find_label_issues(labels, pred_probs)`` is as cleanlab's function of that name;
    ``find_label_issues(df, label=..., pred_probs=...)`` adds columns to a frame.

    Parameters
    ----------
    df : Spark or pandas DataFrame; or the labels, shape (n,)
    pred_probs : column of `df`, a list of columns, or array of shape (n, K)
        Out-of-sample probabilities, one per class in the order of `classes`. One column has arrays
        of double, float or decimal, or an ML vector; a list names a column of numbers for each
        class.
    label : str
        Column of `df`: strings, integers, booleans, or floats that are whole numbers. Or, without
        `df`, an array of labels; the result is a pandas frame then.
    labels : array of shape (n,)
        The first argument by cleanlab's name.
    id : str, optional
        Column of unique ids, strings or integers, which break ties. Default: the content of the
        row for Spark, where rows that are equal in every column share a rank; the position for
        pandas and NumPy.
    classes : sequence, optional
        Labels in the order of the probabilities. Default: 0 .. K-1 for numbers, False and True for
        booleans, the sorted distinct labels for strings.
    filter_by, frac_noise, min_examples_per_class, num_to_remove_per_class
        As in ``cleanlab.filter.find_label_issues``; the last with `prune_by_class` only.
    rank_by, adjust_pred_probs
        The label quality score: self_confidence, normalized_margin, confidence_weighted_entropy.
    return_indices_ranked_by : str, optional
        With arrays of labels: return the indices of the issues, worst first by this score, and not
        whether each row is one.
    max_bad_fraction : float
        More rows than this with probabilities or labels that cannot be used are an error.
    noise_model : NoiseModel, mapping or path, optional
        An earlier run's: the rows are judged with its thresholds and its shares of noise, and
        neither is estimated from them. Its classes are the classes.

    Returns
    -------
    DataFrame of the same kind
        The columns of `df` and predicted_label, predicted_prob, is_label_issue, label_score (lower
        is worse), label_rank (1 = worst; null: no issue), error_code (null, or why a row was left
        out: its other new columns are null then). A Spark DataFrame is lazy: the noise model has
        been estimated and the cuts are known; rows are judged when it is read, or have been where
        they are those of Parquet files on this machine.
    array
        For labels: bool of shape (n,), whether each row is an issue; or the indices of those that
        are.

    Raises
    ------
    ConfigError
        Options that do not go together.
    SchemaError
        ``"missing_column"``, ``"wrong_column_type"``
    DataError
        ``"too_many_bad_rows"``, ``"classes_do_not_fit"``, ``"too_many_classes"``, ``"no_rows"``,
        ``"wrong_length"`` for arrays, ``"other_classes"`` than the noise model's

    Examples
    --------
    >>> import lakewinnow, pandas as pd
    >>> labels = [0, 0, 0, 1, 1, 1]
    >>> pred_probs = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]
    >>> lakewinnow.find_label_issues(labels, pred_probs)
    array([False, False,  True, False,  True, False])
    >>> lakewinnow.find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    array([2, 4])

    Of a frame, by names of columns:

    >>> df = pd.DataFrame(pred_probs, columns=["p_bad", "p_good"]).assign(label=labels)
    >>> found = lakewinnow.find_label_issues(df, label="label", pred_probs=["p_bad", "p_good"])
    >>> found[found.is_label_issue][["predicted_label", "label_score", "label_rank"]]
       predicted_label  label_score  label_rank
    2                1          0.1           1
    4                0          0.4           2
    """
    if df is not None and not isinstance(df, (DataFrame, pd.DataFrame)):
        labels = df
    if return_indices_ranked_by is not None:
        if labels is None:
            expected, hint = "labels and pred_probs as arrays", "a frame's rows have label_rank"
            got = Shown("label" if df is None else "a frame")
            raise ConfigError("no_indices", "return_indices_ranked_by", expected, got, hint)
        rank_by = return_indices_ranked_by
    counts = None if num_to_remove_per_class is None else tuple(num_to_remove_per_class)
    model = None if noise_model is None else noise_models.model_of(noise_model, "noise_model")
    options = Options(
        issue_filter=IssueFilter(
            filter_by=filter_by,
            frac_noise=frac_noise,
            min_examples_per_class=min_examples_per_class,
            num_to_remove_per_class=counts,
        ),
        rank_by=rank_by,
        adjust_pred_probs=adjust_pred_probs,
        max_bad_fraction=max_bad_fraction,
        noise_model=model,
    )
    if model is not None:
        if classes is not None:
            model.check_classes([as_name(name) for name in classes], "classes")
        classes = model.classes
    if isinstance(df, (DataFrame, pd.DataFrame)):
        return _of_frame(df, label, pred_probs, id, classes, options)
    found = _of_arrays(label if labels is None else labels, pred_probs, classes, options)
    if labels is None:
        return found
    if return_indices_ranked_by is None:
        return found[c.IS_LABEL_ISSUE].fillna(value=False).to_numpy(bool)
    return found[c.LABEL_RANK].dropna().sort_values().index.to_numpy()


def _of_frame(
    df: DataFrame | pd.DataFrame,
    label: object,
    pred_probs: object,
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame | pd.DataFrame:
    of_probs = [pred_probs] if isinstance(pred_probs, str) else pred_probs
    if not isinstance(label, str) or not _are_names(of_probs):
        got = Shown(type(pred_probs if isinstance(label, str) else label).__name__)
        raise ConfigError("not_a_column", "label, pred_probs", "names of columns of df", got)
    wanted = [("label", label), *(("pred_probs", name) for name in of_probs), ("id", id_column)]
    check_columns(df.columns, wanted, "frame")
    names = pred_probs if isinstance(pred_probs, str) else of_probs
    if isinstance(df, pd.DataFrame):
        ids = pandas_columns.row_ids(df, id_column)
        probs = pandas_columns.probabilities("pred_probs", df, names)
        return _in_memory(df, df[label], probs, ids, classes, options)
    return _on_spark(df, label, names, id_column, classes, options)


def _are_names(values: object) -> TypeGuard[Sequence[str]]:
    return isinstance(values, (list, tuple)) and all(isinstance(of, str) for of in values)


# --- Spark --------------------------------------------------------------------------------------


def _on_spark(
    df: DataFrame,
    label: str,
    pred_probs: str | Sequence[str],
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame:
    given, label_type = columns.check_label(df.schema, label)
    probs = columns.check_probabilities("pred_probs", df.schema, pred_probs)
    if classes is None and isinstance(label_type, BooleanType):
        classes = FALSE_TRUE
    files = (
        parquet_rows.of(df, id_column, label, pred_probs) if isinstance(pred_probs, str) else None
    )
    names = class_names(
        df.select(given.alias("l")),
        df.select(probs.alias("p")),
        classes,
        files.first_lengths if files else None,
    )
    of_probs = [pred_probs] if isinstance(pred_probs, str) else pred_probs
    keyed = df.withColumns(
        {
            _ROW_ID: columns.row_id(df, id_column, [label, *of_probs]),
            _LABEL: label_index(given, label_type, names),
            _PROBS: probs,
        }
    )
    selected = keyed.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        F.col(_LABEL).alias(c.LABEL),
        F.col(_PROBS).alias(c.PRED_PROBS),
    )
    rows = files.of_classes(names) if files else selected
    earlier, held = options.noise_model, _held(rows, names, options)
    state, thresholds, checked = (
        _of_held(held, options) if held else _of_passes(rows, len(names), options)
    )
    is_sound, joint = checked.is_sound, checked.joint
    model = earlier.of_batch(state, joint) if earlier else NoiseModel.estimate(names, state, joint)
    judge = Judge(
        classes=model.classes,
        thresholds=thresholds,
        issue_filter=options.issue_filter,
        cuts=Cuts.none(len(names)),
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    if isinstance(rows, ParquetRows):
        plan = plan_selection(options.issue_filter, model, below_zero=checked.below_zero)
        can_join = verdict_joins.can_join(df) and rows.n_rows <= MOST_TO_JUDGE
        if held and plan.looks_below_zero:
            cuts, judged = held.judge(plan)
        else:
            cuts, judged = local_issues.judge_rows(
                rows, plan, judge, is_sound=is_sound, issues_only=not can_join
            )
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
    return _ranked(keyed, df, label, replace(judge, cuts=cuts), ranks, is_sound=is_sound)


def _held(rows: DataFrame | ParquetRows, names: Sequence[str], options: Options) -> HeldRows | None:
    """Read the rows once and hold what later steps take of them, if that can be."""
    if not isinstance(rows, ParquetRows) or rows.n_rows > MOST_TO_JUDGE:
        return None
    if not options.issue_filter.is_of_margins or options.adjust_pred_probs:
        return None
    thresholds = options.noise_model.thresholds if options.noise_model else None
    return held_rows.read(rows, names, options.rank_by, thresholds)


def _of_held(held: HeldRows, options: Options) -> tuple[ThresholdState, FloatArray, CheckedJoint]:
    """Return self-confidence, the thresholds, and the confident joint by these."""
    state, earlier = held.state, options.noise_model
    thresholds = earlier.thresholds if earlier else state.thresholds()
    checked = held.joint(thresholds)
    check_bad_rows(checked, options.max_bad_fraction)
    return state, thresholds, checked


def _of_passes(
    rows: DataFrame | ParquetRows, n_classes: int, options: Options
) -> tuple[ThresholdState, FloatArray, CheckedJoint]:
    """Return what `_of_held` returns, in a pass for the thresholds and one for the joint."""
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
    return state, thresholds, checked


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


# --- in memory ----------------------------------------------------------------------------------


def _of_arrays(
    label: npt.ArrayLike | None,
    pred_probs: npt.ArrayLike | None,
    classes: Sequence[object] | None,
    options: Options,
) -> pd.DataFrame:
    """Return what is found beside no columns, a row for each label."""
    given, probs = pd.Series(np.asarray(label), name="label"), list(np.asarray(pred_probs))
    if len(given) != len(probs):
        got = Shown(
            f"{counted(len(given), 'label')} and {counted(len(probs), 'row')} of pred_probs"
        )
        raise DataError("wrong_length", "label, pred_probs", "arrays of the same length", got)
    df, values = pd.DataFrame(index=given.index), pd.Series(probs, name="pred_probs")
    return _in_memory(df, given, values, pandas_columns.row_ids(df, None), classes, options)


def _in_memory(
    df: pd.DataFrame,
    label: pd.Series,
    pred_probs: pd.Series,
    ids: list[str],
    classes: Sequence[object] | None,
    options: Options,
) -> pd.DataFrame:
    labels = pandas_columns.plain("label", label, with_bools=True)
    probs = pandas_columns.arrays("pred_probs", pred_probs)
    lengths = (len(row) for row in probs if row is not None)
    names = class_names_in_memory(labels, lengths, classes)
    index: dict[str | None, int] = {name: k for k, name in enumerate(names)}
    known = pd.Series([index.get(name) for name in pandas_columns.strings(labels)], dtype="Int64")
    checked = valid_probs.check_series(pd.Series(ids), known, pd.Series(probs), len(names))
    check_bad_rows(checked, options.max_bad_fraction)
    block = checked.block
    found = core.find_label_issues(
        block.labels,
        block.pred_probs,
        block.row_ids,
        classes=names,
        issue_filter=options.issue_filter,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
        noise_model=options.noise_model,
    )
    predicted = pa.array(names).take(pa.array(block.pred_probs.argmax(axis=1)))
    verdict = {
        c.PREDICTED_LABEL: predicted.cast(pandas_columns.arrow_type(labels)),
        c.PREDICTED_PROB: block.pred_probs.max(axis=1),
        c.IS_LABEL_ISSUE: found.is_label_issue,
        c.LABEL_SCORE: found.label_score,
        c.LABEL_RANK: pa.array(found.label_rank, mask=~found.is_label_issue),
    }
    return pandas_columns.append(df, checked.of_all_rows(verdict))
