"""`find_label_issues` for those who have probabilities already: Spark, pandas or NumPy."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DoubleType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from lakewinnow import columns as c
from lakewinnow.core import label_issues as core
from lakewinnow.core.label_issues import FilterBy, IssueFilter
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.scores import check_score
from lakewinnow.errors import ConfigError, DataError, SchemaError, Shown, did_you_mean
from lakewinnow.lake.source import column, own_name
from lakewinnow.spark import confident_learning, udf, valid_probs
from lakewinnow.spark.confident_learning import Judge

_ROW_ID, _LABEL, _PROBS = "__lw_row_id", "__lw_label", "__lw_pred_probs"
_VERDICT_NAME, _FRAME = "__lw_verdict", "__lw_frame"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the caller wants found, checked."""

    issue_filter: IssueFilter
    rank_by: str
    adjust_pred_probs: bool
    max_bad_fraction: float


def find_label_issues(
    df: DataFrame | pd.DataFrame | None = None,
    *,
    label: str | npt.ArrayLike,
    pred_probs: str | npt.ArrayLike,
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
    """Find label issues by confident learning, exactly as cleanlab does.

    Parameters
    ----------
    df : Spark DataFrame, pandas DataFrame, or None
        None: `label` and `pred_probs` are arrays of shape (n,) and (n, K).
    label, pred_probs : str
        Columns of `df`. Labels are strings or integers. Probabilities are out-of-sample, one per
        class in the order of `classes`: arrays of double, float or decimal, or an ML vector.
    id : str, optional
        Column of unique ids, which break ties. Default: the content of the row for Spark, where
        rows that are equal in every column share a rank; the position for pandas and NumPy.
    classes : sequence, optional
        Labels in the order of the probabilities. Default: 0 .. K-1 for integers, the sorted
        distinct labels for strings.
    filter_by, frac_noise, min_examples_per_class, num_to_remove_per_class
        As in ``cleanlab.filter.find_label_issues``; the last with `prune_by_class` only.
    rank_by, adjust_pred_probs
        The label quality score: self_confidence, normalized_margin, confidence_weighted_entropy.
    max_bad_fraction : float
        More rows than this with probabilities or labels that cannot be used are an error.

    Returns
    -------
    DataFrame of the same kind (pandas for arrays)
        The columns of `df` and predicted_label, predicted_prob, is_label_issue, label_score (lower
        is worse), label_rank (1 = worst; null: no issue), error_code (null, or why a row was left
        out: its other new columns are null then). A Spark DataFrame is lazy: the noise model has
        been estimated and the cuts are known, rows are judged when it is read.

    Raises
    ------
    ConfigError
        Options that do not go together.
    SchemaError
        ``"missing_column"``, ``"wrong_column_type"``
    DataError
        ``"too_many_bad_rows"``, ``"classes_do_not_fit"``, ``"no_rows"``
    """
    check_score(rank_by, adjusted=adjust_pred_probs)
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
    if df is None:
        given = pd.Series(np.asarray(label))
        return _in_memory(
            pd.DataFrame(), given, list(np.asarray(pred_probs)), None, classes, options
        )
    if not isinstance(label, str) or not isinstance(pred_probs, str):
        got = Shown(type(pred_probs if isinstance(label, str) else label).__name__)
        raise ConfigError("not_a_column", "label, pred_probs", "names of columns of df", got)
    if isinstance(df, pd.DataFrame):
        _check_names(list(df.columns), label, pred_probs, id)
        ids = None if id is None else df[id].astype(str).tolist()
        return _in_memory(df, df[label], df[pred_probs].tolist(), ids, classes, options)
    return _on_spark(df, label, pred_probs, id, classes, options)


def _check_names(columns: list[str], *wanted: str | None) -> None:
    for key, name in zip(("label", "pred_probs", "id"), wanted, strict=True):
        if name is not None and name not in columns:
            expected = f"one of the frame's columns ({', '.join(map(str, columns))})"
            hint = did_you_mean(name, columns)
            raise SchemaError("missing_column", key, expected, name, hint)


# --- Spark --------------------------------------------------------------------------------------


def _on_spark(
    df: DataFrame,
    label: str,
    pred_probs: str,
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame:
    _check_names(df.columns, label, pred_probs, id_column)
    probs_type = df.schema[pred_probs].dataType
    if not valid_probs.is_probabilities(probs_type):
        got = Shown(f"{pred_probs} {probs_type.simpleString()}")
        expected = "an array of double, float or decimal, or a vector"
        raise SchemaError("wrong_column_type", "pred_probs", expected, got)
    probs = valid_probs.as_array(column(pred_probs), probs_type)
    names = _classes_on_spark(df.select(column(label).alias("l"), probs.alias("p")), classes)
    row_id = _content_id(df) if id_column is None else column(id_column).cast("string")
    keyed = df.withColumns(
        {
            _ROW_ID: row_id,
            _LABEL: valid_probs.label_index(column(label).cast("string"), names),
            _PROBS: probs,
        }
    )
    rows = keyed.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        F.col(_LABEL).alias(c.LABEL),
        F.col(_PROBS).alias(c.PRED_PROBS),
    )
    state, n_by_code, n_imprecise = valid_probs.thresholds(rows, len(names))
    _check_bad_rows(n_by_code, n_imprecise, options.max_bad_fraction)
    joint = confident_learning.joint(rows, state.thresholds(), valid_probs.blocks)
    model = NoiseModel.estimate(names, state, joint)
    cuts, _ = confident_learning.cuts(rows, options.issue_filter, model, valid_probs.blocks)
    judge = Judge(
        classes=model.classes,
        thresholds=model.thresholds,
        issue_filter=options.issue_filter,
        cuts=cuts,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    return _ranked(keyed, df, label, judge)


def _content_id(df: DataFrame) -> Column:
    """Hash a row to 128 bits; what it cannot hash, maps, it leaves out."""
    names = [f.name for f in df.schema.fields if not isinstance(f.dataType, MapType)]
    halves = (F.xxhash64(F.lit(half), *map(column, names)) for half in (0, 1))
    return F.concat(*(F.lpad(F.hex(half), 16, "0") for half in halves))


def _classes_on_spark(df: DataFrame, classes: Sequence[object] | None) -> list[str]:
    if classes is not None:
        return [str(name) for name in classes]
    if isinstance(df.schema["l"].dataType, StringType):
        labels = df.where("l IS NOT NULL").select("l").distinct().collect()
        return sorted(row.l for row in labels)
    first = df.where("p IS NOT NULL").select(F.size("p")).first()
    return [str(k) for k in range(first[0] if first else 0)]


_VERDICT: Final = StructType(
    [
        StructField(c.PREDICTED_LABEL, StringType()),
        StructField(c.PREDICTED_PROB, DoubleType()),
        StructField(c.IS_LABEL_ISSUE, BooleanType()),
        StructField(c.LABEL_SCORE, DoubleType()),
        StructField(c.ERROR_CODE, StringType()),
    ]
)


def _ranked(keyed: DataFrame, df: DataFrame, label: str, judge: Judge) -> DataFrame:
    """Judge the rows where they stand and join the ranks of the issues; lazy."""
    # One struct a row: the frame's own columns need not travel to Python and back.
    verdict_of = udf.on_arrow(partial(_verdicts, judge=judge), _VERDICT)
    verdict = verdict_of(F.col(_ROW_ID), F.col(_LABEL), F.col(_PROBS))
    judged = keyed.withColumn(_VERDICT_NAME, verdict)
    names = (*_VERDICT.names[:-1], c.LABEL_RANK, c.ERROR_CODE)
    own = {name: own_name(name, df.columns) for name in names}
    issues = (
        keyed.select(F.col(_ROW_ID).alias(c.ROW_ID), verdict.alias("v"))
        .select(c.ROW_ID, "v.*")
        .where(c.IS_LABEL_ISSUE)
    )
    by_id = confident_learning.ranks(issues).groupBy(F.col(c.ROW_ID).alias(_ROW_ID))
    ranks = by_id.agg(F.min(c.LABEL_RANK).cast(IntegerType()).alias(c.LABEL_RANK))
    found = {name: F.col(_VERDICT_NAME).getField(name) for name in _VERDICT.names}
    found[c.LABEL_RANK] = F.col(c.LABEL_RANK)
    found[c.PREDICTED_LABEL] = found[c.PREDICTED_LABEL].cast(df.schema[label].dataType)
    own_columns = [F.col(_FRAME).getField(name).alias(name) for name in df.columns]
    whole = judged.select(_ROW_ID, _VERDICT_NAME, F.struct(*map(column, df.columns)).alias(_FRAME))
    joined = whole.join(ranks, _ROW_ID, "left")
    return joined.select(*own_columns, *(found[name].alias(own[name]) for name in names))


def _verdicts(
    row_ids: pa.Array, labels: pa.Array, values: pa.Array, judge: Judge
) -> pa.StructArray:
    batch = pa.record_batch([row_ids, labels, values], names=[c.ROW_ID, c.LABEL, c.PRED_PROBS])
    checked = valid_probs.check_batch(batch, len(judge.classes))
    is_good = checked.codes == 0
    verdict = {k: _spread(v, is_good) for k, v in judge.of_block(checked.block).items()}
    codes = pa.array(valid_probs.CODES).take(pa.array(checked.codes))
    verdict[c.ERROR_CODE] = pc.if_else(pa.array(is_good), None, codes)
    return udf.struct_array(_VERDICT, verdict)


def _spread(values: pa.Array | npt.NDArray[np.generic], there: npt.NDArray[np.bool_]) -> pa.Array:
    """Return an array with the values at the true places and null elsewhere."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array if there.all() else array.take(pa.array(np.cumsum(there) - 1, mask=~there))


def _check_bad_rows(n_by_code: npt.NDArray[np.int64], n_imprecise: int, most: float) -> None:
    n_rows, n_bad = int(n_by_code.sum()), int(n_by_code[1:].sum())
    reasons = ", ".join(
        f"{n:,} {code}" for code, n in zip(valid_probs.CODES, n_by_code, strict=True) if code and n
    )
    if n_bad > most * n_rows:
        raise DataError(
            "too_many_bad_rows",
            "pred_probs",
            f"at most {most:.0%} of the rows to be left out",
            Shown(f"{n_bad:,} of {n_rows:,}: {reasons}"),
            "are classes in the order of the probabilities? if so, raise max_bad_fraction",
        )
    if n_bad:
        warnings.warn(f"{n_bad:,} of {n_rows:,} rows are left out: {reasons}", stacklevel=4)
    if n_imprecise:
        warnings.warn(
            f"the probabilities of {n_imprecise:,} rows sum to 1 only to within 0.01", stacklevel=4
        )


# --- in memory ----------------------------------------------------------------------------------


def _in_memory(
    df: pd.DataFrame,
    label: pd.Series,
    pred_probs: list[npt.NDArray[np.floating]],
    ids: list[str] | None,
    classes: Sequence[object] | None,
    options: Options,
) -> pd.DataFrame:
    names = _classes_in_memory(label, pred_probs, classes)
    index = {name: k for k, name in enumerate(names)}
    row_ids = [f"{row:012d}" for row in range(len(label))] if ids is None else ids
    labels = [index.get(str(value)) for value in label]
    known = pd.Series(labels, dtype="Int64")
    checked = valid_probs.check_series(pd.Series(row_ids), known, pd.Series(pred_probs), len(names))
    n_by_code = np.bincount(checked.codes, minlength=len(valid_probs.CODES))
    _check_bad_rows(n_by_code, checked.n_imprecise, options.max_bad_fraction)
    block = checked.block
    found = core.find_label_issues(
        block.labels,
        block.pred_probs,
        block.row_ids,
        classes=names,
        issue_filter=options.issue_filter,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    kinds = {str(value): value for value in label}
    predicted = block.pred_probs.argmax(axis=1)
    values = {
        c.PREDICTED_LABEL: pd.Series([kinds.get(names[k], names[k]) for k in predicted]),
        c.PREDICTED_PROB: pd.Series(block.pred_probs.max(axis=1)),
        c.IS_LABEL_ISSUE: pd.Series(found.is_label_issue, dtype="boolean"),
        c.LABEL_SCORE: pd.Series(found.label_score),
        c.LABEL_RANK: pd.Series(found.label_rank, dtype="Int64").replace(0, pd.NA),
    }
    out = df.copy() if len(df.columns) else pd.DataFrame(index=label.index)
    taken = list(df.columns)
    for name, value in values.items():
        value.index = out.index[checked.rows]
        out[own_name(name, taken)] = value.reindex(out.index)
    codes = [valid_probs.CODES[code] or None for code in checked.codes]
    out[own_name(c.ERROR_CODE, taken)] = pd.Series(codes, index=out.index, dtype=object)
    return out


def _classes_in_memory(
    label: pd.Series, pred_probs: list[npt.NDArray[np.floating]], classes: Sequence[object] | None
) -> list[str]:
    if classes is not None:
        return [str(name) for name in classes]
    if pd.api.types.is_integer_dtype(label):
        return [str(k) for k in range(len(pred_probs[0]) if pred_probs else 0)]
    return sorted({str(value) for value in label.dropna()})
