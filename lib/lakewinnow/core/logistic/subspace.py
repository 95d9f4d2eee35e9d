"""The directions in which rows differ most: where the curvature of a model is worth knowing.

Few of the directions of a wide embedding carry nearly all of its variance, and in the others the
penalty outweighs the rows. Matrices of the first few hundred take a tenth of the time of whole
ones at D = 1,536, and lead as fast to the optimum.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import reduce
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.softmax_regression import Float32Array
from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import FloatArray

Inverse: TypeAlias = Callable[[Float32Array], Float32Array]  # of a matrix a class, (K, F, D) each

NARROW: Final = 400  # features that are all taken as they are
RANK: Final = 256  # directions of more
MAX_BYTES: Final = 512 * 2**20  # for one matrix a class
ROWS: Final = 4096  # that moments are estimated from, at least
ROWS_PER_FEATURE: Final = 2  # the same, where all features are taken
NORM_ROWS: Final = 256  # that the mean norm is estimated from
HEAVY: Final = 3.0  # weight times squared norm of a row that is not to be left to a mean
PARTS: Final = 4  # of the rows: for so many threads, and so many sums are held
NONE: Final = np.zeros(0, np.intp)


@dataclass(frozen=True, eq=False)
class Subspace:
    """Coordinates of rows in r directions, orthonormal where the penalty is the metric."""

    # float32, shape (r, r), mean of ``z z'`` over the rows, z their coordinates
    moments: Float32Array
    root: Float32Array  # float32, shape (D,), root of the penalty; 1 for the intercept
    # float32, shape (D, r), the last that of the intercept; None if z is a row as it is
    vectors: Float32Array | None
    rest: float  # mean square of a row along a direction that is left out
    # outliers: their curvature can be anything and outweigh all others', so that moments, which
    # stand for rows of about the mean weight, leave them out
    far: npt.NDArray[np.intp]

    @classmethod
    def of(
        cls,
        features: Float32Array,
        penalty: Float32Array,
        n_classes: int,
        weight: float,
        pool: Executor | None = None,
        far: npt.NDArray[np.intp] = NONE,
    ) -> Self:
        """Find the leading directions, by evenly spaced rows if there are many.

        Parameters
        ----------
        features : float32, shape (n, D), the last column 1
        penalty : float32, shape (D,), 0 for the intercept
        n_classes : matrices that are to be held at once
        weight : mean weight of a row
        pool : where rows are worked on; the result is the same without
        far : positions of outliers, fewer than half of `ROWS` and of the rows
        """
        n_features = features.shape[1]
        if cls.is_whole(features, penalty, n_classes, weight):
            sample = _evenly_spaced(features, max(ROWS, ROWS_PER_FEATURE * n_features), far)
            moments = _sum(lambda rows: rows.T @ rows, sample, pool) / np.float32(len(sample))
            return cls(moments, np.ones(n_features, np.float32), None, 0.0, far)
        root = np.sqrt(penalty)
        root[-1] = 1
        sample = np.divide(_evenly_spaced(features, ROWS, far), root, dtype=np.float32)
        most = min(RANK, _most(n_classes), n_features)
        # power iteration from some of the rows, which lie where the others do
        start = _evenly_spaced(sample[:, :-1], most - 1)
        directions = _sum(lambda rows: rows.T @ (rows @ start.T), sample[:, :-1], pool)
        vectors = np.zeros((n_features, len(start) + 1), np.float32)
        vectors[:-1, :-1] = np.linalg.qr(directions)[0]
        vectors[-1, -1] = 1
        coordinates: Float32Array = sample @ vectors
        moments = _sum(lambda rows: rows.T @ rows, coordinates, pool) / np.float32(len(sample))
        left_out = np.vdot(sample, sample) / len(sample) - np.trace(moments)
        n_left_out = max(1, n_features - vectors.shape[1])
        return cls(moments, root, vectors, max(0.0, float(left_out)) / n_left_out, far)

    @staticmethod
    def is_whole(
        features: Float32Array, penalty: Float32Array, n_classes: int, weight: float
    ) -> bool:
        """Whether all features are taken: few, or a single row outweighs the penalty outside."""
        if features.shape[1] > _most(n_classes):
            return False
        if features.shape[1] <= NARROW:
            return True
        few = _evenly_spaced(features, NORM_ROWS)[:, :-1]
        norm = np.mean(np.sum(few**2 / penalty[:-1], axis=1))
        return bool(weight * norm > HEAVY)

    def coordinates(self, rows: Float32Array) -> Float32Array:
        """Coordinates of rows, from shape (..., D) to (..., r)."""
        if self.vectors is None:
            return rows
        coordinates: Float32Array = np.divide(rows, self.root, dtype=np.float32) @ self.vectors
        return coordinates

    def penalty(self, penalty: Float32Array) -> Float32Array:
        """Penalty of each direction, shape (r,), from that of each feature, shape (D,)."""
        if self.vectors is None:
            return penalty
        of_directions = np.full(self.vectors.shape[1], self._factor(penalty))
        of_directions[-1] = 0
        return of_directions

    def lift(self, precondition: Inverse, curvature: FloatArray, penalty: Float32Array) -> Inverse:
        """Extend an inverse to all directions.

        Parameters
        ----------
        precondition : inverse of one matrix a class in the coordinates, (K, F, r) to (K, F, r)
        curvature : shape (K,), by which a class's matrix exceeds the penalty for a mean square of 1
        penalty : float32, shape (D,)
        """
        if self.vectors is None:
            return precondition
        vectors, factor = self.vectors, self._factor(penalty)
        outside = (factor + curvature * self.rest).astype(np.float32)[:, None, None]

        def apply(gradient: Float32Array) -> Float32Array:
            direction: Float32Array = gradient / self.root
            inside = direction @ vectors
            direction -= inside @ vectors.T
            direction -= (direction @ vectors) @ vectors.T  # what rounding has left inside
            direction /= outside
            direction += precondition(inside) @ vectors.T
            direction /= self.root
            return direction

        return apply

    def _factor(self, penalty: Float32Array) -> np.float32:
        """How many times the penalty that the directions were made with."""
        return np.float32(np.mean(penalty[:-1] / np.square(self.root[:-1])))


def _most(n_classes: int) -> int:
    """Directions of which a matrix a class fits the memory."""
    return max(2, int(np.sqrt(MAX_BYTES / (4 * n_classes))))


def _evenly_spaced(
    rows: Float32Array, wanted: int, without: npt.NDArray[np.intp] = NONE
) -> Float32Array:
    if len(rows) > wanted:
        chosen = np.linspace(0, len(rows) - 1, wanted).astype(np.intp)
        return rows[np.setdiff1d(chosen, without)]
    return np.delete(rows, without, axis=0) if len(without) else rows


def _sum(
    function: Callable[[Float32Array], Float32Array], rows: Float32Array, pool: Executor | None
) -> Float32Array:
    """Sum of what a function makes of some rows at a time."""
    parts = [np.ascontiguousarray(part) for part in np.array_split(rows, PARTS)]
    return reduce(np.add, run_all(function, parts, pool))
