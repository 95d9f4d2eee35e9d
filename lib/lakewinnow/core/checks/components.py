"""Connected components of a graph that fits one machine's memory."""

import numpy as np

from lakewinnow.core.types import IntArray


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
