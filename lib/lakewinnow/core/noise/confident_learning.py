"""Confident learning as states that add up over blocks of rows (Northcutt, Jiang & Chuang 2021).

Pass 1 sums self-confidence per given label (`ThresholdState`), pass 2 counts confident guesses per
given label (`JointState`); all else is arithmetic on K x K matrices. Every number equals that of
cleanlab 2.9.0 in float64 with a stable `argsort`, whatever the order and the size of the blocks.

Matrices have rows = given label and columns = guessed true label unless a name says otherwise.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from lakewinnow.core.sparse import MOST_DENSE, Counts, Matrix, Sparse, zeros
from lakewinnow.core.states import State
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import ConfigError, DataError

EPSILON: Final = 1e-6  # cleanlab's slack in every comparison of probabilities
THRESHOLD_FLOOR: Final = 2e-6  # has to exceed EPSILON
EMPTY_CLASS_THRESHOLD: Final = 2.0  # no probability reaches it
NOT_COUNTED: Final = -1  # the guess for a row that is confidently in no class
TINY: Final = 1e-100  # least denominator
LIMB_BITS: Final = 31  # a limb of 2^31 leaves an int64 room for 2^32 rows a class
N_LIMBS: Final = 3  # 93 bits: every double from 2^-40 up is held in full

_NUMBERS_AT_ONCE: Final = 2**14  # 128 KiB

PyMethod: TypeAlias = Literal["cnt", "eqn", "marginal", "marginal_ps"]


@dataclass(frozen=True, eq=False)
class ThresholdState(State):
    """Exact sum of self-confidence and number of rows, per given label.

    A float sum would change with the order of the blocks, so the sum is held in fixed point:
    limb i counts units of 2^(-31 (i + 1)), and what lies below 2^-93 is dropped row by row.
    """

    limbs: IntArray  # int64, shape (K, 3)
    counts: IntArray  # int64, shape (K,)

    @classmethod
    def zero(cls, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls(np.zeros((n_classes, N_LIMBS), np.int64), np.zeros(n_classes, np.int64))

    def update(self, labels: IntArray, pred_probs: FloatArray) -> Self:
        """Return the state with a block of rows added."""
        check_labels(labels, len(self.counts))
        return self.with_own(labels, pred_probs[np.arange(len(labels)), labels])

    def with_own(self, labels: IntArray, own: FloatArray) -> Self:
        """Return the state with rows added of which but the self-confidence is given.

        Parameters
        ----------
        labels : int64, shape (n,), 0 .. K-1
        own : float64, shape (n,)
        """
        limbs, counts, rest = self.limbs.copy(), self.counts.copy(), own
        for limb in range(N_LIMBS):
            rest = rest * 2.0**LIMB_BITS  # exact, as are the floor and the difference
            whole = np.floor(rest)
            np.add.at(limbs[:, limb], labels, whole.astype(np.int64))
            rest = rest - whole
        np.add.at(counts, labels, 1)
        return type(self)(limbs, counts)

    def thresholds(self) -> FloatArray:
        """Mean self-confidence per given label, shape (K,) (eq. 2).

        At least 2e-6, and 2 for an empty class.
        """
        floored = np.maximum(self.means(), THRESHOLD_FLOOR)
        return np.where(self.counts > 0, floored, EMPTY_CLASS_THRESHOLD)

    def means(self) -> FloatArray:
        """Exact mean per given label, rounded once to float64, shape (K,); NaN: an empty class."""
        means = np.full(len(self.counts), np.nan)
        for k in np.flatnonzero(self.counts):
            total = 0
            for limb in self.limbs[k]:
                total = (total << LIMB_BITS) + int(limb)
            # Python divides integers of any size with one correct rounding
            means[k] = total / (int(self.counts[k]) << (LIMB_BITS * N_LIMBS))
        return means

    def to_rows(self) -> IntArray:
        """Rows (label, limb 0, limb 1, limb 2, count), shape (classes present, 5)."""
        present = np.flatnonzero(self.counts)
        return np.column_stack([present, self.limbs[present], self.counts[present]])

    @classmethod
    def from_rows(cls, n_classes: int, rows: IntArray) -> Self:
        """Sum rows of any number of states, in any order."""
        state = cls.zero(n_classes)
        check_labels(rows[:, 0], n_classes)
        np.add.at(state.limbs, rows[:, 0], rows[:, 1:-1])
        np.add.at(state.counts, rows[:, 0], rows[:, -1])
        return state


@dataclass(frozen=True, eq=False)
class JointState(State):
    """Number of rows per (guess, given label), and the number of label issues."""

    # int64, shape (K, K), rows = guess, columns = given label; this way round because the last bit
    # of the calibrated joint depends on the order of summation, and this is cleanlab's
    counts: Counts
    # int, rows whose guess differs from their label, less those never flagged; cleanlab's
    # `num_label_issues` by "off_diagonal"
    n_label_issues: int

    @classmethod
    def zero(cls, n_classes: int) -> Self:
        """Return the state of no rows."""
        return cls(zeros(n_classes), 0)

    def update(self, labels: IntArray, pred_probs: FloatArray, thresholds: FloatArray) -> Self:
        """Return the state with a block of rows added.

        Parameters
        ----------
        labels : int64, shape (n,)
        pred_probs : float64, shape (n, K)
        thresholds : float64, shape (K,); states counted under different ones do not add up
        """
        cells, n_label_issues = guessed_cells(labels, pred_probs, thresholds)
        counts = self.counts if isinstance(self.counts, Sparse) else self.counts.copy()
        counts = with_cells(counts, cells)
        return type(self)(counts, self.n_label_issues + n_label_issues)

    @property
    def confident_joint(self) -> Counts:
        """Raw confident joint, int64, shape (K, K), rows = given, columns = guessed true label.

        As in cleanlab at least one row counts as right in every class, even in an empty one.
        """
        if isinstance(self.counts, Sparse):
            every = np.arange(self.counts.n_classes)
            missing = np.flatnonzero(self.counts.diagonal() == 0)
            one = Sparse.of_pairs(len(every), missing, missing, np.ones(len(missing), np.int64))
            return (self.counts + one).transposed()
        counts = self.counts.copy()
        np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
        return counts.T

    def to_rows(self) -> IntArray:
        """Rows (guess, given, count) of the cells that are not empty, shape (cells + 1, 3).

        The last row is (-1, -1, number of label issues).
        """
        if isinstance(self.counts, Sparse):
            guess, given, value = self.counts.row, self.counts.column, self.counts.value
        else:
            guess, given = np.nonzero(self.counts)
            value = self.counts[guess, given]
        cells = np.column_stack([guess, given, value])
        return np.vstack([cells, [[NOT_COUNTED, NOT_COUNTED, self.n_label_issues]]])

    @classmethod
    def from_rows(cls, n_classes: int, rows: IntArray) -> Self:
        """Sum rows of any number of states, in any order."""
        is_cell = rows[:, 0] != NOT_COUNTED
        n_label_issues = int(rows[~is_cell, 2].sum())
        guess, given, value = rows[is_cell].T
        if n_classes > MOST_DENSE:
            return cls(Sparse.of_pairs(n_classes, guess, given, value), n_label_issues)
        counts = np.zeros((n_classes, n_classes), np.int64)
        np.add.at(counts, (guess, given), value)
        return cls(counts, n_label_issues)


def guessed_cells(
    labels: IntArray, pred_probs: FloatArray, thresholds: FloatArray
) -> tuple[IntArray, int]:
    """Return where rows count in a `JointState`, guess * K + given label, and its label issues."""
    predicted = most_probable(pred_probs)
    guesses = Reached.of(pred_probs, thresholds - EPSILON).guesses(predicted)
    largest = pred_probs[np.arange(len(labels)), predicted]
    is_unflagged = unflagged(labels, pred_probs, largest)
    return cells_of_guesses(guesses, labels, is_unflagged, len(thresholds))


def cells_of_guesses(
    guesses: IntArray, labels: IntArray, is_unflagged: BoolArray, n_classes: int
) -> tuple[IntArray, int]:
    """Return what `guessed_cells` returns, of rows whose guesses are known."""
    counted = guesses != NOT_COUNTED
    cells = guesses[counted] * n_classes + labels[counted]
    issues = counted & (guesses != labels) & ~is_unflagged
    return cells, int(np.count_nonzero(issues))


def with_cells(counts: Counts, cells: IntArray) -> Counts:
    """Add one to each of some cells; an array is changed in place."""
    if isinstance(counts, Sparse):
        return counts + Sparse.of_cells(counts.n_classes, cells, np.ones(len(cells), np.int64))
    np.add.at(counts.reshape(-1), cells, 1)  # a flat index is ten times as fast as a pair
    return counts


def check_labels(labels: IntArray, n_classes: int) -> None:
    """Raise DataError "label_out_of_range" unless all labels are in 0 .. K-1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if len(wrong):
        expected = f"0 .. {n_classes - 1}, the positions in the class list"
        hint = f"such labels in a block: {len(wrong)}; is the class list complete?"
        raise DataError("label_out_of_range", "label", expected, int(labels[wrong[0]]), hint)


def confident_guesses(pred_probs: FloatArray, thresholds: FloatArray) -> IntArray:
    """Guess each row's true class from the classes whose threshold it reaches.

    One such class: that one, even if it is not the most probable. Several: the most probable of
    all classes, even if that one is below its own threshold. None: -1, the row is not counted.

    Returns
    -------
    int64, shape (n,)
    """
    reached = Reached.of(pred_probs, thresholds - EPSILON)
    return reached.guesses(most_probable(pred_probs))


def most_probable(pred_probs: FloatArray) -> IntArray:
    """Return the most probable class of each row, the first of several, shape (n,)."""
    # NumPy copies an array that is not to be written to, as those of Arrow are: a few rows at once
    step = max(1, _NUMBERS_AT_ONCE // pred_probs.shape[1])
    starts = range(0, len(pred_probs), step)
    parts = [pred_probs[start : start + step].argmax(axis=1) for start in starts]
    return np.concatenate([np.zeros(0, np.int64), *parts])


class Reached(NamedTuple):
    """The probabilities of a block that reach a bound, each array of shape (entries,)."""

    row: IntArray
    reached: IntArray  # the class
    prob: FloatArray

    @classmethod
    def of(cls, pred_probs: FloatArray, bounds: FloatArray) -> Self:
        """Find them; most often few.

        Parameters
        ----------
        bounds : float64, shape (K,)
        """
        at = np.flatnonzero(pred_probs >= bounds)
        row, reached = np.divmod(at, len(bounds))
        return cls(row, reached, pred_probs.reshape(-1)[at])

    def above(self, bounds: FloatArray) -> "Reached":
        """Return those that reach other bounds."""
        chosen = self.prob >= bounds[self.reached]
        return Reached(self.row[chosen], self.reached[chosen], self.prob[chosen])

    def guesses(self, predicted: IntArray) -> IntArray:
        """Return what `confident_guesses` returns, where the bounds are its thresholds.

        Parameters
        ----------
        predicted : int64, shape (n,), the most probable class of each row
        """
        n_reached = np.bincount(self.row, minlength=len(predicted))
        is_only = n_reached[self.row] == 1
        guesses = np.where(n_reached > 0, predicted, NOT_COUNTED)
        guesses[self.row[is_only]] = self.reached[is_only]
        return guesses


def unflagged(
    labels: IntArray, pred_probs: FloatArray, largest: FloatArray | None = None
) -> BoolArray:
    """Rows that no filter but the two `low_*` may flag, shape (n,).

    They are those whose given label is the most probable class once 1e-6 is added to it.

    Parameters
    ----------
    labels, pred_probs : of the rows
    largest : float64, shape (n,), of each row's probabilities, where it is known
    """
    # Without copying pred_probs: when the sum only equals the maximum, the lower index wins.
    if largest is None:
        largest = pred_probs.max(axis=1)
    raised = pred_probs[np.arange(len(labels)), labels] + EPSILON
    wins: BoolArray = raised > largest
    level = np.flatnonzero(raised == largest)
    wins[level] = labels[level] < pred_probs[level].argmax(axis=1)
    return wins


def round_preserving_sum(values: FloatArray) -> IntArray:
    """Round to integers that add up to the rounded sum, shape (n,).

    What is missing (or too much) goes one by one to the entries that were rounded down (up) the
    most. Among equals the highest index is raised first, the lowest index lowered first: it is the
    order of a stable `argsort`, where cleanlab's own depends on the processor.
    """
    rounded = np.rint(values)
    target = np.rint(np.sum(values))
    while abs(np.rint(np.sum(rounded)) - target) > EPSILON:
        missing = np.rint(target - np.rint(np.sum(rounded)))
        by_residual = np.argsort(values - rounded, kind="stable")
        if missing > 0:
            by_residual = by_residual[::-1]
        rounded[by_residual[: int(abs(missing))]] += np.sign(missing)
    return rounded.astype(np.int64)


def calibrate(confident_joint: npt.NDArray[np.number], counts: IntArray) -> IntArray:
    """Scale a confident joint so that its rows sum to the number of rows per given label.

    Parameters
    ----------
    confident_joint : shape (K, K), rows = given label
    counts : int64, shape (K,), rows per given label

    Returns
    -------
    int64, shape (K, K), C-ordered

    Notes
    -----
    The sum over all entries runs down the columns, whatever the memory order of the argument:
    cleanlab's own joint is the transpose of a C-ordered matrix, and another order of summation
    changes the last bit, which flips roundings.
    """
    by_guess = np.ascontiguousarray(confident_joint.T)
    scaled = by_guess / np.maximum(by_guess.sum(axis=0), TINY) * counts
    scaled = scaled / np.maximum(np.sum(scaled), TINY) * int(counts.sum())
    return np.array([round_preserving_sum(row) for row in scaled.T], np.int64)


def calibrate_cells(confident_joint: Sparse[np.int64], counts: IntArray) -> Sparse[np.int64]:
    """Scale a confident joint as `calibrate` does."""
    given = confident_joint.row
    scaled = confident_joint.value / np.maximum(confident_joint.sums(axis=1), TINY)[given]
    scaled = scaled * counts[given]
    scaled = scaled / np.maximum(np.sum(scaled), TINY) * int(counts.sum())
    starts = confident_joint.starts()
    rounded = [round_preserving_sum(scaled[start:end]) for start, end in pairwise(starts.tolist())]
    return Sparse(confident_joint.n_classes, confident_joint.cell, np.concatenate(rounded))


def estimate_joint(confident_joint: IntArray) -> FloatArray:
    """P(given label, true label), shape (K, K), from a calibrated confident joint."""
    joint: FloatArray = confident_joint / max(float(confident_joint.sum()), TINY)
    return joint


@dataclass(frozen=True, eq=False)
class LatentEstimate:
    """Distribution of the true label, and how it and the given label depend on each other."""

    py: FloatArray  # float64, shape (K,), P(true label)
    noise_matrix: Matrix  # float64, shape (K, K), P(given = row | true = column)
    inverse_noise_matrix: Matrix  # float64, shape (K, K), P(true = row | given = column)


def estimate_latent_cells(confident_joint: Sparse[np.int64], counts: IntArray) -> LatentEstimate:
    """Estimate P(true label) and both noise matrices, as `estimate_latent` does by "cnt"."""
    ps = counts / float(counts.sum())
    noise, inverse = (
        joint.with_values(joint.value / np.maximum(joint.sums(axis=0), TINY)[joint.column])
        for joint in (confident_joint, confident_joint.transposed())
    )
    py = _distribution(inverse.diagonal() / np.maximum(noise.diagonal(), TINY) * ps)
    return LatentEstimate(py, *map(_clip_rates_of_cells, (noise, inverse)))


def _clip_rates_of_cells(matrix: Sparse[np.float64]) -> Sparse[np.float64]:
    rates = np.where(matrix.row == matrix.column, matrix.value, np.clip(matrix.value, 0, 0.9999))
    clipped = matrix.with_values(rates)
    return matrix.with_values(rates / np.maximum(clipped.sums(axis=0), TINY)[matrix.column])


def estimate_latent(
    confident_joint: IntArray,
    counts: IntArray,
    *,
    py_method: PyMethod = "cnt",
    converge: bool = False,
) -> LatentEstimate:
    """Estimate P(true label) and both noise matrices, as cleanlab's `estimate_latent`.

    Parameters
    ----------
    confident_joint : int64, shape (K, K), calibrated, rows = given label
    counts : int64, shape (K,), rows per given label
    py_method : how P(true label) follows from the matrices
    converge : make the three estimates agree with each other (3 rounds of 5 iterations)

    Raises
    ------
    ConfigError : "unknown_py_method"
    DataError : "singular_noise_matrix", by "eqn" with an empty class
    """
    ps = counts / float(counts.sum())
    per_true = confident_joint.sum(axis=0).astype(np.float64)
    per_given = confident_joint.sum(axis=1).astype(np.float64)
    noise = confident_joint / np.maximum(per_true, TINY)
    inverse = confident_joint.T / np.maximum(per_given, TINY)
    match py_method:
        case "cnt":
            py = _py_from_diagonals(ps, noise, inverse)
        case "eqn":
            py = _distribution(_inverse(noise) @ ps)
        case "marginal":
            py = _distribution(per_true / max(float(per_true.sum()), TINY))
        case "marginal_ps":
            py = _distribution(inverse @ ps)
        case _:
            known = ", ".join(get_args(PyMethod))
            raise ConfigError("unknown_py_method", "py_method", f"one of {known}", py_method)
    noise, inverse = _clip_noise_rates(noise), _clip_noise_rates(inverse)
    if converge:
        py, noise, inverse = _converge(ps, py, noise, inverse)
    return LatentEstimate(py, noise, inverse)


def _inverse(noise: FloatArray) -> FloatArray:
    try:
        return np.linalg.inv(noise).astype(np.float64)
    except np.linalg.LinAlgError as singular:
        expected = "a method other than eqn, which has to invert the noise matrix"
        hint = "use cnt; the noise matrix has no inverse where a class is empty"
        raise DataError("singular_noise_matrix", "py_method", expected, "eqn", hint) from singular


def _py_from_diagonals(ps: FloatArray, noise: FloatArray, inverse: FloatArray) -> FloatArray:
    return _distribution(inverse.diagonal() / np.maximum(noise.diagonal(), TINY) * ps)


def _distribution(values: FloatArray, least: float = EPSILON) -> FloatArray:
    clipped = np.clip(values, least, 1.0)
    distribution: FloatArray = clipped / max(float(clipped.sum()), TINY)
    return distribution


def _clip_noise_rates(matrix: FloatArray) -> FloatArray:
    clipped = np.clip(matrix, 0, 0.9999)
    np.fill_diagonal(clipped, matrix.diagonal())  # the diagonal holds no noise rates
    columns: FloatArray = clipped / np.maximum(clipped.sum(axis=0), TINY)
    return columns


def _converge(
    ps: FloatArray, py: FloatArray, noise: FloatArray, inverse: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    for _ in range(3):
        for _ in range(5):
            inverse = _clip_noise_rates((noise * py).T / np.maximum(ps, TINY))
            py = _py_from_diagonals(ps, noise, inverse)
        noise = _clip_noise_rates((inverse * ps).T / np.maximum(py, TINY))
    return _distribution(py, least=1e-5), _clip_noise_rates(noise), _clip_noise_rates(inverse)
