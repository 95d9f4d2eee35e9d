"""Connected components in memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lakewinnow.core.checks.row_graph import components

PAIRS = st.lists(st.tuples(st.integers(-9, 30), st.integers(-9, 30)), max_size=40)


@given(PAIRS)
def test_every_node_has_the_least_node_of_its_component(pairs):
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    nodes, roots = components(*ends.T)
    assert nodes.tolist() == np.unique(ends).tolist()
    places = np.searchsorted(nodes, ends)
    graph = coo_array((np.ones(len(ends)), places.T), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, directed=False) if len(nodes) else (0, nodes)
    assert roots.tolist() == [nodes[labels == label].min() for label in labels]


@pytest.mark.parametrize("n", [2, 10_000])
def test_a_chain_in_any_order_is_one_component(n):
    chain = np.random.default_rng(0).permutation(n)
    _, roots = components(chain[1:], chain[:-1])
    assert not roots.any()
