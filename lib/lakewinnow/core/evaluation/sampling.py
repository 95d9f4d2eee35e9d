"""Which part of a table a bounded sample takes from each of its cells."""

from typing import Final

import numpy as np

from lakewinnow.core.types import IntArray

LEAST_PER_CLASS: Final = 100  # rows that a class keeps, as long as all classes can


def quotas(counts: IntArray, max_rows: int) -> IntArray:
    """Rows to take of every fold and class: in proportion, but some of every class.

    What is taken of a fold depends on the labels in that fold alone, so that a row's label has no
    part in which rows of the other folds are taken.

    Parameters
    ----------
    counts : shape (F, K), rows of a fold and class
    max_rows : most rows to take of all; a fold may have its share of them

    Returns
    -------
    shape (F, K), at most `counts`
    """
    if counts.sum() <= max_rows:
        return counts
    n_folds, n_classes = counts.shape
    share = max_rows // n_folds
    least = max(1, min(LEAST_PER_CLASS // n_folds, share // n_classes))
    kept = np.minimum(counts, least)
    others = counts - kept
    left = np.maximum(share - kept.sum(axis=1, keepdims=True), 0)
    more = others * left // np.maximum(others.sum(axis=1, keepdims=True), 1)
    taken: IntArray = kept + np.minimum(more, others)
    return taken
