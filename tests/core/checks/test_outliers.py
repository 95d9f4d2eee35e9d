"""Outliers: scores and flags are those of cleanlab, by distances and by probabilities."""

import numpy as np
import pytest
from cleanlab.datalab.internal.issue_manager.outlier import OutlierIssueManager
from cleanlab.outlier import OutOfDistribution

from core import generate
from core.datalab import EQUAL_ROWS, find_issues
from lakewinnow.core.checks import outliers
from lakewinnow.core.checks.neighbors import nearest
from lakewinnow.core.checks.outliers import DistanceRule


def rule_of(distances, metric, **options):
    q1, median, q3 = np.quantile(distances, outliers.QUARTILES)
    return DistanceRule(q1, median, q3, metric, **options)


@EQUAL_ROWS
@pytest.mark.parametrize(("n_columns", "metric"), [(12, "cosine"), (2, "euclidean")])
def test_scores_and_flags_by_distance_are_cleanlabs(n_columns, metric):
    rng = np.random.default_rng(20240229)
    features = rng.normal(size=(600, n_columns)) + 2
    features[:5] *= -4
    features[10:25] = features[9]  # more copies than neighbours
    found = nearest(features, features, np.arange(600), 10, metric).distances.mean(axis=1)
    rule = rule_of(found, metric)
    theirs = find_issues(OutlierIssueManager, features=features)
    np.testing.assert_allclose(rule.scores(found), theirs.outlier_score, atol=1e-9)
    np.testing.assert_array_equal(found > rule.cutoff, theirs.is_outlier_issue)
    assert 0 < theirs.is_outlier_issue.sum() < 60


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("method", ["entropy", "least_confidence"])
def test_scores_by_probabilities_are_cleanlabs(seed, method):
    corpus = generate.corpus(seed)
    scorer = OutOfDistribution({"method": method})
    theirs = scorer.fit_score(pred_probs=corpus.pred_probs, labels=corpus.labels)
    thresholds = scorer.params["confident_thresholds"]
    found = outliers.certainties(corpus.pred_probs, thresholds, method)
    np.testing.assert_allclose(found, theirs, atol=1e-9)


def test_flags_by_probabilities_are_cleanlabs():
    corpus = generate.corpus(3, n_classes=4, n_rows=500, kind="continuous")
    labels, pred_probs = corpus.labels, corpus.pred_probs.copy()
    pred_probs[:20] = 0.25
    theirs = find_issues(OutlierIssueManager, labels, pred_probs=pred_probs)
    thresholds = np.array([pred_probs[labels == k, k].mean() for k in range(4)])
    found = outliers.certainties(pred_probs, thresholds, "entropy")
    cutoff = outliers.certainty_cutoff(float(np.median(found)))
    np.testing.assert_array_equal(found < cutoff, theirs.is_outlier_issue)
    assert 0 < theirs.is_outlier_issue.sum() < 50


def test_a_distance_of_nothing_scores_1_however_small_the_median():
    distances = np.array([0.0, 0.0, 0.0, 1e-7])
    scores = rule_of(distances, "cosine").scores(distances)
    assert scores.tolist() == [1, 1, 1, np.exp(-0.1)]


def test_a_threshold_of_0_flags_nothing_and_one_of_1_a_quarter():
    distances = np.random.default_rng(0).exponential(size=400)
    assert rule_of(distances, "cosine", threshold=0).cutoff == np.inf
    rule = rule_of(distances, "cosine", threshold=1)
    assert (distances > rule.cutoff).sum() == 100
