"""`find_multilabel_issues` for rows that belong to any number of classes: Spark or pandas.

Passes   2 (thresholds; joints), those of the selection, and the result twice when it is read
Shuffle  by id, for the ranks
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, IntegerType

from lakewinnow import columns as c
from lakewinnow.core.multilabel import filters as core
from lakewinnow.core.multilabel.one_vs_rest import estimate_noise_models
from lakewinnow.core.selection.label_issues import FilterBy, IssueFilter
from lakewinnow.errors import check_columns
from lakewinnow.frames import columns, pandas_columns
from lakewinnow.frames.classes import class_names, class_names_in_memory
from lakewinnow.frames.options import Options, check_bad_rows
from lakewinnow.lake.inputs.source import column
from lakewinnow.spark.arrow import udf
from lakewinnow.spark.arrow.lists import spread
from lakewinnow.spark.passes import confident_learning
from lakewinnow.spark.passes import one_vs_rest as passes
from lakewinnow.spark.passes.one_vs_rest import MultilabelJudge
from lakewinnow.spark.sessions import cluster
from lakewinnow.spark.sessions.session import explaining_lost_engine

_ROW_ID, _RANK, _FOUND = "__lw_row_id", "__lw_rank", "__lw_found"

_ADDED: Final = (
    c.PREDICTED_LABELS,
    c.IS_LABEL_ISSUE,
    c.LABEL_SCORE,
    c.LABEL_RANK,
    c.ISSUE_LABELS,
    c.ERROR_CODE,
)


@explaining_lost_engine()
def find_multilabel_issues(
    df: DataFrame | pd.DataFrame,
    *,
    labels: str,
    pred_probs: str,
    id: str | None = None,
    classes: Sequence[object] | None = None,
    filter_by: FilterBy = "prune_by_noise_rate",
    rank_by: str = "self_confidence",
    adjust_pred_probs: bool = False,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    num_to_remove_per_class: Sequence[int] | None = None,
    max_bad_fraction: float = 0.1,
) -> DataFrame | pd.DataFrame:
    """Find label issues where a row may have any number of labels, exactly as cleanlab does.

    Parameters
    ----------
    df : Spark or pandas DataFrame
    labels, pred_probs : str
        Columns of `df`. Labels are arrays of strings or integers, the classes a row belongs to,
        perhaps none. Probabilities are out-of-sample, of each class by itself, in the order of
        `classes`; they need not sum to 1: arrays of double, float or decimal, or an ML vector.
    id : str, optional
        Column of unique ids, strings or integers, which break ties. Default: the content of the
        row for Spark, where rows that are equal in every column share a rank; the position for
        pandas.
    classes : sequence, optional
        Labels in the order of the probabilities. Default: 0 .. K-1 for integers, the sorted
        distinct labels for strings.
    filter_by, frac_noise, min_examples_per_class, num_to_remove_per_class
        As in ``cleanlab.multilabel_classification.filter.find_label_issues``; the last with
        `prune_by_class` only.
    rank_by, adjust_pred_probs
        The label quality score of each class: self_confidence, normalized_margin,
        confidence_weighted_entropy. A row's score is their exponential moving average.
    max_bad_fraction : float
        More rows than this with probabilities or labels that cannot be used are an error.

    Returns
    -------
    DataFrame of the same kind
        The columns of `df` and predicted_labels (the classes of probability 0.5 or more),
        is_label_issue, label_score (lower is worse), label_rank (1 = worst; null: no issue),
        issue_labels (the classes that the row seems wrongly in, or wrongly not in), error_code
        (null, or why a row was left out: its other new columns are null then). A Spark DataFrame
        is lazy: the noise models have been estimated and the cuts are known, rows are judged when
        it is read.

    Raises
    ------
    ConfigError
        Options that do not go together.
    SchemaError
        ``"missing_column"``, ``"wrong_column_type"``
    DataError
        ``"too_many_bad_rows"``, ``"classes_do_not_fit"``, ``"too_many_classes"``, ``"no_rows"``

    Notes
    -----
    The filters `low_*` look at rows as a whole; there issue_labels are those that
    `confident_learning` finds in the rows they flag, perhaps none.
    """
    counts = None if num_to_remove_per_class is None else tuple(num_to_remove_per_class)
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
    )
    names = (labels, pred_probs, id)
    wanted = zip(("labels", "pred_probs", "id"), names, strict=True)
    check_columns(df.columns, wanted, "frame")
    if isinstance(df, pd.DataFrame):
        return _in_memory(df, *names, classes, options)
    return _on_spark(df, *names, classes, options)


# --- Spark --------------------------------------------------------------------------------------


def _on_spark(
    df: DataFrame,
    labels: str,
    pred_probs: str,
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame:
    label_type = columns.check_key("labels", df.schema, labels, is_list=True)
    probs = columns.check_probabilities("pred_probs", df.schema, pred_probs)
    given = df.select(F.explode(column(labels)).alias(c.LABEL))
    names = class_names(given, df.select(probs.alias(c.PRED_PROBS)), classes)

    keyed = df.withColumn(_ROW_ID, columns.row_id(df, id_column, [labels, pred_probs]))
    inputs = {
        c.ROW_ID: F.col(_ROW_ID),
        c.LABEL: column(labels).cast("array<string>"),
        c.PRED_PROBS: probs,
    }
    rows = keyed.select(*(value.alias(name) for name, value in inputs.items()))

    checked = passes.thresholds(rows, names)
    check_bad_rows(checked, options.max_bad_fraction)
    thresholds = checked.state.thresholds()
    joints = passes.joints(rows, thresholds, names)
    models = estimate_noise_models(names, checked.state, joints)
    n_tallies = cluster.parallelism(df.sparkSession)
    plan = core.plan_selection(
        options.issue_filter, models, int(joints.n_rows[0]), n_tallies=n_tallies
    )
    cuts, _ = confident_learning.select(rows, plan, partial(passes.blocks, classes=names))
    judge = MultilabelJudge(
        classes=names,
        thresholds=thresholds,
        issue_filter=options.issue_filter,
        cuts=cuts,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    found = udf.on_arrow(judge, passes.JUDGED)(*inputs.values())
    return _ranked(keyed.withColumn(_FOUND, found), df, ArrayType(label_type))


def _ranked(judged: DataFrame, df: DataFrame, labels_type: ArrayType) -> DataFrame:
    """Join the ranks of the issues; the frame's own columns as they came, then ours."""
    found = {name: F.col(_FOUND).getField(name) for name in passes.JUDGED.names}
    issues = judged.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        found[c.IS_LABEL_ISSUE].alias(c.IS_LABEL_ISSUE),
        found[c.LABEL_SCORE].alias(c.LABEL_SCORE),
    )
    by_id = confident_learning.ranks(issues).groupBy(F.col(c.ROW_ID).alias(_ROW_ID))
    ranks = by_id.agg(F.min(c.LABEL_RANK).cast(IntegerType()).alias(_RANK))
    found[c.LABEL_RANK] = F.when(found[c.IS_LABEL_ISSUE], F.col(_RANK))
    for name in (c.PREDICTED_LABELS, c.ISSUE_LABELS):
        found[name] = found[name].cast(labels_type)
    own = columns.own_names(_ADDED, df.columns)
    return judged.join(ranks, _ROW_ID, "left").select(
        *map(column, df.columns), *(found[name].alias(own[name]) for name in _ADDED)
    )


# --- in memory ----------------------------------------------------------------------------------


def _in_memory(
    df: pd.DataFrame,
    labels: str,
    pred_probs: str,
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> pd.DataFrame:
    entries, lists = pandas_columns.lists("labels", df[labels])
    probs = pandas_columns.arrays("pred_probs", df[pred_probs])
    lengths = [len(row) for row in probs if row is not None]
    names = class_names_in_memory(entries, lengths, classes)
    ids = pandas_columns.row_ids(df, id_column)

    checked = passes.check(passes.batch(pa.array(ids), pa.array(lists), pa.array(probs)), names)
    check_bad_rows(checked, options.max_bad_fraction)
    block = checked.block
    found = core.find_label_issues(
        [np.flatnonzero(row).tolist() for row in block.labels],
        block.pred_probs,
        block.row_ids,
        classes=names,
        issue_filter=options.issue_filter,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    found_columns = passes.verdicts(
        checked, names, found.is_label_issue, found.is_class_issue, found.label_score
    )
    rank = pa.array(found.label_rank, mask=~found.is_label_issue)
    found_columns[c.LABEL_RANK] = spread(rank, checked.rows, len(df))
    for name in (c.PREDICTED_LABELS, c.ISSUE_LABELS):
        found_columns[name] = found_columns[name].cast(pa.list_(pandas_columns.arrow_type(entries)))
    return pandas_columns.append(df, {name: found_columns[name] for name in _ADDED})
