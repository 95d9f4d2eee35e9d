"""How good the given labels are: overall, per class, and which classes are mistaken for each other.

Equal to the tables of cleanlab 2.9.0 (`dataset.health_summary`), with ties in order of the classes.
"""

from dataclasses import dataclass

import numpy as np

from lakewinnow.core.sparse import Matrix, Sparse
from lakewinnow.core.types import FloatArray, IntArray

LEAST_SHARE = 1e-6  # least denominator


def overall_label_health_score(n_label_issues: int, n_rows: int) -> float:
    """Share of the rows whose label is not in doubt, 0 .. 1; 1 for no rows."""
    return 1 - n_label_issues / n_rows if n_rows else 1.0


@dataclass(frozen=True, eq=False)
class ClassQuality:
    """Classes ranked by label quality, the worst first; arrays of shape (K,)."""

    class_index: IntArray  # int64
    label_issues: IntArray  # int64, rows labelled as the class that belong to another
    inverse_label_issues: IntArray  # int64, rows of the class that are labelled as another
    label_noise: FloatArray  # float64, P(true != k | given = k)
    inverse_label_noise: FloatArray  # float64, P(given != k | true = k)
    label_quality_score: FloatArray  # float64, P(true = k | given = k); 1 for an empty class


def rank_classes_by_label_quality(joint: Matrix, n_rows: int) -> ClassQuality:
    """Rank the classes by how often their label is right.

    Parameters
    ----------
    joint : float64, shape (K, K), P(given, true), rows = given label
    n_rows : rows of the corpus
    """
    if isinstance(joint, Sparse):
        per_given, per_true = joint.sums(axis=1), joint.sums(axis=0)
    else:
        per_given, per_true = joint.sum(axis=1), joint.sum(axis=0)
    wrongly_given, wrongly_missed = per_given - joint.diagonal(), per_true - joint.diagonal()
    label_noise = wrongly_given / np.maximum(per_given, LEAST_SHARE)
    inverse_label_noise = wrongly_missed / np.maximum(per_true, LEAST_SHARE)
    score = 1 - label_noise
    worst_first = np.argsort(score, kind="stable")
    return ClassQuality(
        class_index=worst_first,
        label_issues=_rows(wrongly_given, n_rows)[worst_first],
        inverse_label_issues=_rows(wrongly_missed, n_rows)[worst_first],
        label_noise=label_noise[worst_first],
        inverse_label_noise=inverse_label_noise[worst_first],
        label_quality_score=score[worst_first],
    )


@dataclass(frozen=True, eq=False)
class OverlappingClasses:
    """Pairs of classes ranked by how often one is given for the other; arrays of shape (pairs,)."""

    # of the two classes, the lower index first
    class_index_a: IntArray
    class_index_b: IntArray
    num_overlapping_examples: IntArray  # int64, rows
    # descending; that b is given where a is true, or a where b is
    joint_probability: FloatArray


def find_overlapping_classes(joint: Matrix, n_rows: int) -> OverlappingClasses:
    """Rank all K (K - 1) / 2 pairs of classes by how much they overlap; pairs that do not are last.

    Of more than 1,000 classes the pairs that do not overlap are left out.

    Parameters
    ----------
    joint : float64, shape (K, K), P(given, true), rows = given label
    n_rows : rows of the corpus
    """
    if isinstance(joint, Sparse):
        a, b, probability = _overlapping(joint)
    else:
        a, b = np.triu_indices(len(joint), k=1)
        probability = joint[a, b] + joint[b, a]
    most_first = np.argsort(-probability, kind="stable")
    return OverlappingClasses(
        class_index_a=a[most_first],
        class_index_b=b[most_first],
        num_overlapping_examples=_rows(probability, n_rows)[most_first],
        joint_probability=probability[most_first],
    )


def _overlapping(joint: Sparse[np.float64]) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the pairs of classes of which one is given for the other, and how probably."""
    is_off = (joint.row != joint.column) & (joint.value > 0)
    row, column, value = joint.row[is_off], joint.column[is_off], joint.value[is_off]
    low, high = np.minimum(row, column), np.maximum(row, column)
    pair, at = np.unique(low * joint.n_classes + high, return_inverse=True)
    probability: FloatArray = np.bincount(at, value, len(pair)).astype(np.float64)
    return pair // joint.n_classes, pair % joint.n_classes, probability


def _rows(share: FloatArray, n_rows: int) -> IntArray:
    return np.rint(share * n_rows).astype(np.int64)
