"""Graphs that fit one machine's memory: the nearest rows of rows, and connected components.

Row ids break what ties there are between texts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lakewinnow.core.types import FloatArray, IntArray


class RowGraph(NamedTuple):
    """Each row's k nearest rows, the nearest first."""

    positions: IntArray  # int64, shape (n_rows, k)
    distances: FloatArray  # float64, shape (n_rows, k)


def row_graph(
    text_of_row: IntArray, neighbors: Sequence[IntArray], distances: Sequence[FloatArray], k: int
) -> RowGraph:
    """Return the graph of rows, which are in the order of their ids.

    As in cleanlab, a row's nearest are those at no distance, in the order of their ids: the others
    of its own text, and those of texts that have the same vector. Then come those of the nearest
    other texts, here in the order of their ids within each text.

    Parameters
    ----------
    text_of_row : int64, shape (n_rows,), 0 .. n_texts - 1; every text has a row
    neighbors, distances : of each text, the nearest other texts, k or all others, the nearest first
    k : nearest rows; fewer where there are not so many others
    """
    n_rows, n_texts = len(text_of_row), len(neighbors)
    k = min(k, n_rows - 1)
    by_text = np.argsort(text_of_row, kind="stable")
    ends = np.cumsum(np.bincount(text_of_row, minlength=n_texts))
    members = np.split(by_text, ends[:-1])
    positions, apart = np.empty((n_rows, k), np.int64), np.zeros((n_rows, k))
    for text in range(n_texts):
        near = [members[other][: k + 1] for other in neighbors[text].tolist()]
        n_equal = int(np.count_nonzero(distances[text] == 0))
        rows = np.concatenate([members[text][:0], *near[n_equal:]])
        far = np.repeat(distances[text][n_equal:], [len(part) for part in near[n_equal:]])
        first = np.sort(np.concatenate([members[text][: k + 1], *near[:n_equal]]))[: k + 1]
        for row in members[text].tolist():
            own = first[first != row][:k]
            rest = k - len(own)
            positions[row, : len(own)], positions[row, len(own) :] = own, rows[:rest]
            apart[row, len(own) :] = far[:rest]
    return RowGraph(positions, apart)


def components(one: IntArray, other: IntArray) -> tuple[IntArray, IntArray]:
    """Return the nodes that have an edge, ascending, and the least node of each one's component.

    Every root hooks onto the least root next to it, then pointers jump to their ends. A round
    leaves only roots that are less than all those next to them, no more than half: a chain of n
    nodes takes log2(n) rounds at most (Shiloach, Vishkin 1982).

    Parameters
    ----------
    one, other : int64, shape (n_edges,), the ends of each edge
    """
    nodes, ends = np.unique(np.concatenate([one, other]), return_inverse=True)
    one, other = ends.reshape(2, -1)
    root = np.arange(len(nodes))
    while True:
        one, other = root[one], root[other]
        is_open = one != other
        one, other = one[is_open], other[is_open]
        if not len(one):
            return nodes, nodes[root]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while True:
            jumped = root[root]
            if np.array_equal(jumped, root):
                break
            root = jumped
