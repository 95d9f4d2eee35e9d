"""Multinomial logistic regression with L2: the objective of several models at once.

The models share the rows and differ in the rows' weights (0 for those a fold holds out) and in the
penalty. Coefficients are laid out (class, model, feature), so that one matrix product gives the
scores of all models, classes stay in the outermost axis where NumPy reduces fastest, and a
preconditioner with one matrix a class is a batched product without a copy.
"""

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import FloatArray, IntArray

Float32Array: TypeAlias = npt.NDArray[np.float32]

# a line search may look at coefficients whose scores float32 cannot hold, and turn back
FAR_OFF: Final = np.errstate(over="ignore", invalid="ignore")

CHUNK_SCORES: Final = 400_000  # scores held at a time: 1.6 MB, so that they stay in the cache
MIN_CHUNK_SCORES: Final = 30_000  # fewer are not worth a part of their own
MIN_CHUNK_ROWS: Final = 256  # fewer are not worth the overhead of a product
MAX_PARTS: Final = 8  # of the rows: for so many threads, and so many gradients are held


@dataclass(frozen=True, eq=False)
class Objective:
    """Penalised cross entropy of F models on the same rows, as scikit-learn's LogisticRegression.

    ``sum_i weights[f, i] * -log softmax(coef[:, f] @ features[i])[labels[i]]
    + sum_kd penalty[f, d] / 2 * coef[k, f, d]^2``
    """

    features: Float32Array  # float32, shape (n, D), the last column 1 for the intercept
    labels: IntArray  # shape (n,), in 0 .. K-1
    weights: Float32Array  # float32, shape (F, n), with C in them
    penalty: Float32Array  # float32, shape (F, D), 0 for the intercept
    # where parts of the rows are worked on; the result is the same without
    pool: Executor | None = None

    @FAR_OFF
    def __call__(
        self, coef: Float32Array, models: npt.NDArray[np.intp]
    ) -> tuple[FloatArray, Float32Array]:
        """Loss and gradient, not finite for coefficients that are too large for float32.

        Parameters
        ----------
        coef : float32, shape (K, f, D), or (K, 1, D) where all models have the same
        models : which of the models, shape (f,)

        Returns
        -------
        loss : float64, shape (f,)
        gradient : float32, shape (K, f, D)
        """
        n_models, n_rows = len(models), len(self.features)
        per_row = len(coef) * n_models
        part = max(MIN_CHUNK_SCORES // per_row, -(-n_rows // MAX_PARTS))
        step = max(MIN_CHUNK_ROWS, min(CHUNK_SCORES // per_row, part))
        chunks = [slice(start, start + step) for start in range(0, n_rows, step)]
        per_part = -(-len(chunks) // MAX_PARTS)
        parts = [chunks[i : i + per_part] for i in range(0, len(chunks), per_part)]
        sums = run_all(lambda part: self._cross_entropy(coef, models, part), parts, self.pool)
        gradient: Float32Array = self.penalty[models] * coef
        loss: FloatArray = np.sum(gradient * coef, axis=(0, 2), dtype=np.float64)
        loss *= 0.5
        for part_loss, part_gradient in sums:
            loss += part_loss
            gradient += part_gradient
        return loss, gradient

    @FAR_OFF
    def _cross_entropy(
        self, coef: Float32Array, models: npt.NDArray[np.intp], chunks: list[slice]
    ) -> tuple[FloatArray, Float32Array]:
        """Loss and gradient of some rows, without the penalty."""
        n_classes, n_distinct, n_features = coef.shape
        n_models = len(models)
        loss = np.zeros(n_models)
        gradient = np.zeros((n_classes * n_models, n_features), np.float32)
        for chunk in chunks:
            rows, labels = self.features[chunk], self.labels[chunk]
            weights = self.weights[models, chunk]
            at = np.arange(len(rows))
            scores = coef.reshape(-1, n_features) @ rows.T
            scores = scores.reshape(n_classes, n_distinct, len(rows))
            scores -= scores.max(axis=0)
            own = scores[labels, :, at].T
            np.exp(scores, out=scores)
            total = scores.sum(axis=0)
            loss += np.sum(weights * (np.log(total) - own), axis=1, dtype=np.float64)
            out = scores if n_distinct == n_models else None
            residuals = np.multiply(scores, weights / total, out=out)
            residuals[labels, :, at] -= weights.T
            gradient += residuals.reshape(-1, len(rows)) @ rows
        return loss, gradient.reshape(n_classes, n_models, n_features)

    @property
    def mass(self) -> FloatArray:
        """Sum of the weights, shape (F,): what a loss is divided by to be one per row."""
        mass: FloatArray = np.sum(self.weights, axis=1, dtype=np.float64)
        return mass


def softmax(scores: Float32Array) -> Float32Array:
    """Probabilities over the first axis, to the same bit in any batch; overwrites its argument."""
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    # NumPy adds a single row's numbers up in another order than those of rows side by side.
    is_one = scores.size == len(scores)
    scores /= np.add.accumulate(scores)[-1] if is_one else scores.sum(axis=0)
    return scores
