"""The rows of a cross-validation, in the form that its models work on.

Columns are centred and scaled to unit variance over all rows, which keeps float32 accurate and the
curvature even whatever the columns' units are. The intercept is not penalised, so that centring
changes no model; scaling is made good by a penalty per column. A column that hardly varies among
the training rows of some fold, because an outlier is held out, is centred there: off centre it
would be a second intercept to that fold's model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.softmax_regression import Float32Array
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import DataError

CHUNK_ROWS: Final = 256  # so that they stay in the cache
ROUNDING: Final = 1e-13  # of a mean square: the variance of a column that is constant
EPSILON: Final = float(np.finfo(np.float64).eps)
UNEVEN: Final = 0.01  # of a column's variance, among the training rows of a fold
LEAST_SPREAD: Final = 1e-30  # float32 holds one over it, too
FAR: Final = 0.01  # of a column's sum of squares, beyond which a row is an outlier
DEVIATIONS: Final = 3.0  # of the column, within which it is none
MOST_FAR: Final = 2048  # outliers, and half of the rows, so that a sample has others
LARGEST: Final = float(np.finfo(np.float32).max)
LEAST: Final = float(np.finfo(np.float32).tiny)
MAX_PENALTY: Final = 1e30  # float32 holds it; a column so small has no effect long before
UNIT: Final = 0.01  # squared norms are this close to 1; float16 vectors are, too


@dataclass(frozen=True, eq=False)
class Design:
    """Rows ordered by fold, as features and penalties."""

    features: Float32Array  # float32, shape (n, D + 1), the last column 1
    # shape (D,), what is taken off a column and what it is then divided by
    centre: FloatArray
    scale: FloatArray
    order: npt.NDArray[np.intp]  # shape (n,), where each row stands in the input
    fold_ids: IntArray  # int64, shape (F,), the numbers of the folds, ascending
    folds: tuple[slice, ...]  # the rows of each fold, F slices
    # float32, shape (F + 1, D + 1), of the squared coefficients in each fold's model and, last, in
    # the model of all rows; 0 for the intercept
    penalty: Float32Array
    # shape (F + 1, D + 1), whether a column has more than one value among the rows of a model
    varies: BoolArray
    far: npt.NDArray[np.intp]  # positions of outliers, ascending
    is_uneven: bool  # whether a column hardly varies among the training rows of some fold

    def work(self, n_classes: int) -> int:
        """Multiplications that the scores of all folds' models take."""
        return self.features.size * len(self.folds) * n_classes


def make_design(
    features: npt.NDArray[np.floating],
    folds: npt.NDArray[np.integer],
    *,
    standardize: bool,
    fold_ids: npt.ArrayLike = (),
) -> Design:
    """Order rows by fold, and centre and scale the columns.

    Parameters
    ----------
    features : shape (n, D)
    folds : shape (n,), any numbers
    standardize : whether the penalty is that of columns scaled to unit variance over the training
        rows of each fold, as by scikit-learn's StandardScaler, or that of the columns as they are
    fold_ids : folds to have besides those of the rows; empty, where no row is in them

    Raises
    ------
    DataError : "wrong_length"; "not_finite", also for numbers that float32 cannot hold
    """
    n_rows, n_features = features.shape
    if len(folds) != n_rows:
        raise DataError("wrong_length", "folds", "one per row", f"{len(folds)} for {n_rows} rows")
    numbers = np.union1d(folds, np.asarray(fold_ids, np.int64)).astype(np.int64)
    order = np.argsort(folds, kind="stable")
    ends = np.searchsorted(folds[order], numbers, side="right").tolist()
    slices = tuple(map(slice, [0, *ends[:-1]], ends))
    columns = np.ones((n_rows, n_features + 1), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        centre = features.mean(axis=0).astype(np.float64)  # need not be exact
        sums = _centred(features, centre, order, slices, columns[:, :-1])
        wrong = np.flatnonzero(~(sums[-1, 2] < LARGEST**2))  # which a NaN is not, either
    if len(wrong):
        got = f"others in column {wrong[0]}"
        raise DataError("not_finite", "features", "finite numbers that float32 can hold", got)
    variance = _variance(sums, centre)
    uneven = np.flatnonzero(variance.min(axis=0) < UNEVEN * variance[-1])
    if len(uneven):
        least = variance[:, uneven].argmin(axis=0)
        centre[uneven] += sums[least, 1, uneven] / np.maximum(sums[least, 0, uneven], 1)
        again = np.empty((n_rows, len(uneven)), np.float32)
        sums = _centred(features[:, uneven], centre[uneven], order, slices, again)
        columns[:, uneven], variance[:, uneven] = again, _variance(sums, centre[uneven])
    deviation = np.sqrt(np.where(variance > 0, variance, 1))
    scale = deviation[-1]
    columns[:, :-1] /= scale.astype(np.float32)
    inside = deviation if standardize else 1.0
    penalty = np.zeros((len(slices) + 1, n_features + 1), np.float32)
    penalty[:, :-1] = np.minimum((inside / scale) ** 2, MAX_PENALTY)
    far = _outliers(columns, np.maximum(deviation.min(axis=0) / scale, LEAST_SPREAD))
    varies = np.ones(penalty.shape, np.bool_)
    varies[:, :-1] = variance > 0
    is_uneven = len(uneven) > 0
    return Design(columns, centre, scale, order, numbers, slices, penalty, varies, far, is_uneven)


def scaled(
    features: npt.NDArray[np.floating], centre: FloatArray, scale: FloatArray
) -> Float32Array:
    """Return other rows in the form of a design's features, float32, shape (n, D + 1)."""
    columns = np.ones((len(features), len(centre) + 1), np.float32)
    columns[:, :-1] = features - centre
    columns[:, :-1] /= scale.astype(np.float32)
    return columns


def _centred(
    features: npt.NDArray[np.floating],
    centre: FloatArray,
    order: npt.NDArray[np.intp],
    folds: Sequence[slice],
    out: Float32Array,
) -> FloatArray:
    """Write rows less a centre, ordered by fold, to `out`, shape (n, D).

    Returns
    -------
    number, sum and sum of squares among each fold's training rows and, last, among all rows, shape
    (F + 1, 3, D)
    """
    sums = np.zeros((len(folds), 3, len(centre)))
    for fold, held in enumerate(folds):
        for start in range(held.start, held.stop, CHUNK_ROWS):
            rows = slice(start, min(start + CHUNK_ROWS, held.stop))
            centred = features[order[rows]] - centre
            out[rows] = centred
            sums[fold, 0] += len(centred)
            sums[fold, 1] += centred.sum(axis=0)
            sums[fold, 2] += np.einsum("nd,nd->d", centred, centred)
    # a sum over the others, not the total less its own, which would leave a trace in rounding
    among = np.vstack([1 - np.eye(len(folds)), np.ones(len(folds))])
    of_models: FloatArray = np.einsum("mf,fsd->msd", among, sums)
    return of_models


def _variance(sums: FloatArray, centre: FloatArray) -> FloatArray:
    """Return the variance of each column, 0 where it is constant, from what `_centred` returns.

    As in scikit-learn's StandardScaler, a column whose variance may be all rounding is constant.
    """
    number, offset, square = sums.swapaxes(0, 1)
    number = np.maximum(number, 1)
    offset, square = offset / number, square / number
    variance = square - offset**2
    rounding = np.maximum(ROUNDING * square, (number * EPSILON * (centre + offset)) ** 2)
    return np.where(variance <= np.maximum(rounding, LEAST**2), 0.0, variance)


def _outliers(columns: Float32Array, spread: FloatArray) -> npt.NDArray[np.intp]:
    """Find the rows that are a good part of a column's sum of squares.

    Parameters
    ----------
    columns : float32, shape (n, D + 1), the last one 1
    spread : shape (D,), standard deviation of a column where it varies least
    """
    inverse = np.zeros(columns.shape[1], np.float32)  # nothing is far along the intercept
    inverse[:-1] = 1 / spread
    reached = np.empty(len(columns), np.float32)
    for start in range(0, len(columns), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        np.abs(columns[rows] * inverse).max(axis=1, out=reached[rows])
    far = np.flatnonzero(reached > max(DEVIATIONS, np.sqrt(FAR * len(columns))))
    most = min(MOST_FAR, len(columns) // 2)
    return np.sort(far[np.argsort(-reached[far], kind="stable")[:most]])


def is_unit_norm(features: npt.NDArray[np.floating]) -> bool:
    """Whether all rows have norm 1 or 0, as most embeddings do: such columns need no scaling."""
    squares = np.vecdot(features, features)
    return bool(np.all((np.abs(squares - 1) < UNIT) | (squares == 0)))
