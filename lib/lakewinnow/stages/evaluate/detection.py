"""How well the label issues found are the label errors that a reference knows of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import InputConfig
from lakewinnow.core.evaluation.paired_comparison import average_precision
from lakewinnow.errors import DataError
from lakewinnow.figures.models import Detection, Evaluated
from lakewinnow.lake.inputs.reference import KEY, TRUE_LABEL, key
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.workspace import Lake, StageReport

_SCORE_BINS = 100_000  # label scores are compared to five decimals: a bounded table on the driver


def run(
    lake: Lake, reference: Source, truth: DataFrame, source: InputConfig
) -> StageReport[Evaluated]:
    """Compare flags, label scores and suggested labels with the reference.

    Rows meet by `input.id`, else by text (or embedding, or features); those that the reference
    labels in two ways are left out.

    Parameters
    ----------
    truth : `reference.true_labels`

    Raises
    ------
    DataError : "reference_matches_nothing": no row of the corpus is in the reference
    """
    issues = lake.read("issues").where(F.col(c.GIVEN_LABEL).isNotNull())
    if source.id is None:
        issues = issues.join(lake.read("corpus").select(c.ROW_ID, c.TEXT_KEY), c.ROW_ID)
    given, suggested = F.col(c.GIVEN_LABEL), F.col(c.SUGGESTED_LABEL)
    would_change = F.col(c.IS_LABEL_ISSUE) & (suggested != given)
    counted = (
        issues.withColumn(KEY, key(source))
        .join(truth, KEY)
        .select(
            F.round(F.col(c.LABEL_SCORE) * _SCORE_BINS).alias("score"),
            (given != F.col(TRUE_LABEL)).alias("is_error"),
            c.IS_LABEL_ISSUE,
            would_change.alias("would_change"),
            (would_change & (suggested == F.col(TRUE_LABEL))).alias("would_be_right"),
        )
        .groupBy("score", "is_error", c.IS_LABEL_ISSUE, "would_change", "would_be_right")
        .count()
        .toPandas()
    )
    n = counted["count"].to_numpy()
    if not n.sum():
        expected = "rows that are also in the input"
        hint = "rows are matched by input.id, or by text if input.id is not set"
        raise DataError("reference_matches_nothing", "evaluate.reference", expected, "none", hint)
    is_error, is_flagged, would_change_, would_be_right = (
        counted[name].to_numpy(bool)
        for name in ("is_error", c.IS_LABEL_ISSUE, "would_change", "would_be_right")
    )
    figures = Detection(
        rows=int(n.sum()),
        **_detection(counted["score"].to_numpy(), is_error, is_flagged, n),
        fixed_right=_share(n[would_be_right].sum(), n[is_error].sum()),
        harmed=_share(n[would_change_ & ~is_error].sum(), n[~is_error].sum()),
    )
    return StageReport(
        rows_in=lake.rows("issues"),
        rows_out=figures.rows,
        reads={"issues": 1, "corpus": 1},
        bytes_in=reference.n_bytes,
        figures=Evaluated(detection=figures),
    )


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def _detection(
    scores: NDArray[np.float64],
    is_error: NDArray[np.bool_],
    is_flagged: NDArray[np.bool_],
    n: NDArray[np.int64],
) -> dict[str, Any]:
    """Precision, recall and areas under both curves of counted rows (a lower score is worse)."""
    n_errors, n_flagged = int(n[is_error].sum()), int(n[is_flagged].sum())
    n_found = int(n[is_error & is_flagged].sum())
    levels, level = np.unique(scores, return_inverse=True)
    errors = np.bincount(level, n * is_error, len(levels))
    right = np.bincount(level, n * ~is_error, len(levels))
    # Pairs (error, right) in which the error has the lower score; level pairs count half.
    above = right.sum() - np.cumsum(right)
    n_pairs = errors.sum() * right.sum()
    auroc = float((errors * (above + right / 2)).sum() / n_pairs) if n_pairs else None
    return {
        "errors": n_errors,
        "found": n_found,
        "precision": _share(n_found, n_flagged),
        "recall": _share(n_found, n_errors),
        "auroc": auroc,
        "average_precision": average_precision(scores, is_error, n),
    }
