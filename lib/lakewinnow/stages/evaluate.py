"""Evaluate: how well the label issues found are the label errors that a reference knows of.

Reads    corpus/, issues/, the reference (the input's rows with their labels corrected)
Writes   nothing; its figures go to summary.json
Passes   1 over the reference joined to the corpus
Shuffle  one, by id (or text key)
"""

from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import InputConfig
from lakewinnow.errors import DataError
from lakewinnow.lake import content
from lakewinnow.lake.source import Source, column
from lakewinnow.lake.workspace import Lake, StageReport

_SCORE_BINS = 100_000  # label scores are compared to five decimals: a bounded table on the driver


def run(lake: Lake, reference: Source, source: InputConfig) -> StageReport:
    """Compare flags and label scores with the reference.

    Rows meet by `input.id`, else by text (or embedding, or features); those that the reference
    labels in two ways are left out.

    Raises
    ------
    DataError
        ``"reference_matches_nothing"``: no row of the corpus is in the reference.
    """
    true_labels = _true_labels(reference, source)
    issues = lake.read("issues").select(c.ROW_ID, c.GIVEN_LABEL, c.IS_LABEL_ISSUE, c.LABEL_SCORE)
    if source.id is None:
        issues = issues.join(
            lake.read("corpus").select(c.ROW_ID, F.col(c.TEXT_KEY).alias("key")), c.ROW_ID
        )
    else:
        issues = issues.withColumn("key", F.col(c.ROW_ID))
    counted = (
        issues.join(true_labels, "key")
        .select(
            F.round(F.col(c.LABEL_SCORE) * _SCORE_BINS).alias("score"),
            (F.col(c.GIVEN_LABEL) != F.col("true_label")).alias("is_error"),
            c.IS_LABEL_ISSUE,
        )
        .groupBy("score", "is_error", c.IS_LABEL_ISSUE)
        .count()
        .toPandas()
    )
    n_matched = int(counted["count"].sum())
    if not n_matched:
        raise DataError(
            "reference_matches_nothing",
            "evaluate.reference",
            "rows that the input has too",
            "none",
            "rows meet by input.id, or by text where input.id is not set",
        )
    detection = _detection(
        counted["score"].to_numpy(),
        counted["is_error"].to_numpy(bool),
        counted[c.IS_LABEL_ISSUE].to_numpy(bool),
        counted["count"].to_numpy(),
    )
    n_rows = lake.rows("issues")
    return StageReport(
        rows_in=n_rows,
        rows_out=n_matched,
        reads={"issues": 1, "corpus": 1},
        bytes_in=reference.n_bytes,
        details={"detection": {"rows": n_matched, **detection}},
    )


def _true_labels(reference: Source, source: InputConfig) -> DataFrame:
    label = column(source.label).cast("string")
    labelled = reference.df.where(label.isNotNull())
    if source.text is not None:
        labelled = labelled.where(column(source.text).isNotNull())
    by_id = source.id is not None
    key = column(source.id or "").cast("string") if by_id else content.key(source, reference.schema)
    labels = labelled.select(key.alias("key"), label.alias("true_label")).groupBy("key")
    both_ends = labels.agg(
        F.min("true_label").alias("true_label"), F.max("true_label").alias("last")
    )
    return both_ends.where("true_label = last").select("key", "true_label")


def _detection(
    scores: "np.ndarray[Any, Any]",
    is_error: "np.ndarray[Any, Any]",
    is_flagged: "np.ndarray[Any, Any]",
    n: "np.ndarray[Any, Any]",
) -> dict[str, Any]:
    """Precision, recall and area under the ROC curve of counted rows (a lower score is worse)."""
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
        "precision": n_found / n_flagged if n_flagged else None,
        "recall": n_found / n_errors if n_errors else None,
        "auroc": auroc,
    }
