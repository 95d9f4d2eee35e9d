"""What one more opinion on a row is worth, of somebody like those who have said something."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from lakewinnow.core.crowd.confusion import FUNCTION
from lakewinnow.core.crowd.opinions import OpinionModel, expected_gain
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.types import FloatArray

_FULL_UP_TO: Final = 50  # classes; of more, whoever errs is taken to name any other class as often


@dataclass(frozen=True, eq=False)
class NextOpinion:
    """Somebody who may be asked."""

    # float64, shape (K, K), P(opinion = row | true = column)
    says: FloatArray | None
    right: float  # share of right opinions; used where there are too many classes for `says`

    @classmethod
    def of(cls, says: FloatArray, right: float) -> Self:
        """Return somebody of that confusion, who is right that often."""
        return cls(says if len(says) <= _FULL_UP_TO else None, right)

    @classmethod
    def like_labels(cls, posterior: Posterior) -> Self:
        """Return somebody who is as often right as the given labels."""
        shares = np.bincount(posterior.true, posterior.weight, posterior.n_classes)
        right = 1 - posterior.wrong
        if posterior.n_classes > _FULL_UP_TO:
            return cls(None, right)
        return cls(posterior.weights / np.where(shares > 0, shares, 1.0), right)

    @classmethod
    def like_annotators(cls, model: OpinionModel) -> Self:
        """Return somebody like the annotators that can be asked: functions have said it all."""
        can_be_asked = np.array([kind != FUNCTION for kind in model.kinds])
        if not model.has_others:
            return cls.like_labels(model.doubting)
        weight = np.where(can_be_asked, model.counts, 0).astype(np.float64)
        weight /= weight.sum()
        says = np.tensordot(weight, model.confusion, axes=1)
        right = float(weight @ model.quality().share)
        return cls.of(says, right)

    def gain(self, probs: FloatArray) -> FloatArray:
        """Return by how much it raises the chance that the most probable class is right.

        Parameters
        ----------
        probs : float64, shape (n, K), of each class
        """
        if self.says is not None:
            return expected_gain(probs, self.says)
        n_classes = probs.shape[1]
        second, best = np.partition(probs, -2, axis=1)[:, -2:].T
        errs = (1 - self.right) / (n_classes - 1)
        others = np.broadcast_to(best[:, np.newaxis], probs.shape).copy()
        others[np.arange(len(probs)), probs.argmax(axis=1)] = second
        after = np.maximum(self.right * probs, errs * others).sum(axis=1)
        gains: FloatArray = np.maximum(after - best, 0.0)
        return gains
