"""How many rows each prune filter selects, per cell of the confident joint.

Matrix P of this module has rows = true label and columns = given label, the transpose of the
confident joint, as in cleanlab (`filter._keep_at_least_n_per_class`). It is K x K and exact, so
cleanlab's own truncations are reproduced: parity is worth more here than the lost counts.
"""

from collections.abc import Sequence

import numpy as np

from lakewinnow.core.sparse import Sparse
from lakewinnow.core.types import BoolArray, IntArray
from lakewinnow.errors import ConfigError


def prune_counts(
    confident_joint: IntArray, *, min_examples_per_class: int = 1, frac_noise: float = 1.0
) -> IntArray:
    """Rows to select per (true, given) label, keeping a least number per class.

    Parameters
    ----------
    confident_joint : int64, shape (K, K), calibrated, rows = given label, C-ordered
    min_examples_per_class : the diagonal is raised to this, at the expense of its column
    frac_noise : share of the noise to select, 0 .. 1

    Returns
    -------
    int64, shape (K, K), rows = true label, columns = given label
    """
    by_true = np.ascontiguousarray(confident_joint).T  # the order in which cleanlab sums
    diagonal = np.maximum(by_true.diagonal(), min_examples_per_class)
    raised = diagonal - by_true.diagonal()
    n_noise_rates = np.maximum(np.count_nonzero(by_true, axis=0) - 1.0, 1.0)
    counts = by_true - raised / n_noise_rates
    counts[counts < 0] = 0
    np.fill_diagonal(counts, diagonal)

    reduced = counts * frac_noise
    np.fill_diagonal(reduced, diagonal)
    np.fill_diagonal(reduced, diagonal + np.sum(counts - reduced, axis=0))
    truncated: IntArray = reduced.astype(np.int64)
    return truncated


def prune_counts_of_cells(
    confident_joint: Sparse[np.int64], min_examples_per_class: int, frac_noise: float
) -> Sparse[np.int64]:
    """Rows to select per (given, true) label, of many classes: the transpose of `prune_counts`."""
    given, n_classes = confident_joint.row, confident_joint.n_classes
    own = confident_joint.diagonal()
    diagonal = np.maximum(own, min_examples_per_class)
    n_cells = np.bincount(given[confident_joint.value != 0], minlength=n_classes)
    lost = (diagonal - own) / np.maximum(n_cells - 1.0, 1.0)
    is_off = given != confident_joint.column
    given, true = given[is_off], confident_joint.column[is_off]
    counts = np.maximum(confident_joint.value[is_off] - lost[given], 0)
    reduced = counts * frac_noise
    raised = diagonal + np.bincount(given, counts - reduced, n_classes)
    every = np.arange(n_classes)
    return Sparse.of_pairs(
        n_classes,
        np.concatenate([given, every]),
        np.concatenate([true, every]),
        np.concatenate([reduced, raised]).astype(np.int64),
    )


def noise_rate_needs(prune_count_matrix: IntArray, counts: IntArray, least: int) -> IntArray:
    """Rows to select per (given, true) label by `prune_by_noise_rate`; 0 where none.

    Parameters
    ----------
    prune_count_matrix : int64, shape (K, K), from `prune_counts`
    counts : int64, shape (K,), rows per given label
    least : min_examples_per_class; a class of no more rows, or of one, is left alone

    Returns
    -------
    int64, shape (K, K), rows = given label, columns = true label, zero diagonal
    """
    needs = np.minimum(prune_count_matrix.T, counts[:, np.newaxis])
    np.fill_diagonal(needs, 0)
    needs[~_prunable(counts, least)] = 0
    return needs


def noise_rate_needs_of_cells(
    prune_counts: Sparse[np.int64], counts: IntArray, least: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Given label, true label and rows to select by `prune_by_noise_rate`, where there are some.

    Parameters are those of `noise_rate_needs`, but for the rows of `prune_counts`: given label.
    """
    given, true = prune_counts.row, prune_counts.column
    needs = np.minimum(prune_counts.value, counts[given])
    chosen = (given != true) & (needs > 0) & _prunable(counts, least)[given]
    return given[chosen], true[chosen], needs[chosen]


def class_needs(
    prune_count_matrix: IntArray | Sparse[np.int64],
    counts: IntArray,
    least: int,
    num_to_remove_per_class: Sequence[int] | None = None,
) -> IntArray:
    """Rows to select per given label by `prune_by_class`, int64, shape (K,); 0 where none.

    Parameters
    ----------
    prune_count_matrix : int64, shape (K, K), from `prune_counts`
    counts : int64, shape (K,), rows per given label
    least : min_examples_per_class; a class of no more rows, or of one, is left alone
    num_to_remove_per_class : K numbers, to select these many instead

    Raises
    ------
    ConfigError : "wrong_length" or "out_of_range" for num_to_remove_per_class
    """
    if num_to_remove_per_class is None:
        needs = counts - prune_count_matrix.diagonal()
    else:
        needs = numbers_to_remove(num_to_remove_per_class, len(counts))
    return np.where(_prunable(counts, least), np.clip(needs, 0, counts), 0)


def _prunable(counts: IntArray, least: int) -> BoolArray:
    # cleanlab drops the mask of a class of one row, whatever the least number
    prunable: BoolArray = counts > max(least, 1)
    return prunable


def numbers_to_remove(num_to_remove_per_class: Sequence[int], n_classes: int) -> IntArray:
    """Return the numbers, if there is one for each class, and each can be.

    Raises
    ------
    ConfigError : "wrong_length" or "out_of_range"
    """
    where = "label_issues.num_to_remove_per_class"
    if len(num_to_remove_per_class) != n_classes:
        expected = f"one number for each of the {n_classes} classes"
        raise ConfigError("wrong_length", where, expected, len(num_to_remove_per_class))
    if min(num_to_remove_per_class) < 0:
        expected = "numbers of rows, 0 or more"
        raise ConfigError("out_of_range", where, expected, min(num_to_remove_per_class))
    return np.array(num_to_remove_per_class, np.int64)
