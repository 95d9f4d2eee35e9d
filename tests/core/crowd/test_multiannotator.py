"""Parity with `cleanlab.multiannotator`, whose random choice among level labels is made the lowest.

Its float sums depend on the order of the rows, so a row whose two best labels differ by less than
1e-12 may go either way (7 of 36,703 rows of 600 corpora); the comparison goes on from its choice.
"""

import warnings
from functools import cache, reduce
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
from cleanlab.multiannotator import get_label_quality_multiannotator, get_majority_vote_label
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.core.crowd.annotations import AnnotatedBlock, VoteState, majority_vote
from lakewinnow.core.crowd.annotators import AnnotatorState
from lakewinnow.core.crowd.crowdlab import ConsensusState, Crowd, Weights, posterior
from lakewinnow.core.crowd.multiannotator import find_consensus
from lakewinnow.errors import ConfigError, DataError

KINDS = ("continuous", "rounded", "one_hot", "uniform")
SEEDS = range(160)


class Annotated(NamedTuple):
    row: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    pred_probs: np.ndarray

    @property
    def n_annotators(self):
        return int(self.annotator.max()) + 1

    @property
    def wide(self):
        table = np.full((len(self.pred_probs), self.n_annotators), np.nan)
        table[self.row, self.annotator] = self.label
        return table


@cache
def annotated(seed, kind=None):
    """Labels by annotators of differing skill and diligence, in long form and any order."""
    rng = np.random.default_rng([seed, 20240301])
    kind = kind or KINDS[seed % len(KINDS)]
    k, m = int(rng.choice([2, 3, 4, 6, 10])), int(rng.choice([2, 3, 5, 12, 25]))
    n = int(rng.integers(5, 120))
    true = rng.integers(0, k, n)
    skill, diligence = rng.uniform(0.2, 1, m), rng.uniform(0.05, 1, m)
    wide = np.where(rng.random((n, m)) < skill, true[:, None], rng.integers(0, k, (n, m)))
    given_ = rng.random((n, m)) < diligence
    if seed % 3 == 0:  # an annotator who shares no row with another
        alone = slice(0, max(1, n // 6))
        given_[alone], given_[:, 0] = False, False
        given_[alone, 0] = True
    given_[np.arange(n), rng.integers(1, m, n)] |= ~given_.any(axis=1)
    given_[-2:] = True
    if seed % 3 == 0:
        given_[-2:, 0] = False
        if m == 2:
            given_[-2:] = True
    row, annotator = np.nonzero(given_)
    order = rng.permutation(len(row))
    row, annotator = row[order], annotator[order]
    return Annotated(row, annotator, wide[row, annotator], _pred_probs(kind, k, true, rng))


def _pred_probs(kind, k, true, rng):
    logits = rng.normal(size=(len(true), k)) * 2
    logits[np.arange(len(true)), true] += rng.choice([0.5, 2.0])
    pred_probs = np.exp(logits)
    pred_probs /= pred_probs.sum(axis=1, keepdims=True)
    match kind:
        case "rounded":
            return np.round(pred_probs * 5) / 5
        case "one_hot":
            return np.eye(k)[pred_probs.argmax(axis=1)]
        case "uniform":
            return np.full_like(pred_probs, 1 / k)
    return pred_probs


def cleanlabs(function, *args, **settings):
    first = mock.patch.object(np.random, "choice", lambda labels: labels[0])
    with first, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, verbose=False, **settings)


def block_of(data, rows=None):
    """Block of some rows, all by default, in the order given."""
    rows = np.arange(len(data.pred_probs)) if rows is None else np.asarray(rows, np.int64)
    place = np.full(len(data.pred_probs), -1)
    place[rows] = np.arange(len(rows))
    chosen = place[data.row] >= 0
    return AnnotatedBlock.of(
        place[data.row[chosen]],
        data.annotator[chosen],
        data.label[chosen],
        data.pred_probs[rows],
    )


def votes_of(data, *blocks):
    state = VoteState.zero(data.n_annotators, data.pred_probs.shape[1])
    return reduce(VoteState.update, blocks or [block_of(data)], state)


def arrays_of(state):
    for value in vars(state).values():
        if isinstance(value, np.ndarray):
            yield value
        elif value is not None and not isinstance(value, float):
            yield from arrays_of(value)
        else:
            yield np.array(np.nan if value is None else value)


def assert_equal(one, other):
    for mine, theirs in zip(arrays_of(one), arrays_of(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_majority_vote_is_cleanlabs(seed):
    data = annotated(seed)
    expected = cleanlabs(get_majority_vote_label, data.wide, data.pred_probs)
    np.testing.assert_array_equal(majority_vote(block_of(data), votes_of(data)), expected)


def follow(data, consensus_label):
    """Score the given consensus labels, by the passes."""
    block, votes = block_of(data), votes_of(data)
    zero = ConsensusState.zero(data.n_annotators, data.pred_probs.shape[1])
    crowd = Crowd(votes).weigh(zero.update(block, consensus_label))
    with mock.patch.object(Crowd, "consensus_labels", return_value=consensus_label):
        labels = crowd.label_quality(block)
    state = AnnotatorState.zero(data.n_annotators, data.pred_probs.shape[1])
    state = state.update(block, labels)
    return labels, state.stats(votes, crowd.weights), crowd, state


def assert_same_quality(data, theirs, labels, annotators, state):
    table, details = theirs["label_quality"], theirs["detailed_label_quality"].to_numpy()
    block = block_of(data)
    close = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_array_equal(labels.n_annotations, table["num_annotations"])
    np.testing.assert_array_equal(labels.consensus_label, table["consensus_label"])
    np.testing.assert_array_equal(labels.annotator_agreement, table["annotator_agreement"])
    np.testing.assert_allclose(
        labels.consensus_quality_score, table["consensus_quality_score"], **close
    )
    own = details[block.row, block.annotator]
    np.testing.assert_allclose(labels.annotation_quality, own, **close)

    stats = theirs["annotator_stats"].sort_index()
    np.testing.assert_array_equal(annotators.n_labelled, stats["num_examples_labeled"])
    np.testing.assert_array_equal(
        annotators.agreement_with_consensus, stats["agreement_with_consensus"]
    )
    np.testing.assert_allclose(annotators.annotator_quality, stats["annotator_quality"], **close)
    worst = stats["worst_class"].to_numpy()
    for annotator in np.flatnonzero(annotators.worst_class != worst):
        assert_level(data, state, annotator, [annotators.worst_class[annotator], worst[annotator]])


def assert_level(data, state, annotator, classes):
    """The last rule for the worst class compares float means, which are level here."""
    cells = annotator * data.pred_probs.shape[1] + np.array(classes)
    counts = state.cells.counts[cells]
    assert counts[0] == counts[1]
    assert len(set(state.right[annotator, classes])) == 1
    mean = (state.cells.limbs[cells] / 2.0 ** (31 * np.arange(1, 4))).sum(axis=1) / counts
    assert abs(mean[0] - mean[1]) < 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_best_quality_is_cleanlabs(seed):
    data = annotated(seed)
    theirs = cleanlabs(
        get_label_quality_multiannotator, data.wide, data.pred_probs, return_weights=True
    )
    ours = find_consensus(*data, block_rows=17)
    expected = theirs["label_quality"]["consensus_label"].to_numpy()
    differ = np.flatnonzero(ours.labels.consensus_label != expected)
    if len(differ):
        two_best = np.sort(posterior(block_of(data), ours.crowd.majority_weights)[differ])[:, -2:]
        assert np.ptp(two_best, axis=1).max() < 1e-12
        labels, annotators, crowd, state = follow(data, expected)
    else:
        labels, annotators, crowd = ours
        *_, state = follow(data, expected)
    assert_same_quality(data, theirs, labels, annotators, state)
    np.testing.assert_allclose(crowd.weights.model, theirs["model_weight"], rtol=1e-12)
    np.testing.assert_allclose(crowd.weights.annotator, theirs["annotator_weight"], rtol=1e-9)


@pytest.mark.parametrize("seed", range(0, 160, 3))
@pytest.mark.parametrize("quality_method", ["crowdlab", "agreement"])
def test_majority_vote_quality_is_cleanlabs(seed, quality_method):
    data = annotated(seed)
    methods = {"consensus_method": "majority_vote", "quality_method": quality_method}
    theirs = cleanlabs(get_label_quality_multiannotator, data.wide, data.pred_probs, **methods)
    labels, annotators, crowd = find_consensus(*data, **methods)
    if quality_method == "agreement":  # there cleanlab scores annotations by other classes' votes
        assert crowd.weights is None
        block = block_of(data)
        details = theirs["detailed_label_quality"].to_numpy(copy=True)
        votes = (data.wide[:, :, None] == data.wide[:, None, :]).sum(axis=2)
        shares = votes / (~np.isnan(data.wide)).sum(axis=1, keepdims=True)
        details[block.row, block.annotator] = shares[block.row, block.annotator]
        theirs["detailed_label_quality"][:] = details
    *_, state = follow(data, labels.consensus_label)
    assert_same_quality(data, theirs, labels, annotators, state)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 6), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_same(seed, n_blocks, random):
    data = annotated(seed)
    n_rows, n_classes = data.pred_probs.shape
    rows = list(range(n_rows))
    random.shuffle(rows)
    parts = [part for part in (rows[i::n_blocks] for i in range(n_blocks)) if part]
    blocks = [block_of(data, part) for part in parts]
    zero = VoteState.zero(data.n_annotators, n_classes)
    votes = reduce(VoteState.merge, (zero.update(block) for block in blocks), zero)
    zero = ConsensusState.zero(data.n_annotators, n_classes)

    def state_of(crowd):
        each = (zero.update(block, crowd.consensus_labels(block)) for block in blocks)
        return reduce(ConsensusState.merge, each, zero)

    crowd = Crowd(votes).weigh(state_of(Crowd(votes))).prefer_best_quality()
    crowd = crowd.weigh(state_of(crowd))
    scored = [crowd.label_quality(block) for block in blocks]
    zero = AnnotatorState.zero(data.n_annotators, n_classes)
    each = (zero.update(*pair) for pair in zip(blocks, scored, strict=True))
    stats = reduce(AnnotatorState.merge, each, zero).stats(votes, crowd.weights)

    expected = find_consensus(*data)
    assert_equal(crowd, expected.crowd)
    for mine, theirs in zip(stats, expected.annotators, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    back = np.argsort(np.concatenate(parts))
    *of_rows, _ = zip(*scored, strict=True)
    for mine, theirs in zip(of_rows, expected.labels[:-1], strict=True):
        np.testing.assert_array_equal(np.concatenate(mine)[back], theirs)
    quality = np.full(data.wide.shape, np.nan)
    for part, block, one in zip(parts, blocks, scored, strict=True):
        quality[np.array(part)[block.row], block.annotator] = one.annotation_quality
    whole = block_of(data)
    np.testing.assert_array_equal(
        quality[whole.row, whole.annotator], expected.labels.annotation_quality
    )


def test_ties_are_broken_rule_by_rule():
    row = np.repeat(np.arange(5), [2, 2, 2, 2, 3])
    annotator = np.array([0, 1, 0, 1, 2, 3, 0, 3, 0, 1, 2])
    label = np.array([0, 1, 0, 1, 1, 2, 1, 2, 1, 1, 2])
    pred_probs = np.full((5, 3), 0.3)
    pred_probs[0, 1] = 0.4  # rule 1: the more probable
    data = Annotated(row, annotator, label, pred_probs)
    votes = votes_of(data)
    np.testing.assert_array_equal(votes.class_counts, [2, 6, 3])
    # row 1: 0 is the rarer label; rows 2 and 3: so is 2; row 4: clear
    np.testing.assert_array_equal(majority_vote(block_of(data), votes), [1, 0, 2, 2, 1])


def test_trusted_annotators_break_ties_of_equally_frequent_labels():
    # Row 0 is level in all of votes, probability and frequency; annotator 1 errs in row 1
    row, annotator = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 1, 2, 2])
    label = np.array([1, 0, 0, 1, 0, 1])
    data = Annotated(row, annotator, label, np.full((3, 2), 0.5))
    assert majority_vote(block_of(data), votes_of(data))[0] == 1
    # without any clear vote the lower label wins
    data = Annotated(row[:2], annotator[:2], label[:2], np.full((1, 2), 0.5))
    np.testing.assert_array_equal(majority_vote(block_of(data), votes_of(data)), [0])
    np.testing.assert_array_equal(find_consensus(*data).labels.consensus_label, [0])


def test_the_majority_vote_decides_where_the_posterior_is_level():
    data = Annotated(
        *map(np.array, ([0, 0, 1, 2], [0, 1, 0, 1], [0, 1, 0, 0])), np.full((3, 2), 0.5)
    )
    weights = Weights(1.0, np.ones(2), likelihood=0.75, other_likelihood=0.25)
    crowd = Crowd(votes_of(data), weights, majority_weights=weights)
    block = block_of(data)
    np.testing.assert_array_equal(posterior(block, weights)[0], [0.5, 0.5])
    np.testing.assert_array_equal(crowd.consensus_labels(block), [1, 0, 0])  # 1 is the rarer label


def test_the_worst_annotators_come_first_and_the_unrated_last():
    stats = find_consensus(*annotated(0)).annotators
    quality = stats.annotator_quality[stats.worst_first]
    rated = quality[~np.isnan(quality)]
    np.testing.assert_array_equal(rated, np.sort(rated))
    assert np.isnan(quality[len(rated) :]).all()
    assert len(rated) < len(quality)


def test_zero_adds_nothing():
    data = annotated(1)
    votes = votes_of(data)
    zero = VoteState.zero(data.n_annotators, data.pred_probs.shape[1])
    assert_equal(zero.merge(votes), votes)


def test_one_label_per_row_is_refused():
    with pytest.raises(DataError) as error:
        find_consensus(np.arange(2), np.arange(2), np.arange(2), np.full((2, 2), 0.5))
    assert error.value.code == "no_row_labelled_twice"


def test_annotators_without_a_label_can_be_left_out():
    data = annotated(1)
    block = block_of(data)
    shape = (data.n_annotators + 2, data.pred_probs.shape[1])
    shifted = AnnotatedBlock.of(block.row, block.annotator + 1, block.label, block.pred_probs)
    votes = VoteState.zero(*shape).update(shifted)
    assert_equal(votes.of_annotators(votes.labelled > 0), votes_of(data))


def test_best_quality_needs_weights():
    with pytest.raises(ValueError, match="weigh"):
        Crowd(votes_of(annotated(1))).prefer_best_quality()


@pytest.mark.parametrize("method", ["consensus_method", "quality_method"])
def test_an_unknown_method_is_refused(method):
    with pytest.raises(ConfigError) as error:
        find_consensus(*annotated(1), **{method: "agreemnt"})
    assert error.value.code == "unknown_method"
