"""What one more opinion is worth, of somebody like the annotators so far."""

import numpy as np
import pytest

from lakewinnow.core.crowd.next_opinion import NextOpinion
from lakewinnow.core.crowd.opinions import OpinionModel, expected_gain
from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.posterior import Posterior


def symmetric(right, n_classes):
    matrix = np.full((n_classes, n_classes), (1 - right) / (n_classes - 1))
    np.fill_diagonal(matrix, right)
    return matrix


def posterior(right, n_classes):
    weights = symmetric(right, n_classes) / n_classes
    return Posterior.of_weights(Calibration.none(n_classes), weights)


def test_of_many_classes_the_gain_is_that_of_errors_that_are_all_alike():
    n_classes = 60
    probs = np.random.default_rng(0).dirichlet(np.full(n_classes, 0.05), 50)
    someone = NextOpinion.like_labels(posterior(0.7, n_classes))
    assert someone.says is None
    expected = expected_gain(probs, symmetric(0.7, n_classes))
    np.testing.assert_allclose(someone.gain(probs), expected, atol=1e-12)
    assert expected.max() > 0.05


def test_somebody_is_like_those_who_can_be_asked():
    says = np.stack([symmetric(0.9, 2), symmetric(0.6, 2), 0.5 * symmetric(0.5, 2)])
    kinds, counts = ("annotation", "annotation", "function"), np.array([30, 10, 500])
    model = OpinionModel(*[posterior(0.8, 2)] * 2, 0.0, ("amy", "ben", "rule"), kinds, says, counts)
    someone = NextOpinion.like_annotators(model)
    np.testing.assert_allclose(someone.says, symmetric(0.825, 2))
    assert someone.right == pytest.approx(0.825)
    alone = OpinionModel(*[posterior(0.8, 2)] * 2, 0.0, ("rule",), kinds[2:], says[2:], counts[2:])
    np.testing.assert_allclose(NextOpinion.like_annotators(alone).says, symmetric(0.8, 2))
