"""Whether one training set makes better models than another, on the same trusted rows.

Every training set is tried several times (on subsets of its rows, say), and every model is asked
about the same test rows. Both are chance: intervals are those of the pigeonhole bootstrap (Owen
2007, "The pigeonhole bootstrap"), which draws models and test rows anew, the same ones for all
training sets, so that differences are paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.metrics import LEAST_PROB
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

N_RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
FIGURES: Final = ("accuracy", "macro_f1", "log_loss")
_COUNTS_AT_ONCE: Final = 4_000_000  # of rows in resamples: 16 MB


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the models of one training set said of the test rows."""

    predicted: IntArray  # int64, shape (M, n)
    losses: FloatArray  # float64, shape (M, n), -ln of the true label's probability

    @property
    def first(self) -> "Outcome":
        """What the first model said."""
        return Outcome(self.predicted[:1], self.losses[:1])

    @classmethod
    def of(cls, pred_probs: Sequence[npt.NDArray[np.floating]], true_labels: IntArray) -> "Outcome":
        """Return what M models said, each of the n test rows' probabilities, shape (n, K)."""
        rows = np.arange(len(true_labels))
        own = np.array([probs[rows, true_labels] for probs in pred_probs], np.float64)
        predicted = np.array([probs.argmax(axis=1) for probs in pred_probs], np.int64)
        return cls(predicted, -np.log(np.clip(own, LEAST_PROB, 1.0)))


@dataclass(frozen=True)
class Interval:
    """A figure, and the range that it lies in with a confidence of 95%."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether its sign can be told."""
        return self.low > 0 or self.high < 0


def figures(outcome: Outcome, true_labels: IntArray, n_classes: int) -> FloatArray:
    """Accuracy, macro-F1 and log loss, means over the models, shape (3,).

    Macro-F1 is over the classes that the test rows have.
    """
    once = np.ones((1, len(true_labels)), np.float32)
    found: FloatArray = _by_model(outcome, true_labels, n_classes, once).mean(axis=1)[:, 0]
    return found


def recalls(outcome: Outcome, true_labels: IntArray, n_classes: int) -> FloatArray:
    """Recall of each class, means over the models, shape (K,); NaN of one without test rows."""
    right = (outcome.predicted == true_labels).mean(axis=0)
    n_rows = np.bincount(true_labels, minlength=n_classes)
    with np.errstate(invalid="ignore"):
        recall: FloatArray = np.bincount(true_labels, right, n_classes) / n_rows
    return recall


def bootstrap(
    outcomes: Sequence[Outcome],
    true_labels: IntArray,
    n_classes: int,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> FloatArray:
    """Figures of every training set in each resample, shape (training sets, 3, n_resamples).

    Parameters
    ----------
    outcomes : of M models each, of which those in the same place belong together
    true_labels : int64, shape (n,), in 0 .. K-1
    """
    n_models = len(outcomes[0].predicted)
    drawn = []
    for models, rows in _resamples(n_models, len(true_labels), n_resamples, seed):
        of_models = (_by_model(outcome, true_labels, n_classes, rows) for outcome in outcomes)
        drawn.append([np.einsum("fmr,rm->fr", found, models) / n_models for found in of_models])
    resampled: FloatArray = np.concatenate(drawn, axis=2)
    return resampled


def interval(value: float, resampled: FloatArray) -> Interval:
    """Return a figure with the percentiles of its resamples."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]).tolist()
    return Interval(value, low, high)


def mcnemar_p(is_right: BoolArray, is_other_right: BoolArray) -> float:
    """Two-sided p of McNemar's exact test: that two models err equally often (McNemar 1947)."""
    n_gained = int((is_right & ~is_other_right).sum())
    n_lost = int((~is_right & is_other_right).sum())
    n = n_gained + n_lost
    ways, tail = 1, 0
    for i in range(min(n_gained, n_lost) + 1):  # whole numbers, as doubles underflow beyond 1,000
        tail += ways
        ways = ways * (n - i) // (i + 1)
    return min(1.0, float(2 * tail / 2**n))


def average_precision(scores: FloatArray, is_error: BoolArray, n: IntArray) -> float | None:
    """Average precision of counted rows of which the lowest scores are taken first.

    scikit-learn's `average_precision_score`; None where there is no error.
    """
    levels, level = np.unique(scores, return_inverse=True)
    errors = np.bincount(level, n * is_error, len(levels))
    if not errors.any():
        return None
    precision = np.cumsum(errors) / np.cumsum(np.bincount(level, n, len(levels)))
    return float((errors * precision).sum() / errors.sum())


def _resamples(
    n_models: int, n_rows: int, n_resamples: int, seed: int
) -> Iterator[tuple[IntArray, npt.NDArray[np.float32]]]:
    """Yield how often each model, and each row, is drawn: shapes (some, M) and (some, n)."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _COUNTS_AT_ONCE // n_rows)
    for start in range(0, n_resamples, at_once):
        some = min(at_once, n_resamples - start)
        models, rows = (_counts(rng, some, n) for n in (n_models, n_rows))
        yield models, rows.astype(np.float32)


def _counts(rng: np.random.Generator, n_resamples: int, n: int) -> IntArray:
    drawn = rng.integers(n, size=(n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.reshape(-1), minlength=n_resamples * n).reshape(n_resamples, n)


def _by_model(
    outcome: Outcome, true_labels: IntArray, n_classes: int, rows: npt.NDArray[np.float32]
) -> FloatArray:
    """Figures of each model in each resample of the rows, shape (3, M, resamples)."""
    n_true = _sums(true_labels, rows, n_classes)
    is_there = n_true > 0
    found = np.empty((len(FIGURES), len(outcome.predicted), len(rows)))
    for model, predicted in enumerate(outcome.predicted):
        n = _sums(2 * predicted + (predicted == true_labels), rows, 2 * n_classes)
        n_wrong, n_right = n[:, ::2], n[:, 1::2]
        f1 = 2 * n_right / np.maximum(n_true + n_wrong + n_right, 1)
        found[0, model] = n_right.sum(axis=1) / len(true_labels)
        found[1, model] = f1.sum(axis=1, where=is_there) / is_there.sum(axis=1)
    found[2] = outcome.losses @ rows.T.astype(np.float64) / len(true_labels)
    return found


def _sums(keys: IntArray, rows: npt.NDArray[np.float32], n_keys: int) -> FloatArray:
    """Add up the rows of a key in each resample, shape (resamples, n_keys)."""
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    sums = np.zeros((len(rows), n_keys))
    # Counts of rows are whole numbers, which float32 adds exactly up to 2^24
    sums[:, present] = np.add.reduceat(rows[:, order], starts, axis=1)
    return sums
