import cleanlab.rank
import numpy as np
import pytest

from core.generate import corpus
from lakewinnow.core.noise.confident_learning import ThresholdState
from lakewinnow.core.selection.scores import NOT_ADJUSTABLE, SCORES, label_scores
from lakewinnow.errors import ConfigError


def thresholds_of(labels, pred_probs):
    return ThresholdState.zero(pred_probs.shape[1]).update(labels, pred_probs).thresholds()


@pytest.mark.parametrize("rank_by", SCORES)
@pytest.mark.parametrize("seed", range(0, 36, 2))
def test_scores_are_cleanlabs(seed, rank_by):
    labels, pred_probs, _ = corpus(seed)
    pred_probs = np.clip(pred_probs, 0, 1)  # of 1.0000000000000002 cleanlab has no entropy
    expected = cleanlab.rank.get_label_quality_scores(labels, pred_probs, method=rank_by)
    np.testing.assert_allclose(label_scores(labels, pred_probs, rank_by), expected, rtol=1e-12)


@pytest.mark.parametrize("rank_by", sorted(SCORES.keys() - NOT_ADJUSTABLE))
@pytest.mark.parametrize("seed", range(0, 36, 2))
def test_adjusted_scores_are_cleanlabs(seed, rank_by):
    labels, pred_probs, _ = corpus(seed)
    expected = cleanlab.rank.get_label_quality_scores(
        labels, pred_probs, method=rank_by, adjust_pred_probs=True
    )
    thresholds = thresholds_of(labels, pred_probs)
    ours = label_scores(labels, pred_probs, rank_by, thresholds)
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize("rank_by", SCORES)
def test_a_score_depends_on_its_row_alone(rank_by):
    labels, pred_probs, _ = corpus(3)
    rows = np.arange(len(labels))[::-2]
    np.testing.assert_array_equal(
        label_scores(labels[rows], pred_probs[rows], rank_by),
        label_scores(labels, pred_probs, rank_by)[rows],
    )


def test_probabilities_that_rounding_put_outside_have_an_entropy():
    labels, outside = np.array([0, 0]), np.array([[1 + 1e-7, -1e-7], [0.5, 0.5]])
    score = label_scores(labels, outside, "confidence_weighted_entropy")
    np.testing.assert_allclose(score, [0, np.log(3) / 2])


@pytest.mark.parametrize("rank_by", ["normalised_margin", "accuracy"])
def test_an_unknown_score_is_refused(rank_by):
    with pytest.raises(ConfigError) as error:
        label_scores(np.array([0]), np.eye(2)[:1], rank_by)
    assert error.value.code == "unknown_score"
    assert ("normalized_margin" in error.value.hint) == (rank_by == "normalised_margin")


def test_the_entropy_of_adjusted_probabilities_is_refused():
    with pytest.raises(ConfigError) as error:
        label_scores(np.array([0]), np.eye(2)[:1], "confidence_weighted_entropy", np.ones(2))
    assert error.value.code == "score_not_adjustable"
