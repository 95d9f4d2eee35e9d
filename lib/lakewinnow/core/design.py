"""The rows of a cross-validation, in the form that its models work on.

Columns are centred and scaled to unit variance over all rows, which keeps float32 accurate and the
curvature even whatever the columns' units are. The intercept is not penalised, so that centring
changes no model; scaling is made good by a penalty per column.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.softmax_regression import Float32Array
from lakewinnow.core.types import FloatArray
from lakewinnow.errors import DataError

CHUNK_ROWS: Final = 4096
ROUNDING: Final = 1e-13  # of a mean square: the variance of a column that is constant
UNIT: Final = 0.01  # squared norms are this close to 1; float16 vectors are, too


@dataclass(frozen=True, eq=False)
class Design:
    """Rows ordered by fold, as features and penalties.

    Attributes
    ----------
    features : float32, shape (n, D + 1), the last column 1
    order : shape (n,), where each row stands in the input
    folds : the rows of each fold, F slices
    penalty : float32, shape (F + 1, D + 1), of the squared coefficients in each fold's model and,
        last, in the model of all rows; 0 for the intercept
    """

    features: Float32Array
    order: npt.NDArray[np.intp]
    folds: tuple[slice, ...]
    penalty: Float32Array


def make_design(
    features: npt.NDArray[np.floating], folds: npt.NDArray[np.integer], *, standardize: bool
) -> Design:
    """Order rows by fold, and centre and scale the columns.

    Parameters
    ----------
    features : shape (n, D)
    folds : shape (n,), any numbers
    standardize : whether the penalty is that of columns scaled to unit variance over the training
        rows of each fold, as by scikit-learn's StandardScaler, or that of the columns as they are

    Raises
    ------
    DataError : "not_finite"
    """
    n_rows, n_features = features.shape
    order = np.argsort(folds, kind="stable")
    starts = np.unique(folds[order], return_index=True)[1]
    slices = tuple(map(slice, starts.tolist(), [*starts[1:].tolist(), n_rows]))
    scaled = np.ones((n_rows, n_features + 1), np.float32)
    sums = np.zeros((len(slices), 2, n_features))
    with np.errstate(over="ignore", invalid="ignore"):
        middle = features.mean(axis=0).astype(np.float64)  # need not be exact
        for fold, held in enumerate(slices):
            for start in range(held.start, held.stop, CHUNK_ROWS):
                rows = slice(start, min(start + CHUNK_ROWS, held.stop))
                centred = features[order[rows]] - middle
                scaled[rows, :-1] = centred
                sums[fold] += centred.sum(axis=0), np.square(centred).sum(axis=0)
    wrong = np.flatnonzero(~np.isfinite(sums).all(axis=(0, 1)))
    if len(wrong):
        got = f"others in column {wrong[0]}"
        raise DataError("not_finite", "features", "finite numbers", got)
    scale = _scale(sums.sum(axis=0), n_rows)
    scaled[:, :-1] /= scale.astype(np.float32)
    penalty = np.zeros((len(slices) + 1, n_features + 1), np.float32)
    penalty[:, :-1] = 1 / scale**2
    if standardize:
        for fold, rows in enumerate(slices):
            others = sums.sum(axis=0) - sums[fold]
            trained = n_rows - (rows.stop - rows.start)
            penalty[fold, :-1] *= _scale(others, trained) ** 2
        penalty[-1, :-1] *= scale**2
    return Design(scaled, order, slices, penalty)


def _scale(sums: FloatArray, n_rows: int) -> FloatArray:
    """Return the standard deviation of each column, or 1 if it is constant."""
    offset, square = sums / max(n_rows, 1)
    variance = square - offset**2
    return np.sqrt(np.where(variance <= ROUNDING * square, 1.0, variance))


def is_unit_norm(features: npt.NDArray[np.floating]) -> bool:
    """Whether all rows have norm 1 or 0, as most embeddings do: such columns need no scaling."""
    squares = np.vecdot(features, features)
    return bool(np.all((np.abs(squares - 1) < UNIT) | (squares == 0)))
