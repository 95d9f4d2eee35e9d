"""`find_label_issues` for those who have probabilities already: Spark, pandas or NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from lakewinnow import columns as c
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.selection import label_issues as core
from lakewinnow.core.selection.label_issues import FilterBy, IssueFilter
from lakewinnow.core.selection.scores import check_score
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.frames import frame
from lakewinnow.lake.inputs import noise_models
from lakewinnow.lake.inputs.source import column
from lakewinnow.spark.arrow import parquet_rows
from lakewinnow.spark.passes import confident_learning, valid_probs, verdicts
from lakewinnow.spark.passes.confident_learning import Judge
from lakewinnow.spark.sessions.session import telling_of_loss

_ROW_ID, _LABEL, _PROBS = "__lw_row_id", "__lw_label", "__lw_pred_probs"
_VERDICT_NAME, _FRAME = "__lw_verdict", "__lw_frame"
_SCORE, _RANK = "__lw_score", "__lw_rank"
_NEW_COLUMNS: Final = (*verdicts.VERDICT.names[:-1], c.LABEL_RANK, c.ERROR_CODE)

MOST_TO_BROADCAST: Final = 10_000_000  # rows; their issues, most often a tenth, take 100 bytes each
_HINT: Final = "are classes in the order of the probabilities? if so, raise max_bad_fraction"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the caller wants found, checked."""

    issue_filter: IssueFilter
    rank_by: str
    adjust_pred_probs: bool
    max_bad_fraction: float
    noise_model: NoiseModel | None


@telling_of_loss()
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
    noise_model: noise_models.Source | None = None,
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
        Column of unique ids, strings or integers, which break ties. Default: the content of the
        row for Spark, where rows that are equal in every column share a rank; the position for
        pandas and NumPy.
    classes : sequence, optional
        Labels in the order of the probabilities. Default: 0 .. K-1 for integers, the sorted
        distinct labels for strings.
    filter_by, frac_noise, min_examples_per_class, num_to_remove_per_class
        As in ``cleanlab.filter.find_label_issues``; the last with `prune_by_class` only.
    rank_by, adjust_pred_probs
        The label quality score: self_confidence, normalized_margin, confidence_weighted_entropy.
    max_bad_fraction : float
        More rows than this with probabilities or labels that cannot be used are an error.
    noise_model : NoiseModel, mapping or path, optional
        An earlier run's: the rows are judged with its thresholds and its shares of noise, and
        neither is estimated from them. Its classes are the classes.

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
        ``"too_many_bad_rows"``, ``"classes_do_not_fit"``, ``"too_many_classes"``, ``"no_rows"``,
        ``"wrong_length"`` for arrays, ``"other_classes"`` than the noise model's
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
        noise_model=None
        if noise_model is None
        else noise_models.model_of(noise_model, "noise_model"),
    )
    if options.noise_model is not None:
        if classes is not None:
            options.noise_model.check_classes([str(name) for name in classes], "classes")
        classes = options.noise_model.classes
    if df is None:
        rows, given, probs = _of_arrays(np.asarray(label), np.asarray(pred_probs))
        return _in_memory(rows, given, probs, frame.row_ids(rows, None), classes, options)
    if not isinstance(label, str) or not isinstance(pred_probs, str):
        got = Shown(type(pred_probs if isinstance(label, str) else label).__name__)
        raise ConfigError("not_a_column", "label, pred_probs", "names of columns of df", got)
    frame.check_names(df.columns, {"label": label, "pred_probs": pred_probs, "id": id})
    if isinstance(df, pd.DataFrame):
        ids = frame.row_ids(df, id)
        return _in_memory(df, df[label], df[pred_probs], ids, classes, options)
    return _on_spark(df, label, pred_probs, id, classes, options)


# --- Spark --------------------------------------------------------------------------------------


def _on_spark(
    df: DataFrame,
    label: str,
    pred_probs: str,
    id_column: str | None,
    classes: Sequence[object] | None,
    options: Options,
) -> DataFrame:
    frame.check_key("label", df.schema, label)
    probs = frame.check_probabilities("pred_probs", df.schema, pred_probs)
    names = frame.class_names(df.select(column(label)), df.select(probs.alias("p")), classes)
    keyed = df.withColumns(
        {
            _ROW_ID: frame.row_id(df, id_column, [label, pred_probs]),
            _LABEL: frame.label_index(df, label, names),
            _PROBS: probs,
        }
    )
    selected = keyed.select(
        F.col(_ROW_ID).alias(c.ROW_ID),
        F.col(_LABEL).alias(c.LABEL),
        F.col(_PROBS).alias(c.PRED_PROBS),
    )
    rows = parquet_rows.of(df, id_column, label, pred_probs, names) or selected
    earlier = options.noise_model
    # Most often no row is bad: then the second pass, which checks them all, finds that the first
    # one, which did not, is right, and the others need not check again.
    state = confident_learning.self_confidence(rows, len(names))
    thresholds = earlier.thresholds if earlier else state.thresholds()
    checked = valid_probs.joint(rows, thresholds)
    frame.check_bad_rows(
        valid_probs.CODES,
        checked.n_by_code,
        checked.n_imprecise,
        options.max_bad_fraction,
        _HINT,
    )
    to_blocks = confident_learning.trusted_blocks
    if not checked.is_sound:
        to_blocks = valid_probs.blocks
        state = valid_probs.thresholds(rows, len(names))
        if not earlier:
            checked = valid_probs.joint(rows, state.thresholds())
    joint = checked.joint
    model = earlier.of_batch(state, joint) if earlier else NoiseModel.estimate(names, state, joint)
    cuts, _ = confident_learning.cuts(rows, options.issue_filter, model, to_blocks)
    judge = Judge(
        classes=model.classes,
        thresholds=model.thresholds,
        issue_filter=options.issue_filter,
        cuts=cuts,
        rank_by=options.rank_by,
        adjust_pred_probs=options.adjust_pred_probs,
    )
    issues = verdicts.issues(rows, judge, is_sound=checked.is_sound)
    ranks = issues.select(  # rows that share an id need not share a verdict, or a score
        F.col(c.ROW_ID).alias(_ROW_ID),
        F.col(c.LABEL_SCORE).alias(_SCORE),
        F.col(c.LABEL_RANK).alias(_RANK),
    )
    if state.counts.sum() <= MOST_TO_BROADCAST:  # else Spark decides, by the ranks' size
        ranks = F.broadcast(ranks)
    return _ranked(keyed, df, label, judge, ranks, is_sound=checked.is_sound)


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
    # Numbered, so that ours and the frame's own are not taken for each other
    theirs = {f"{_FRAME}_{i}": name for i, name in enumerate(df.columns)}
    whole = keyed.select(
        _ROW_ID,
        found[c.LABEL_SCORE].alias(_SCORE),
        *(value.alias(f"{_VERDICT_NAME}_{name}") for name, value in found.items()),
        *(column(name).alias(numbered) for numbered, name in theirs.items()),
    )
    joined = whole.join(ranks, [_ROW_ID, _SCORE], "left")
    found = {name: F.col(f"{_VERDICT_NAME}_{name}") for name in found}
    found[c.PREDICTED_LABEL] = found[c.PREDICTED_LABEL].cast(df.schema[label].dataType)
    found[c.LABEL_RANK] = F.col(_RANK).cast(IntegerType())
    if is_plain:
        found[c.IS_LABEL_ISSUE] = F.col(_RANK).isNotNull()
    else:
        found[c.LABEL_RANK] = F.when(found[c.IS_LABEL_ISSUE], found[c.LABEL_RANK])
    own = frame.own_names(_NEW_COLUMNS, df.columns)
    return joined.select(
        *(F.col(numbered).alias(name) for numbered, name in theirs.items()),
        *(found[name].alias(own[name]) for name in _NEW_COLUMNS),
    )


# --- in memory ----------------------------------------------------------------------------------


def _of_arrays(
    label: npt.NDArray[np.generic], pred_probs: npt.NDArray[np.generic]
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Return a frame of no columns, and the two that are not in it."""
    if len(label) != len(pred_probs):
        got = Shown(f"{len(label):,} labels and {len(pred_probs):,} rows of pred_probs")
        raise DataError("wrong_length", "label, pred_probs", "arrays of the same length", got)
    given, probs = pd.Series(label, name="label"), pd.Series(list(pred_probs), name="pred_probs")
    return pd.DataFrame(index=range(len(label))), given, probs


def _in_memory(
    df: pd.DataFrame,
    label: pd.Series,
    pred_probs: pd.Series,
    ids: list[str],
    classes: Sequence[object] | None,
    options: Options,
) -> pd.DataFrame:
    labels = frame.plain("label", label)
    probs = frame.arrays("pred_probs", pred_probs)
    lengths = (len(row) for row in probs if row is not None)
    names = frame.class_names_in_memory(labels, lengths, classes)
    index: dict[str | None, int] = {name: k for k, name in enumerate(names)}
    known = pd.Series([index.get(name) for name in frame.strings(labels)], dtype="Int64")
    checked = valid_probs.check_series(pd.Series(ids), known, pd.Series(probs), len(names))
    n_by_code = np.bincount(checked.codes, minlength=len(valid_probs.CODES))
    frame.check_bad_rows(
        valid_probs.CODES, n_by_code, checked.n_imprecise, options.max_bad_fraction, _HINT
    )
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
    columns = {
        c.PREDICTED_LABEL: predicted.cast(frame.arrow_type(labels)),
        c.PREDICTED_PROB: block.pred_probs.max(axis=1),
        c.IS_LABEL_ISSUE: found.is_label_issue,
        c.LABEL_SCORE: found.label_score,
        c.LABEL_RANK: pa.array(found.label_rank, mask=~found.is_label_issue),
    }
    return frame.append(df, verdicts.spread(columns, checked))
