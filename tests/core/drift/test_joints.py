"""Joints of two sides by the same models: alike where the labels are, whatever their numbers."""

import numpy as np

from lakewinnow.core.drift.categories import noise_drift
from lakewinnow.core.drift.joints import joints

N_CLASSES = 3


def noise_of_sides(rng, n, wrong):
    """Return the test of two sides, n texts each, of which one has wrong labels."""
    true = rng.integers(N_CLASSES, size=2 * n)
    vectors = rng.normal(size=(2 * n, 5)) + 3 * np.eye(5)[true]
    labels, is_new = true.copy(), np.arange(2 * n) < n
    is_wrong = is_new & (rng.random(2 * n) < wrong)
    labels[is_wrong] = (labels[is_wrong] + 1) % N_CLASSES
    chances = rng.integers(2**30, size=2 * n)
    new, reference = joints(vectors, labels, is_new, chances, N_CLASSES)
    assert new.sum() + reference.sum() <= 2 * n
    return noise_drift(new, reference)


def test_noise_is_found_on_one_side_and_none_where_there_is_none():
    rng = np.random.default_rng(8)
    found = noise_of_sides(rng, 300, wrong=0.2)
    assert found.test.p < 1e-6
    assert 0.1 < found.distance < 0.3
    assert sum(noise_of_sides(rng, 100, wrong=0).test.p <= 0.05 for _ in range(20)) <= 4
