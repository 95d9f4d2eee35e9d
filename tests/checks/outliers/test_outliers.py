"""Outliers: flags and scores of rows are Datalab's, by vectors and by probabilities."""

import numpy as np
from cleanlab.datalab.internal.issue_manager.outlier import OutlierIssueManager

from builders import make_pred_probs, make_run, read_rows
from checks.neighbors.test_neighbors import COPIES, K, vectors, workspace
from core.datalab import EQUAL_ROWS, find_issues
from core.generate import corpus
from lakewinnow.checks.neighbors import stage as neighbors
from lakewinnow.checks.outliers import OutliersConfig
from lakewinnow.checks.outliers import stage as outliers
from lakewinnow.config.sections import EmbeddingConfig, NeighborsConfig
from lakewinnow.stages import noise


def found(lake):
    rows = read_rows(lake.files.root, "checks/outliers")
    return [np.array([row[name] for row in rows]) for name in ("is_outlier_issue", "outlier_score")]


@EQUAL_ROWS
def test_by_distance_rows_are_judged_as_by_datalab(spark, tmp_path):
    lake = workspace(spark, tmp_path / "lake")
    report = neighbors.run(lake, EmbeddingConfig(), NeighborsConfig(k=K))
    lake.commit("neighbors", "made by a test", 0.0, report)
    features = np.repeat(vectors(), COPIES, axis=0)
    options = {"k": K, "threshold": 0.6}
    theirs = find_issues(OutlierIssueManager, features=features, options=options)
    report = outliers.run(make_run(lake), OutliersConfig(threshold=0.6))
    is_issue, scores = found(lake)
    np.testing.assert_array_equal(is_issue, theirs.is_outlier_issue)
    np.testing.assert_allclose(scores, theirs.outlier_score, atol=1e-6)
    assert report.figures.rows == is_issue.sum() > 0
    rows = read_rows(lake.files.root, "checks/outliers")
    assert {row["why"] is None for row in rows if not row["is_outlier_issue"]} == {True}
    median = report.figures.median
    [why, *_] = [row["why"] for row in rows if row["is_outlier_issue"]]
    assert why.startswith("outlier: distance ")
    assert why.endswith(f" to its neighbours, {median:.2f} is common")


def test_by_probabilities_rows_are_judged_as_by_datalab(lake):
    labels, pred_probs, _ = corpus(3, n_classes=4, n_rows=200, kind="continuous")
    make_pred_probs(lake, labels, pred_probs)
    noise.run(lake)
    rows = lake.read("pred_probs").count()
    lake.publish("corpus", lake.read("pred_probs"))
    report = outliers.run(make_run(lake), OutliersConfig(by="pred_probs"))
    theirs = find_issues(OutlierIssueManager, labels, pred_probs=pred_probs)
    is_issue, scores = found(lake)
    np.testing.assert_array_equal(is_issue, theirs.is_outlier_issue)
    np.testing.assert_allclose(scores, theirs.outlier_score, atol=1e-9)
    assert report.figures.rows == is_issue.sum() > 0
    assert (report.rows_in, report.rows_out) == (rows, rows)
