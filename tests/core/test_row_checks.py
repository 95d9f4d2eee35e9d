"""Checks on the graph of rows: equal to Datalab's on the graph that Datalab makes."""

import numpy as np
import pytest
from cleanlab.data_valuation import data_shapley_knn
from cleanlab.datalab.internal.issue_manager.noniid import NonIIDIssueManager
from cleanlab.internal.neighbor.knn_graph import create_knn_graph_and_index

from core.datalab import EQUAL_ROWS, find_issues, managed
from lakewinnow.core.checks import non_iid, valuation
from lakewinnow.core.checks.neighbors import nearest
from lakewinnow.core.checks.row_graph import row_graph

pytestmark = EQUAL_ROWS
K = 10


def table(n_texts=120, n_columns=6, drift=0.0, seed=20240229):
    """Return texts' vectors, the text of each row and the labels; some texts are repeated."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_texts, n_columns)).astype(np.float32)
    vectors[[40, 41]] = vectors[60]  # other texts of the same vector
    copies = np.where(np.arange(n_texts) % 9 == 0, 3, 1)
    copies[5] = K + 4
    text_of_row = rng.permutation(np.repeat(np.arange(n_texts), copies))
    if drift:
        at = vectors[text_of_row, 0] + rng.normal(size=len(text_of_row)) / drift
        text_of_row = text_of_row[np.argsort(at)]
    labels = (vectors[text_of_row, 0] > 0).astype(np.int64)
    labels[::6] = 1 - labels[::6]
    return vectors, text_of_row, labels


def graph_of(vectors, text_of_row, k=K):
    found = nearest(vectors, vectors, np.arange(len(vectors)), k, "cosine")
    return row_graph(text_of_row, list(found.positions), list(found.distances), k)


def theirs(vectors, text_of_row):
    graph, _ = create_knn_graph_and_index(
        vectors[text_of_row].astype(np.float64), n_neighbors=K, metric="cosine"
    )
    return graph


def test_the_graph_is_cleanlabs_but_for_the_order_of_ties():
    vectors, text_of_row, _ = table()
    found, graph = graph_of(vectors, text_of_row), theirs(vectors, text_of_row)
    np.testing.assert_allclose(found.distances, graph.data.reshape(-1, K), atol=1e-9)
    texts = text_of_row[graph.indices.reshape(-1, K)]
    same = np.where(np.isin(np.arange(len(vectors)), [40, 41]), 60, np.arange(len(vectors)))
    np.testing.assert_array_equal(same[text_of_row[found.positions]], same[texts])
    of_own = found.distances == 0  # where cleanlab says which of equal rows come first
    np.testing.assert_array_equal(found.positions[of_own], graph.indices.reshape(-1, K)[of_own])


def test_a_graph_of_few_rows_has_all_others():
    found = graph_of(*table()[:2], k=3)
    assert found.positions.shape[1] == 3
    vectors = np.eye(3, dtype=np.float32)
    found = row_graph(
        np.array([0, 1, 0]), [np.array([1]), np.array([0])], [np.ones(1), np.ones(1)], K
    )
    assert found.positions.tolist() == [[2, 1], [0, 2], [0, 1]]
    assert found.distances.tolist() == [[0, 1], [1, 1], [0, 1]]
    assert len(vectors) == 3


def test_values_are_cleanlabs():
    vectors, text_of_row, labels = table()
    graph = theirs(vectors, text_of_row)
    expected = data_shapley_knn(labels, knn_graph=graph, k=K)
    found = valuation.values(labels, graph.indices.reshape(-1, K))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 0 < (found < valuation.THRESHOLD).sum() < len(labels) / 2


@pytest.mark.parametrize(("drift", "is_issue"), [(0, False), (3, True)])
def test_the_test_of_the_order_is_cleanlabs(drift, is_issue):
    vectors, text_of_row, _ = table(drift=drift)
    graph = theirs(vectors, text_of_row)
    state = np.random.get_state()  # noqa: NPY002 - which cleanlab's seeds
    issues = find_issues(NonIIDIssueManager, knn_graph=graph)
    np.random.set_state(state)  # noqa: NPY002
    found = non_iid.order(graph.indices.reshape(-1, K))
    np.testing.assert_allclose(found.scores, issues.non_iid_score, atol=1e-9)
    flagged = np.arange(len(text_of_row)) == found.scores.argmin()
    is_significant = found.p_value < non_iid.SIGNIFICANT
    np.testing.assert_array_equal(flagged & is_significant, issues.is_non_iid_issue)
    assert is_significant == is_issue


def test_the_p_value_is_cleanlabs_and_the_shared_generator_is_left_alone():
    vectors, text_of_row, _ = table()
    graph = theirs(vectors, text_of_row)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    found = non_iid.order(graph.indices.reshape(-1, K))
    after = np.random.get_state()  # noqa: NPY002
    assert after[1].tolist() == before
    manager = managed(NonIIDIssueManager, knn_graph=graph)
    np.random.set_state(after)  # noqa: NPY002
    assert found.p_value == pytest.approx(manager.p_value, rel=1e-9)
    assert found.statistic == pytest.approx(manager.statistics["ks"], abs=1e-12)
