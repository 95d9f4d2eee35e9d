"""Nearest neighbours: against scikit-learn's brute force, and what float32 must not spoil."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from lakewinnow.core.checks import neighbors
from lakewinnow.core.checks.neighbors import mean_distance, nearest
from lakewinnow.core.parallel import workers


def cloud(n, n_columns, seed=20240229):
    return np.random.default_rng(seed).normal(size=(n, n_columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "n_columns", "metric", "shift"),
    [
        (1300, 20, "cosine", 0),
        (1300, 3, "euclidean", 1000),  # far from the origin, where products would cancel
        (40, 5, "cosine", 0.5),
        (12, 2, "euclidean", 0),
    ],
)
def test_they_are_those_of_scikit_learn(n, n_columns, metric, shift):
    vectors = cloud(n, n_columns) + np.float32(shift)
    found = nearest(vectors, vectors, np.arange(n), 10, metric)
    search = NearestNeighbors(n_neighbors=10, metric=metric, algorithm="brute")
    distances, positions = search.fit(vectors.astype(np.float64)).kneighbors()
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_allclose(found.distances, distances, atol=1e-9)


def test_the_number_of_threads_and_what_other_queries_there_are_change_nothing():
    vectors = cloud(1500, 16)
    once = nearest(vectors, vectors, np.arange(1500), 5, "cosine")
    with workers(3, 1e9) as pool:
        threaded = nearest(vectors, vectors, np.arange(1500), 5, "cosine", pool)
    some = nearest(vectors[700:900], vectors, np.arange(700, 900), 5, "cosine")
    np.testing.assert_equal(threaded, once)
    np.testing.assert_equal(some, [part[700:900] for part in once])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equal_vectors_are_at_distance_0_exactly_and_ties_go_by_position(metric):
    vectors = cloud(400, 24)
    vectors[[17, 250, 399]] = vectors[100]
    found = nearest(vectors, vectors, np.arange(400), 4, metric)
    assert found.distances[100, :4].tolist()[:3] == [0, 0, 0]
    assert found.positions[100].tolist()[:3] == [17, 250, 399]
    assert found.positions[250].tolist()[:3] == [17, 100, 399]
    assert found.distances[100, 3] > 0.01


def test_vectors_that_float32_can_hardly_tell_apart_are_in_order():
    vectors = cloud(300, 32)
    vectors[1:9] = vectors[0] + np.arange(8, 0, -1)[:, np.newaxis] * np.float32(2e-4) * cloud(
        1, 32, 7
    )
    found = nearest(vectors, vectors, np.arange(300), 8, "cosine")
    assert found.positions[0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert (np.diff(found.distances[0]) > 0).all()


def test_vectors_of_zeros_are_at_distance_1_from_all_but_each_other():
    vectors = cloud(30, 6)
    vectors[[3, 4]] = 0
    found = nearest(vectors, vectors, np.arange(30), 29, "cosine")
    assert found.positions[3, 0] == 4
    np.testing.assert_allclose(found.distances[3], [0.0] + [1.0] * 28)


def test_with_fewer_than_k_others_the_rest_is_marked():
    vectors = cloud(3, 6)
    found = nearest(vectors, vectors, np.array([0, 1, -1]), 4, "cosine")
    assert np.isfinite(found.distances).sum(axis=1).tolist() == [2, 2, 3]
    assert (found.positions[:, 3] == -1).all()
    assert found.distances[2, 0] == 0  # the third is not said to be in the reference
    assert nearest(vectors[:0], vectors, np.zeros(0, np.int64), 4, "cosine").distances.shape == (
        0,
        4,
    )


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=7), st.integers(1, 6), st.integers(0, 2**32)
)
def test_the_mean_distance_counts_every_row_of_a_text(copies, k, seed):
    copies = np.array(copies)
    vectors = np.random.default_rng(seed).normal(size=(len(copies), 5)).astype(np.float32)
    found = nearest(vectors, vectors, np.arange(len(copies)), k, "cosine")
    means = mean_distance(found.distances, copies[found.positions], copies, k)
    of_row = np.repeat(np.arange(len(copies)), copies)
    n_near = min(k, len(of_row) - 1)
    rows = nearest(vectors[of_row], vectors[of_row], np.arange(len(of_row)), n_near, "cosine")
    np.testing.assert_allclose(means[of_row], rows.distances.mean(axis=1), atol=1e-12)


def test_of_a_sample_fewer_neighbours_stand_for_k_of_all():
    distances = np.arange(1.0, 5)[np.newaxis]
    one, three = np.ones((1, 4), np.int64), np.array([3])
    assert mean_distance(distances, one, np.array([1]), 4, 0.75) == pytest.approx(2)  # of 3
    assert mean_distance(distances, one, np.array([1]), 4, 0.01) == pytest.approx(1.5)  # of 2
    assert mean_distance(distances, one, three, 4, 0.01) == pytest.approx(2 / 4 * 1.5)
    assert mean_distance(distances, 4 * one, three, 4, 0.01) == pytest.approx(2 / 4 * 1)
    assert mean_distance(distances, one, np.array([9]), 4, 0.01) == 0


def test_a_row_that_is_alone_has_no_mean_distance():
    none = np.full((1, 3), np.inf)
    assert np.isnan(mean_distance(none, np.ones((1, 3), np.int64), np.array([1]), 3)).all()


def test_the_default_metric_is_cleanlabs():
    assert [neighbors.default_metric(n) for n in (1, 3, 4, 768)] == [
        "euclidean",
        "euclidean",
        "cosine",
        "cosine",
    ]
