"""The posterior of text, given label and opinions, of annotators whose quality is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.core.crowd.confusion import FUNCTION
from lakewinnow.core.crowd.opinions import OpinionModel, Opinions, expected_gain
from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.posterior import Posterior

NONE = Opinions.of(*(np.zeros(0, np.int64) for _ in range(3)))


def drawn(n_rows=3000, n_classes=3, noise=0.3, seed=0, strength=2.0):
    """Return true labels, given ones, P(true | text), and what is known before any opinion."""
    rng = np.random.default_rng(seed)
    scores = np.exp(strength * rng.normal(size=(n_rows, n_classes)))
    by_text = scores / scores.sum(axis=1, keepdims=True)
    true = (rng.random((n_rows, 1)) > by_text.cumsum(axis=1)[:, :-1]).sum(axis=1)
    given_labels = said(true, symmetric(1 - noise, n_classes), rng)
    weights = symmetric(1 - noise, n_classes) / n_classes
    return true, given_labels, by_text, Posterior.of_weights(Calibration.none(n_classes), weights)


def symmetric(right, n_classes=3):
    matrix = np.full((n_classes, n_classes), (1 - right) / (n_classes - 1))
    np.fill_diagonal(matrix, right)
    return matrix


def said(true, confusion, rng):
    """Return a label for each row, drawn by P(label = row | true = column)."""
    upto = confusion.cumsum(axis=0)[:-1, true].T
    return (rng.random((len(true), 1)) > upto).sum(axis=1)


def opinions_of(true, confusions, share=1.0, seed=1):
    """Return opinions of annotators, each on a share of the rows."""
    rng = np.random.default_rng(seed)
    parts = []
    for annotator, confusion in enumerate(confusions):
        rows = np.flatnonzero(rng.random(len(true)) < share)
        parts.append((rows, np.full(len(rows), annotator), said(true[rows], confusion, rng)))
    return Opinions.of(*map(np.concatenate, zip(*parts, strict=True)))


def fitted(labels, by_text, opinions, start, n=1, kind="person"):
    names = [f"annotator {a}" for a in range(n)]
    return OpinionModel.fit(labels, by_text, opinions, names, [kind] * n, start, start)


def right(true, labels, by_text, opinions, model):
    return (model.suggestions(labels, by_text, opinions).labels == true).mean()


def test_annotators_of_known_quality_are_recovered():
    true, labels, by_text, start = drawn()
    biased = np.array([[0.9, 0.4, 0.1], [0.05, 0.5, 0.1], [0.05, 0.1, 0.8]])
    confusions = [symmetric(0.9), symmetric(0.6), biased]
    opinions = opinions_of(true, confusions, 0.5)
    model = fitted(labels, by_text, opinions, start, 3)
    np.testing.assert_allclose(model.confusion[:2], confusions[:2], atol=0.07)
    assert model.confusion[2, 0, 1] > 0.3  # which two classes it mistakes
    assert model.counts.tolist() == np.bincount(opinions.annotator).tolist()
    quality = model.quality()
    np.testing.assert_allclose(quality.share, [0.9, 0.6, 2.2 / 3], atol=0.04)
    assert (quality.low < quality.share).all()
    assert (quality.share < quality.high).all()
    before = (start.suggestions(labels, by_text).labels == true).mean()
    assert right(true, labels, by_text, opinions, model) > before + 0.05


def test_labels_that_no_one_doubted_are_doubted_where_opinions_say_so():
    true, labels, by_text, doubting = drawn()
    # as of a channel that is not shown
    start = Posterior.of_weights(Calibration.none(3), np.eye(3) / 3 + 1e-9)
    opinions = opinions_of(true, [symmetric(0.9)], 0.3)
    model = OpinionModel.fit(labels, by_text, opinions, "a", ["person"], start, doubting)
    assert model.doubt > 0.9
    heard = opinions.row
    suggested = model.suggestions(labels, by_text, opinions).labels
    assert (suggested == true)[heard].mean() > 0.9 > 0.72 > (labels == true)[heard].mean()


@pytest.mark.parametrize("right_share", [0.95, 0.7])
def test_opinions_on_doubted_rows_are_not_taken_for_errors_because_they_contradict(right_share):
    true, labels, by_text, doubting = drawn()
    start = Posterior.of_weights(Calibration.none(3), np.eye(3) / 3 + 1e-9)
    doubted = np.argsort(doubting.suggestions(labels, by_text).given_probs)[:600]
    says = said(true[doubted], symmetric(right_share), np.random.default_rng(2))
    opinions = Opinions.of(doubted, np.zeros(600, np.int64), says)
    assert (says == labels[doubted]).mean() < 0.25
    model = OpinionModel.fit(labels, by_text, opinions, "a", ["person"], start, doubting)
    assert model.quality().share[0] == pytest.approx(right_share, abs=0.1)
    suggested = model.suggestions(labels, by_text, opinions).labels
    by_text_and_label = doubting.suggestions(labels, by_text).labels
    assert (suggested == true)[doubted].mean() > (by_text_and_label == true)[doubted].mean() + 0.05


def test_where_labels_are_right_opinions_do_not_spread_the_doubts_of_a_weak_classifier():
    true, _, by_text, doubting = drawn(strength=1.0)
    start = Posterior.of_weights(Calibration.none(3), np.eye(3) / 3 + 1e-9)
    opinions = opinions_of(true, [symmetric(0.8)], 0.3)
    model = OpinionModel.fit(true, by_text, opinions, "a", ["person"], start, doubting)
    assert (model.suggestions(true, by_text, opinions).labels == true).mean() > 0.98


def test_functions_have_no_say_in_how_far_labels_are_doubted():
    _, labels, by_text, doubting = drawn()
    start = Posterior.of_weights(Calibration.none(3), np.eye(3) / 3 + 1e-9)
    rows = np.arange(0, len(labels), 2)
    echo = Opinions.of(rows, np.zeros_like(rows), by_text.argmax(axis=1)[rows])
    model = OpinionModel.fit(labels, by_text, echo, "f", [FUNCTION], start, doubting)
    assert (model.doubt, model.has_others) == (0, False)
    assert (model.suggestions(labels, by_text, echo).labels == labels).all()


def test_where_functions_alone_speak_the_text_says_no_more_against_a_label():
    true, labels, by_text, doubting = drawn()
    start = Posterior.of_weights(Calibration.none(3), np.eye(3) / 3 + 1e-9)
    good = [0.8 * np.eye(3) + 0.2 / 3] * 2
    opinions = opinions_of(true, good, 0.5)
    kinds = ["person", FUNCTION]
    model = OpinionModel.fit(labels, by_text, opinions, "pf", kinds, start, doubting)
    by_all, suggesting = model.both_probs(labels, by_text, opinions)
    heard = np.isin(np.arange(len(labels)), opinions.row[opinions.annotator == 0])
    assert model.doubt > 0.1
    assert (by_all == model.probs(labels, by_text, opinions)).all()
    assert (suggesting[heard] == by_all[heard]).all()
    given = suggesting[~heard][np.arange((~heard).sum()), labels[~heard]]
    doubted = by_all[~heard][np.arange((~heard).sum()), labels[~heard]]
    assert (given >= doubted - 1e-12).all()


@pytest.mark.parametrize(
    "says",
    [
        np.roll(np.eye(3), 1, axis=0),  # always wrong
        np.array([[1.0, 1, 1], [0, 0, 0], [0, 0, 0]]),  # always the same
        np.full((3, 3), 1 / 3),  # anything
    ],
)
@pytest.mark.parametrize("kind", ["person", FUNCTION])
def test_a_bad_annotator_does_no_harm(says, kind):
    true, labels, by_text, start = drawn()
    opinions = opinions_of(true, [says], 0.3)
    model = fitted(labels, by_text, opinions, start, kind=kind)
    before = (start.suggestions(labels, by_text).labels == true).mean()
    assert right(true, labels, by_text, opinions, model) > before - 0.005


def test_a_bad_annotator_does_no_harm_among_good_ones():
    true, labels, by_text, start = drawn()
    good = [symmetric(0.9), symmetric(0.8)]
    opinions = opinions_of(true, [*good, np.roll(np.eye(3), 1, axis=0)], 0.5)
    model = fitted(labels, by_text, opinions, start, 3)
    assert model.quality().share[2] < 0.3
    is_good = opinions.annotator < 2
    of_good = Opinions(*(of[is_good] for of in (opinions.row, opinions.annotator, opinions.label)))
    without = fitted(labels, by_text, of_good, start, 2)
    expected = right(true, labels, by_text, of_good, without)
    assert right(true, labels, by_text, opinions, model) > expected - 0.005


def test_an_annotator_of_two_opinions_weighs_little():
    _, labels, by_text, start = drawn(200)
    before = start.probs(labels, by_text)
    sure = np.flatnonzero(before.max(axis=1) > 0.9)[:2]
    wrong = (before[sure].argmax(axis=1) + 1) % 3
    opinions = Opinions.of(sure, np.zeros(2, np.int64), wrong)
    model = fitted(labels, by_text, opinions, start)
    after = model.probs(labels, by_text, opinions)
    assert (after[sure].argmax(axis=1) == before[sure].argmax(axis=1)).all()
    assert 0.1 < model.quality().share[0] < 0.6


def test_one_of_few_opinions_is_believed_to_be_like_those_of_its_kind():
    true, labels, by_text, start = drawn()
    opinions = opinions_of(true, [symmetric(0.9)] * 2, 0.5)
    names, kinds = ["much", "more", "new", "other"], ["person", "person", "person", "model"]
    model = OpinionModel.fit(labels, by_text, opinions, names, kinds, start, start)
    share = model.quality().share
    assert share[2] == pytest.approx(share[:2].mean(), abs=0.02)
    assert share[3] == pytest.approx(2 / 3)  # half known, and a third of the others guessed
    assert model.quality().low[3] == 0
    assert model.quality().high[3] == 1


def test_without_opinions_it_is_the_posterior_that_it_starts_from():
    _, labels, by_text, start = drawn(100)
    model = fitted(labels, by_text, NONE, start, 2)
    np.testing.assert_allclose(model.probs(labels, by_text, NONE), start.probs(labels, by_text))
    assert model.counts.tolist() == [0, 0]
    nobody = OpinionModel.fit(labels, by_text, NONE, [], [], start, start)
    np.testing.assert_allclose(nobody.probs(labels, by_text, NONE), start.probs(labels, by_text))
    assert nobody.quality().share.tolist() == []


def test_what_a_function_is_silent_about_counts():
    true, labels, by_text, start = drawn()
    rng = np.random.default_rng(3)
    rows = np.flatnonzero(rng.random(len(true)) < np.where(true == 0, 0.8, 0.01))
    opinions = Opinions.of(rows, np.zeros_like(rows), np.zeros_like(rows))
    model = fitted(labels, by_text, opinions, start, kind=FUNCTION)
    np.testing.assert_allclose(model.confusion[0, 0], [0.8, 0.01, 0.01], atol=0.05)
    before = (start.suggestions(labels, by_text).labels == true).mean()
    assert right(true, labels, by_text, opinions, model) > before + 0.05
    # of a person, it would be chance that they looked at those rows
    person = fitted(labels, by_text, opinions, start)
    np.testing.assert_allclose(person.confusion[0].sum(axis=0), 1)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_neither_order_of_rows_nor_of_annotators_matters(random, n_rows):
    true, labels, by_text, start = drawn(n_rows)
    opinions = opinions_of(true, [symmetric(0.9), symmetric(0.5), symmetric(0.2)], 0.4)
    kinds = ["person", FUNCTION, "person"]
    rows, people = list(range(n_rows)), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(people)
    moved = Opinions.of(
        np.argsort(rows)[opinions.row], np.argsort(people)[opinions.annotator], opinions.label
    )
    model = OpinionModel.fit(labels, by_text, opinions, "abc", kinds, start, start)
    names, their_kinds = (["abc"[a] for a in people], [kinds[a] for a in people])
    other = OpinionModel.fit(labels[rows], by_text[rows], moved, names, their_kinds, start, start)
    np.testing.assert_allclose(other.confusion, model.confusion[people], atol=1e-6)
    np.testing.assert_allclose(
        other.probs(labels[rows], by_text[rows], moved),
        model.probs(labels, by_text, opinions)[rows],
        atol=1e-6,
    )


def test_any_block_of_rows_is_judged_as_all_at_once():
    true, labels, by_text, start = drawn(300)
    opinions = opinions_of(true, [symmetric(0.8)] * 2, 0.5)
    model = fitted(labels, by_text, opinions, start, 2)
    is_in = opinions.row >= 200
    block = Opinions(opinions.row[is_in] - 200, opinions.annotator[is_in], opinions.label[is_in])
    np.testing.assert_allclose(
        model.probs(labels[200:], by_text[200:], block),
        model.probs(labels, by_text, opinions)[200:],
        rtol=1e-12,
    )


def test_many_classes_are_quick_and_few_opinions_a_class_are_enough():
    true, labels, by_text, start = drawn(4000, 77, strength=3.0)
    opinions = opinions_of(true, [symmetric(0.9, 77), symmetric(0.02, 77)], 0.2)
    model = fitted(labels, by_text, opinions, start, 2)
    share = model.quality().share
    assert share[0] > 0.7
    assert share[1] < 0.2
    before = (start.suggestions(labels, by_text).labels == true).mean()
    assert right(true, labels, by_text, opinions, model) > before + 0.01


def test_it_is_written_and_read_as_it_was():
    true, labels, by_text, start = drawn(100)
    opinions = opinions_of(true, [symmetric(0.8)] * 2, 0.5)
    model = fitted(labels, by_text, opinions, start, 2)
    before = model.probs(labels, by_text, opinions)
    content = json.loads(json.dumps(model.to_dict()))
    other = OpinionModel.from_dict(content)
    assert other.to_dict() == model.to_dict()
    np.testing.assert_array_equal(other.probs(labels, by_text, opinions), before)
    nobody = OpinionModel.fit(labels, by_text, NONE, [], [], start, start)
    assert OpinionModel.from_dict(nobody.to_dict()).to_dict() == nobody.to_dict()


def test_expected_gain_is_what_its_formula_says():
    rng = np.random.default_rng(0)
    probs, says = rng.dirichlet(np.ones(4), 50), rng.dirichlet(np.ones(4), 4).T
    expected = [
        sum(max(q[k] * says[label, k] for k in range(4)) for label in range(4)) - max(q)
        for q in probs
    ]
    np.testing.assert_allclose(expected_gain(probs, says), expected, atol=1e-15)
    # No one is asked where it is known, nor one who knows nothing
    assert expected_gain(np.eye(4), says).tolist() == [0.0] * 4
    np.testing.assert_allclose(expected_gain(probs, np.full((4, 4), 0.25)), 0, atol=1e-15)
    np.testing.assert_allclose(expected_gain(probs, np.eye(4)), 1 - probs.max(axis=1))


def test_most_said_is_the_likeliest_of_equals():
    said = Opinions.of(*np.array([[0, 0, 2, 2, 2, 3], [0, 1, 0, 1, 2, 1], [1, 2, 0, 2, 2, 1]]))
    labels, n = said.most_said(np.array([2, 0, 0, 0]))
    assert labels.tolist() == [2, 0, 2, 1]
    assert n.tolist() == [1, 0, 2, 1]


def test_a_part_of_a_block_is_a_block():
    said = Opinions.of(*np.array([[0, 2, 2, 4], [0, 1, 0, 0], [1, 2, 0, 1]]))
    part = said.of_rows(1, 4)
    assert (part.row.tolist(), part.label.tolist()) == ([1, 1], [0, 2])


def test_without_annotators_the_posterior_is_that_of_text_and_label():
    _, labels, by_text, start = drawn(n_rows=20)
    model = OpinionModel.without_opinions(start)
    expected = start.probs(labels, by_text)
    np.testing.assert_allclose(model.probs(labels, by_text, NONE), expected)
    assert OpinionModel.from_dict(json.loads(json.dumps(model.to_dict()))).kinds == ()
