"""The posterior: how probable each class is, given a row's text and the label it was given.

    q[i, k]  ∝  P[i, k] · prior[k] · noise_matrix[given_i, k]

P is P(class | text), so the prior comes in once, and the noise matrix says how often a row of class
k is given the label that this one was given. Row by row: no state.

There are two. `of` takes prior and noise matrix from the `Channel`, which does not take what the
classifier gets wrong for errors of the labels: a suggestion is as often right as it says, and a
label that no one can doubt for sure stays. `doubting` takes them from confident learning, which
does: it says too much, and ranks the labels by how doubtful they are better than the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.calibration import Calibration
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.sparse import MOST_DENSE, Sparse
from lakewinnow.core.types import FloatArray, IntArray

Int32Array: TypeAlias = npt.NDArray[np.int32]

_DOUBT: Final = (
    1e-9  # weight of confident learning's noise matrix: gives an order, changes no label
)
_CELLS: Final = 2**16  # probabilities at once, so that they stay in a core's cache


class Suggestions(NamedTuple):
    """What the posterior says of the rows of a block."""

    # int64, shape (n,), the most probable class; the given label where it is as probable
    labels: IntArray
    probs: FloatArray  # float64, shape (n,), its probability
    given_probs: FloatArray  # float64, shape (n,), the given label's

    @classmethod
    def of(cls, labels: IntArray, probs: FloatArray) -> Self:
        """Return what the probabilities of the classes, shape (n, K), say of given labels."""
        rows = np.arange(len(labels))
        best, given = probs.argmax(axis=1), probs[rows, labels]
        best = np.where(given >= probs[rows, best], labels, best)
        return cls(best, probs[rows, best], given)


@dataclass(frozen=True, eq=False)
class Posterior:
    """All that it takes to tell a row's posterior; it travels to where the rows are."""

    calibration: Calibration
    # int32, shape (cells,), labels that some row may have, and may be of
    given: Int32Array
    true: Int32Array
    # float64, shape (cells,), prior[true] · noise_matrix[given, true], all above 0
    weight: FloatArray

    @classmethod
    def of(cls, noise_model: NoiseModel) -> Self:
        """Return the posterior under a noise model's channel; `doubting` where it has none."""
        channel, noise_matrix = noise_model.channel, noise_model.noise_matrix
        if channel is None or isinstance(noise_matrix, Sparse):
            return cls.doubting(noise_model)
        n_classes = len(channel.shares)
        calibration = Calibration(1 / channel.scale, np.full(n_classes, 1 / n_classes))
        # No label is beyond doubt, so that rows still have an order where there is no noise
        doubted = (1 - _DOUBT) * channel.noise_matrix + _DOUBT * noise_matrix
        return cls.of_weights(calibration, channel.shares * doubted)

    @classmethod
    def doubting(cls, noise_model: NoiseModel) -> Self:
        """Return the posterior of confident learning's prior and noise matrix.

        One without a calibration is an older version's: its probabilities are taken as they are.
        """
        calibration = noise_model.calibration or Calibration.none(len(noise_model.classes))
        noise = noise_model.noise_matrix
        if isinstance(noise, Sparse):
            weight = noise_model.py[noise.column] * noise.value
            is_some = weight > 0
            given, true = (of[is_some].astype(np.int32) for of in (noise.row, noise.column))
            return cls(calibration, given, true, weight[is_some])
        return cls.of_weights(calibration, noise_model.py * noise)

    @classmethod
    def of_weights(cls, calibration: Calibration, weights: FloatArray) -> Self:
        """Return the posterior of prior[k] · noise_matrix[given, k], shape (K, K)."""
        given, true = np.nonzero(weights)  # of many classes, few pairs are ever confused
        return cls(calibration, given.astype(np.int32), true.astype(np.int32), weights[given, true])

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.calibration.training_prior)

    @property
    def wrong(self) -> float:
        """Share of the given labels that are wrong."""
        return 1 - float(self.weight[self.given == self.true].sum() / self.weight.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists, for JSON; `from_dict` gives the same posterior back."""
        return {
            "temperature": self.calibration.temperature,
            "training_prior": self.calibration.training_prior.tolist(),
            "given": self.given.tolist(),
            "true": self.true.tolist(),
            "weight": self.weight.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_dict` returned, or JSON of it; KeyError, ValueError or so on else."""
        prior = np.array(content["training_prior"], np.float64)
        return cls(
            Calibration(float(content["temperature"]), prior),
            np.array(content["given"], np.int32),
            np.array(content["true"], np.int32),
            np.array(content["weight"], np.float64),
        )

    @cached_property
    def weights(self) -> FloatArray:
        """prior[k] · noise_matrix[given, k], float64, shape (K, K), rows = given label."""
        n_classes = len(self.calibration.training_prior)
        weights = np.zeros((n_classes, n_classes))
        weights[self.given, self.true] = self.weight
        return weights

    def _weights_of(self, labels: IntArray) -> FloatArray:
        """Return the rows of `weights` of some given labels, shape (n, K)."""
        n_classes = len(self.calibration.training_prior)
        if n_classes <= MOST_DENSE:
            return self.weights[labels]
        starts = np.searchsorted(self.given, np.arange(n_classes + 1))
        weights = np.zeros((len(labels), n_classes))
        for row, label in enumerate(labels.tolist()):
            cells = slice(starts[label], starts[label + 1])
            weights[row, self.true[cells]] = self.weight[cells]
        return weights

    def probs(self, labels: IntArray, pred_probs: FloatArray) -> FloatArray:
        """Return q, shape (n, K), rows sum to 1.

        Parameters
        ----------
        labels : int64, shape (n,), given labels
        pred_probs : float64, shape (n, K), out-of-sample

        Notes
        -----
        Where every class that the label may stand for has a probability of 0 by the text, the noise
        model says nothing about it, and the row's own P is returned.
        """
        by_text = self.calibration.apply(pred_probs)
        both = by_text * self._weights_of(labels)
        total = both.sum(axis=1, keepdims=True)
        is_possible = total > 0
        return np.where(is_possible, both, by_text) / np.where(is_possible, total, 1.0)

    def suggestions(self, labels: IntArray, pred_probs: FloatArray) -> Suggestions:
        """Return each row's most probable class, its probability and the given label's."""
        step = max(1, _CELLS // pred_probs.shape[1])
        parts = [slice(at, at + step) for at in range(0, max(1, len(labels)), step)]
        found = [
            Suggestions.of(labels[part], self.probs(labels[part], pred_probs[part]))
            for part in parts
        ]
        return Suggestions(*map(np.concatenate, zip(*found, strict=True)))
