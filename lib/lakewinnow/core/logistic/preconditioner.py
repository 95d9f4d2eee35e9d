"""Approximate inverse Hessians of multinomial logistic regression.

The Hessian couples classes only weakly once the classes' common direction is taken out: one block
a class, ``features' diag(weight * p * (1 - p)) features + penalty``, taken near the optimum, leaves
it a condition number of 4 on banking77 (77 classes, C=1; 10 at C=10). The blocks of one model on
all rows serve the models of all folds.
"""

from concurrent.futures import Executor
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.lbfgs import Indices, Preconditioner
from lakewinnow.core.logistic.softmax_regression import Float32Array, softmax
from lakewinnow.core.logistic.subspace import Inverse, Subspace
from lakewinnow.core.parallel import run_all
from lakewinnow.core.types import BoolArray, FloatArray

JITTER: Final = 1e-6  # of a diagonal; ten times more until float32 can factor the matrix
LEAF: Final = 24  # features below which LAPACK inverts
INVERTED_AT_ONCE: Final = 600_000  # numbers; more would leave the cache
MIN_CHUNKS: Final = 4  # of classes, so that few of them keep all threads busy


def inverse_of_scaled_moments(
    moments: Float32Array, curvature: FloatArray, penalty: Float32Array
) -> Inverse:
    """One matrix for all classes but for a factor: good enough to leave the origin.

    Parameters
    ----------
    moments : float32, shape (D, D), mean of ``x x'``
    curvature : shape (K,), sum of ``weight * p * (1 - p)`` over the rows; rounded to a power of 4
    penalty : float32, shape (D,)
    """
    log4 = np.rint(np.log2(np.maximum(curvature, np.finfo(np.float32).tiny)) / 2)
    levels, level = np.unique(log4, return_inverse=True)
    matrices = moments * (4.0**levels).astype(np.float32)[:, None, None]
    _add_diagonal(matrices, penalty)
    inverses = invert(matrices)

    def apply(gradient: Float32Array) -> Float32Array:
        out = np.empty_like(gradient)
        for i, inverse in enumerate(inverses):
            out[level == i] = gradient[level == i] @ inverse
        return out

    return apply


def with_curvature_of_rows(base: Inverse, rows: Float32Array) -> Inverse:
    """Add the curvature of some rows to each class, by Woodbury's formula.

    Parameters
    ----------
    rows : float32, shape (K, rank, D), each times the root of its weight
    """
    factors = base(rows)
    inner = factors @ rows.transpose(0, 2, 1)
    _add_diagonal(inner, np.float32(1))
    weighted = invert(inner) @ factors
    back = factors.transpose(0, 2, 1)
    return lambda gradient: base(gradient) - (gradient @ back) @ weighted


def class_blocks(
    features: Float32Array,
    weights: Float32Array,
    coef: Float32Array,
    subspace: Subspace,
    penalty: Float32Array,
    n_exact: int,
    pool: Executor | None = None,
) -> Inverse:
    """One block a class, at a model's probabilities.

    Outliers and the rows of largest weight are taken exactly, the others by their mean weight.

    Parameters
    ----------
    features : float32, shape (n, D)
    weights : float32, shape (n,)
    coef : float32, shape (K, D)
    subspace : directions that blocks are made for
    penalty : float32, shape (D,)
    n_exact : rows of a block that are taken exactly, at most
    pool : where classes are worked on; the result is the same without
    """
    n_classes, rank = len(coef), len(subspace.moments)
    curvature = softmax(coef @ features.T)
    curvature -= np.square(curvature)
    # between classes of equal probability the curvature is K / (K - 1) times that of a block
    curvature *= weights * np.float32(n_classes / (n_classes - 1))
    mass = curvature.sum(axis=1, dtype=np.float64)
    if n_classes == 2:
        curvature = curvature[:1]  # the same for both
    inverses = np.empty((len(curvature), rank, rank), np.float32)

    def fill(classes: slice) -> None:
        blocks = inverses[classes]
        for block, weight in zip(blocks, curvature[classes], strict=True):
            of_far = weight[subspace.far]
            weight[subspace.far] = 0
            heavy, excess, rest = _heaviest(weight, n_exact)
            heavy, excess = np.append(heavy, subspace.far), np.append(excess, of_far)
            rows = subspace.coordinates(features[heavy])
            rows *= np.sqrt(excess)[:, None]
            np.matmul(rows.T, rows, out=block)
            np.add(block, subspace.moments * rest, out=block)
        _add_diagonal(blocks, subspace.penalty(penalty))
        blocks[:] = invert(blocks)

    at_once = min(max(1, INVERTED_AT_ONCE // rank**2), -(-len(curvature) // MIN_CHUNKS))
    chunks = [slice(start, start + at_once) for start in range(0, len(curvature), at_once)]
    run_all(fill, chunks, pool)
    return subspace.lift(lambda gradient: gradient @ inverses, mass, penalty)


def same_for_every_model(inverse: Inverse) -> Preconditioner:
    """Give every model the same inverse."""
    return lambda gradient, _: inverse(gradient)


def without_mean_over_classes(precondition: Preconditioner, known: BoolArray) -> Preconditioner:
    """Keep the mean over the classes out of a direction, and classes that a model does not know.

    The same vector added to every class changes no probability, and the penalty has it at 0; the
    blocks know nothing of this and are far off along it.

    Parameters
    ----------
    known : shape (K, F)
    """
    keep = known.astype(np.float32)[..., None]

    def apply(gradient: Float32Array, models: Indices) -> Float32Array:
        direction = precondition(gradient, models)
        if known.all():
            direction -= direction.mean(axis=0)
        else:
            kept = keep[:, models]
            direction *= kept
            direction -= direction.sum(axis=0) / kept.sum(axis=0) * kept
        return direction

    return apply


def _heaviest(
    weight: Float32Array, count: int
) -> tuple[npt.NDArray[np.intp], Float32Array, np.float32]:
    """Rows of largest weight, what each exceeds the others' mean by, and that mean times n."""
    n_rows = len(weight)
    if count >= n_rows:
        return np.arange(n_rows), weight, np.float32(0)
    order = np.argpartition(weight, n_rows - count)
    heavy = np.sort(order[n_rows - count :])
    mean = weight[order[: n_rows - count]].mean(dtype=np.float64)
    return heavy, np.maximum(weight[heavy] - np.float32(mean), 0), np.float32(mean * n_rows)


def _add_diagonal(matrices: Float32Array, penalty: Float32Array | np.float32) -> None:
    diagonal = np.einsum("kdd->kd", matrices)  # a view
    diagonal += penalty
    diagonal[diagonal == 0] = 1


def invert(matrices: Float32Array) -> Float32Array:
    """Inverses of symmetric positive definite matrices, shape (K, D, D), which it overwrites.

    By halves, so that nearly all of it is matrix products: five times as fast as NumPy's own
    inverse at D = 257, and not slowed down by threads that wait for each other in LAPACK. By way of
    Cholesky factors, because a Schur complement from explicit inverses loses twice the digits.
    """
    diagonal = np.einsum("kdd->kd", matrices)  # a view
    jitter = JITTER
    while True:
        diagonal *= np.float32(1 + jitter)
        try:
            return _gram(_inverse_factors(matrices))
        except np.linalg.LinAlgError:  # not positive definite in float32
            if jitter > 1:
                raise
            jitter *= 10


def _inverse_factors(matrices: Float32Array) -> Float32Array:
    """Inverses of the lower Cholesky factors."""
    size = matrices.shape[-1]
    if size <= LEAF:
        return np.linalg.inv(np.linalg.cholesky(matrices))
    half = size // 2
    factors = np.zeros_like(matrices)
    top = factors[:, :half, :half] = _inverse_factors(matrices[:, :half, :half])
    below = matrices[:, half:, :half] @ top.transpose(0, 2, 1)
    rest = matrices[:, half:, half:] - below @ below.transpose(0, 2, 1)
    bottom = factors[:, half:, half:] = _inverse_factors(rest)
    factors[:, half:, :half] = bottom @ (below @ -top)
    return factors


def _gram(factors: Float32Array) -> Float32Array:
    """``factors' factors`` of lower triangular matrices."""
    size = factors.shape[-1]
    if size <= LEAF:
        return factors.transpose(0, 2, 1) @ factors
    half = size // 2
    below, bottom = factors[:, half:, :half], factors[:, half:, half:]
    gram = np.empty_like(factors)
    gram[:, :half, :half] = _gram(factors[:, :half, :half]) + below.transpose(0, 2, 1) @ below
    gram[:, half:, :half] = bottom.transpose(0, 2, 1) @ below
    gram[:, :half, half:] = gram[:, half:, :half].transpose(0, 2, 1)
    gram[:, half:, half:] = _gram(bottom)
    return gram
