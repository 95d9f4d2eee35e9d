"""The channel that labels come through, told apart from a classifier that is weak.

    P(given = j | text) = Σ_k noise_matrix[j, k] · softmax(scale · ln P(· | text) + bias)[k]

P is the classifier's, out of sample. A classifier that knows little is unsure everywhere: its
probabilities spread, but rise as far as the text carries them. Labels that are wrong hold them down
however clear the text is: they saturate below 1. So the parts are told apart by shape, as in
the logistic regression of Copas (1988, JRSS B 50) and the noise layer of Goldberger & Ben-Reuven
(2017), here on top of one number (scale) and one per class (bias). Where the data cannot tell, each
class is believed to have `PRIOR_ROWS` rows that are right, which pulls its column to no noise.

What it cannot see: labels that are wrong only where texts are hard look like a weak classifier, so
such errors are underestimated, which changes fewer labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from lakewinnow.core.types import BoolArray, FloatArray, IntArray

# Chosen on crowd labels of two corpora, Politeness and 230 simulated sets, all of them with static
# and transformer embeddings (tests/bench/evidence.py): fewer changed more labels that were right.
PRIOR_ROWS: Final = 4.0
LEAST_PROB: Final = 1e-7
LITTLE_NOISE: Final = 0.05
_FULL_UP_TO: Final = 30  # classes; of more, only pairs that some row shows are considered
_MOST_STEPS: Final = (200, 40)  # of the search, up to as many classes and beyond
_SCALES: Final = (-3.0, float(np.log(4.0)))  # logarithms between which the scale is looked for
_BIASES: Final = (-8.0, 8.0)
_LOG_ODDS: Final = (-9.0, 1.0)  # of a wrong label to the right one


@dataclass(frozen=True, eq=False)
class Channel:
    """How given labels depend on true ones, and true ones on the classifier's probabilities."""

    scale: float  # of the logarithms of the probabilities
    shares: FloatArray  # float64, shape (K,), exp(bias), sum to 1
    noise_matrix: FloatArray  # float64, shape (K, K), P(given = row | true = column)
    # twice the logarithm of how much likelier the labels are than without noise, prior included
    evidence: float

    @classmethod
    def fit(
        cls,
        labels: IntArray,
        pred_probs: FloatArray,
        near: FloatArray,
        is_open: BoolArray | None = None,
    ) -> Self:
        """Return the likeliest channel.

        Parameters
        ----------
        labels : int64, shape (n,), given labels; each class has a row
        pred_probs : float64, shape (n, K), out of sample
        near : float64, shape (K, K), a noise matrix to start from, confident learning's; the search
            starts from little noise too, as the likelihood may have two maxima
        is_open : bool, shape (K,), true classes whose rows may have other labels; None: all
        """
        n_classes = pred_probs.shape[1]
        is_open = np.ones(n_classes, bool) if is_open is None else is_open
        order = np.argsort(labels, kind="stable")
        likelihood = _Likelihood(labels[order], pred_probs[order], is_open)
        without = _Likelihood(labels[order], pred_probs[order], np.zeros(n_classes, bool))
        plain, at_plain = without.maximise(near)
        little = np.full_like(near, LITTLE_NOISE / max(1, n_classes - 1))
        np.fill_diagonal(little, 1 - LITTLE_NOISE)
        starts = (little, near) if n_classes <= _FULL_UP_TO else (near,)
        found = map(likelihood.maximise, starts)
        whole = [(value, at) for value, at in found if likelihood.keeps_classes(at)]
        best, at_best = min(whole, key=lambda of: of[0], default=(plain, at_plain))
        if best >= plain:  # a local maximum with noise, less likely than none
            best, at_best, likelihood = plain, at_plain, without
        scale, bias, noise_matrix = likelihood.unpacked(at_best)
        shares = np.exp(bias - bias.max())
        return cls(float(scale), shares / shares.sum(), noise_matrix, 2 * (plain - best))

    def without_noise(self) -> Self:
        """Return the channel that changes no label."""
        return type(self)(self.scale, self.shares, np.eye(len(self.shares)), self.evidence)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, for JSON; `from_dict` gives the same channel back."""
        given, true = np.nonzero(self.noise_matrix)
        values = self.noise_matrix[given, true]
        cells = zip(given.tolist(), true.tolist(), values.tolist(), strict=True)
        return {
            "scale": self.scale,
            "shares": self.shares.tolist(),
            "noise_matrix_cells": [list(cell) for cell in cells],  # few, of many classes
            "evidence": self.evidence,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], n_classes: int) -> Self:
        """Read what `to_dict` returned, or JSON of it; KeyError, ValueError or so on else."""
        noise_matrix = np.zeros((n_classes, n_classes))
        for given, true, value in content["noise_matrix_cells"]:
            noise_matrix[given, true] = value
        shares = np.array(content["shares"], np.float64).reshape(n_classes)
        return cls(float(content["scale"]), shares, noise_matrix, float(content["evidence"]))


class _Likelihood:
    """Minus the logarithm of the posterior density of the parameters, and its gradient."""

    def __init__(self, labels: IntArray, pred_probs: FloatArray, is_open: BoolArray) -> None:
        """Take rows sorted by label."""
        n_rows, n_classes = pred_probs.shape
        logs = np.log(np.maximum(pred_probs, LEAST_PROB))
        self._logs = logs - logs.mean(axis=1, keepdims=True)
        self._labels, self._n_classes = labels, n_classes
        self._starts = np.searchsorted(labels, np.arange(n_classes))
        counts = np.bincount(labels, minlength=n_classes)
        self._is_there = counts > 0
        self._base = np.log(np.maximum(counts, 1) / n_rows)
        cells = ~np.eye(n_classes, dtype=bool) & is_open
        if n_classes > _FULL_UP_TO:
            seen = np.zeros_like(cells)
            seen[labels, pred_probs.argmax(axis=1)] = True
            cells &= seen
        self._cells = cells

    def maximise(self, near: FloatArray) -> tuple[float, FloatArray]:
        """Return the least value, and where, starting from a noise matrix."""
        from scipy.optimize import minimize  # takes long to import, and few processes need it

        n_cells = int(self._cells.sum())
        odds = np.maximum(near, LEAST_PROB) / np.maximum(near.diagonal(), LEAST_PROB)
        log_odds = np.log(odds[self._cells])
        start = np.concatenate([[0.0], self._base - self._base.mean(), log_odds])
        bounds = [_SCALES, *[_BIASES] * self._n_classes, *[_LOG_ODDS] * n_cells]
        found = minimize(
            self._value_and_gradient,
            np.clip(start, *np.array(bounds).T),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _MOST_STEPS[self._n_classes > _FULL_UP_TO]},
        )
        return float(found.fun), found.x

    def unpacked(self, at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return scale, bias and noise matrix."""
        bias = at[1 : 1 + self._n_classes]
        odds = np.zeros(self._cells.shape)
        odds[self._cells] = np.exp(at[1 + self._n_classes :])
        np.fill_diagonal(odds, 1.0)
        return float(np.exp(at[0])), bias, odds / odds.sum(axis=0)

    def keeps_classes(self, at: FloatArray) -> bool:
        """Whether each class is left with a row.

        Of few rows, it may be likeliest that a class is nothing but errors: the search ends at the
        edge, where nothing tells how many there are.
        """
        _, bias, _ = self.unpacked(at)
        shares = np.exp(bias - bias.max())
        return bool((shares / shares.sum() * len(self._labels) >= 1)[self._is_there].all())

    def _value_and_gradient(self, at: FloatArray) -> tuple[float, FloatArray]:
        scale, bias, noise_matrix = self.unpacked(at)
        scores = scale * self._logs + bias
        scores -= scores.max(axis=1, keepdims=True)
        by_text = np.exp(scores)
        by_text /= by_text.sum(axis=1, keepdims=True)
        posterior = by_text * noise_matrix[self._labels]
        likelihoods = np.maximum(posterior.sum(axis=1), np.finfo(np.float64).tiny)
        posterior /= likelihoods[:, np.newaxis]
        value = -np.log(likelihoods).sum() - PRIOR_ROWS * np.log(noise_matrix.diagonal()).sum()
        off = posterior - by_text
        # Rows of each given label summed: how many are of each true class
        per_cell = np.zeros_like(noise_matrix)
        per_cell[self._is_there] = np.add.reduceat(posterior, self._starts[self._is_there], axis=0)
        right = PRIOR_ROWS * np.eye(self._n_classes)
        of_odds = (per_cell + right) - noise_matrix * (per_cell + right).sum(axis=0)
        gradient = [[scale * (off * self._logs).sum()], off.sum(axis=0), of_odds[self._cells]]
        return float(value), -np.concatenate(gradient)
