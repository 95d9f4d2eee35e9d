"""Class imbalance: cleanlab's rule, but for classes without rows."""

import numpy as np
import pytest
from cleanlab.datalab.internal.issue_manager.imbalance import ClassImbalanceIssueManager

from core.datalab import find_issues
from lakewinnow.core.checks.imbalance import imbalance


@pytest.mark.parametrize(
    ("counts", "is_issue"),
    [([300, 300, 9], True), ([300, 300, 30], False), ([3, 300, 3, 300], True), ([100], False)],
)
def test_flags_and_scores_are_cleanlabs(counts, is_issue):
    found = imbalance(np.array(counts))
    labels = np.repeat(np.arange(len(counts)), counts)
    theirs = find_issues(ClassImbalanceIssueManager, labels)
    is_rarest = labels == found.rarest
    np.testing.assert_array_equal(is_rarest & found.is_issue, theirs.is_class_imbalance_issue)
    np.testing.assert_array_equal(np.where(is_rarest, found.share, 1), theirs.class_imbalance_score)
    assert found.is_issue == is_issue


def test_a_class_without_rows_does_not_hide_one_that_is_rare():
    found = imbalance(np.array([300, 0, 5, 300]))
    assert (found.rarest, found.is_issue, found.limit) == (2, True, 0.1 / 3)
    labels = np.repeat([0, 2, 3], [300, 5, 300])
    assert not find_issues(ClassImbalanceIssueManager, labels).is_class_imbalance_issue.any()


def test_all_rare_classes_are_told():
    assert imbalance(np.array([900, 2, 900, 1])).rare == (1, 3)
