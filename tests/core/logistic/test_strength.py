import numpy as np
import pytest

from core.logistic.test_crossval import clusters
from lakewinnow.core.logistic import strength
from lakewinnow.core.logistic.crossval import cross_val_predict
from lakewinnow.core.logistic.softmax_regression import Objective
from lakewinnow.core.logistic.strength import choose_strength


def balanced_log_loss(rows, C, **params):  # noqa: N803
    _, labels, _, n_classes = rows
    own = cross_val_predict(*rows, C=C, **params).pred_probs[np.arange(len(labels)), labels]
    return np.mean([-np.log(own[labels == label]).mean() for label in range(n_classes)])


@pytest.mark.parametrize(
    ("best", "noise", "spread"), [(0.1, 0.9, 2.0), (1.0, 0.5, 1.5), (100.0, 0.0, 0.5)]
)
def test_the_least_loss_wins(best, noise, spread):
    rows = (*clusters(6000, 12, 3, noise=noise, spread=spread), 3)
    chosen = choose_strength(*rows)
    losses = {C: balanced_log_loss(rows, C) for C in strength.GRID}
    assert min(losses, key=losses.get) == best
    assert best == chosen.C
    assert min(chosen.losses, key=chosen.losses.get) == best


def test_a_difference_that_may_be_chance_keeps_one(monkeypatch):
    rows = (*clusters(600, 12, 3, noise=0.9, spread=2.0), 3)
    chosen = choose_strength(*rows)
    assert chosen.losses[0.1] < chosen.losses[1.0]
    assert chosen.C == 1.0
    monkeypatch.setattr(strength, "SIGNIFICANT", 0.0)
    assert choose_strength(*rows).C == 0.1


def test_the_losses_are_those_of_the_folds_looked_at(monkeypatch):
    monkeypatch.setattr(strength, "N_FOLDS", 5)
    rows = (*clusters(400, 12, 4, noise=0.3), 4)
    chosen = choose_strength(*rows)
    assert list(chosen.losses)[:2] == [1.0, 10.0]
    for C, loss in chosen.losses.items():  # noqa: N806
        assert loss == pytest.approx(balanced_log_loss(rows, C), rel=0.01)


def test_what_a_fold_cannot_learn_does_not_count():
    features, labels, folds = clusters(400, 12, 4)
    folds[labels == 3] = 0
    chosen = choose_strength(features, labels, folds, 4)
    assert max(chosen.losses.values()) < 2  # a class of probability 0 would cost 16
    assert choose_strength(features, np.ones(400, int), folds, 4).C == 1.0


def test_weights_and_scaling_are_those_of_the_fit(monkeypatch):
    monkeypatch.setattr(strength, "N_FOLDS", 5)
    features, labels, folds = clusters(400, 12, 3, noise=0.3, unit_norm=False)
    rows = (features * np.geomspace(1e-3, 1e3, 12), labels, folds, 3)
    params = {"class_weight": None, "standardize": True}
    chosen = choose_strength(*rows, **params)
    for C, loss in chosen.losses.items():  # noqa: N806
        assert loss == pytest.approx(balanced_log_loss(rows, C, **params), rel=0.01)
    ignored = np.arange(400) % 3 > 0
    weighted = choose_strength(*rows, **params, sample_weight=~ignored)
    kept = (rows[0][~ignored], labels[~ignored], folds[~ignored], 3)
    assert weighted.C == choose_strength(*kept, **params).C


def test_it_costs_no_more_than_the_fit_and_a_half(monkeypatch):
    passes = []
    evaluate = Objective._cross_entropy

    def counted(self, coef, models, chunks):
        passes.append(len(models) * sum(len(self.labels[chunk]) for chunk in chunks))
        return evaluate(self, coef, models, chunks)

    monkeypatch.setattr(Objective, "_cross_entropy", counted)
    features, labels, _ = clusters(3000, 60, 10, noise=0.1)
    rows = (features, labels, np.arange(3000) % 10, 10)
    chosen = choose_strength(*rows)
    choosing = sum(passes)
    passes.clear()
    cross_val_predict(*rows, C=chosen.C)
    assert choosing < 1.5 * sum(passes)
