"""`find_label_issues` for those who have probabilities already: Spark, pandas or NumPy."""

from __future__ import annotations  # help() shows ArrayLike, and not what it stands for

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame

from lakewinnow import columns as c
from lakewinnow.core.selection import label_issues as core
from lakewinnow.core.selection.label_issues import FilterBy, IssueFilter
from lakewinnow.errors import ConfigError, DataError, Shown, check_columns
from lakewinnow.frames import label_issues_on_spark, pandas_columns
from lakewinnow.frames.classes import class_names_in_memory
from lakewinnow.frames.options import Options, check_bad_rows
from lakewinnow.frames.pandas_columns import as_name
from lakewinnow.lake.inputs import noise_models
from lakewinnow.plan.words import counted
from lakewinnow.spark.passes import valid_probs
from lakewinnow.spark.sessions.session import explaining_lost_engine


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
        been estimated and the cuts are known; rows are judged when it is read, but up to four
        million of Parquet files on this machine at once.
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
    return label_issues_on_spark.find(df, label, names, id_column, classes, options)


def _are_names(values: object) -> TypeGuard[Sequence[str]]:
    return isinstance(values, (list, tuple)) and all(isinstance(of, str) for of in values)


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
