"""What the models of a cross-validation are fitted to: rows, and their weights in each model."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from lakewinnow.core.logistic.design import Design
from lakewinnow.core.logistic.softmax_regression import Float32Array, Objective
from lakewinnow.core.logistic.subspace import Subspace
from lakewinnow.core.noise.confident_learning import check_labels
from lakewinnow.core.parallel import workers
from lakewinnow.core.types import BoolArray, FloatArray, IntArray
from lakewinnow.errors import ConfigError, DataError, Shown

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[int, float] | npt.ArrayLike | None


@dataclass(frozen=True, eq=False)
class Problem:
    """What the models of all folds (F) and, last, that of all rows are fitted to."""

    design: Design  # rows ordered by fold, and the penalty for K > 2
    classes: IntArray  # those that have rows, shape (K,)
    labels: IntArray  # positions in `classes`, shape (n,)
    # float32, shape (F + 1, n), with C in them; 0 for the rows of the fold itself
    weights: Float32Array
    known: BoolArray  # shape (K, F + 1), the classes of which a model has seen rows
    pool: Executor | None  # where the work is done; the result is the same without

    @classmethod
    def of(
        cls,
        design: Design,
        labels: npt.NDArray[np.integer],
        n_classes: int,
        inverse_penalty: float,
        class_weight: ClassWeight,
        sample_weight: npt.ArrayLike | None,
        pool: Executor | None = None,
    ) -> Self:
        """Weigh the rows, and drop the classes that have none.

        Parameters
        ----------
        labels, sample_weight : shape (n,), in the order of the input
        inverse_penalty : scikit-learn's C

        Raises
        ------
        ConfigError : "bad_strength", "bad_weight" of a class
        DataError : "wrong_length", "label_out_of_range", "bad_weight" of a row,
            "nothing_to_train_on"
        """
        if not 0 < inverse_penalty < np.inf:
            raise ConfigError("bad_strength", "C", "a finite number above 0", inverse_penalty)
        given: IntArray = _in_order(labels, np.int64, design, "labels")
        check_labels(given, n_classes)
        sampled = np.ones(len(given))
        if sample_weight is not None:
            sampled = _in_order(sample_weight, np.float64, design, "sample_weight")
            wrong = ~(np.isfinite(sampled) & (sampled >= 0))
            if wrong.any():
                expected, got = "finite numbers of at least 0", float(sampled[wrong][0])
                raise DataError("bad_weight", "sample_weight", expected, got)
        by_class = _class_weights(given, sampled, design.folds, class_weight, n_classes)
        known = by_class > 0
        if not known.any(axis=1).all():
            expected = "rows of positive weight outside every fold"
            there = f"{len(given)} rows in {len(design.folds)} folds"
            hint = "equal texts share a fold: are all texts the same, or those of a class?"
            raise DataError("nothing_to_train_on", "folds", expected, Shown(there), hint)
        weights = np.empty((len(by_class), len(given)), np.float32)
        for of_model, of_class in zip(weights, by_class, strict=True):
            np.multiply(sampled, inverse_penalty * of_class[given], out=of_model, casting="unsafe")
        for fold, rows in enumerate(design.folds):
            weights[fold, rows] = 0
        position = np.maximum(np.cumsum(known[-1]) - 1, 0)
        classes = np.flatnonzero(known[-1])
        return cls(design, classes, position[given], weights, known[:, classes].T, pool)

    def at(self, factor: float) -> "Problem":
        """Return the same with C times a factor."""
        return replace(self, weights=self.weights * np.float32(factor))

    @property
    def uncertain(self) -> npt.NDArray[np.intp]:
        """Folds whose model has classes to tell apart."""
        return np.flatnonzero(self.known[:, :-1].sum(axis=0) > 1)

    def subspace(self, model: int = -1) -> Subspace:
        """Return the directions that a model's curvature is worth knowing in."""
        return Subspace.of(*self._curvature(model), self.pool, self.design.far)

    def fits(self, subspace: Subspace) -> bool:
        """Whether this problem's own subspace would be such a one, all features or not."""
        return subspace.is_whole(*self._curvature()) == (subspace.vectors is None)

    def _curvature(self, model: int = -1) -> tuple[Float32Array, Float32Array, int, float]:
        """Return what decides which directions those are."""
        penalty, weights = self.design.penalty[model], self.weights[model]
        return self.design.features, penalty, len(self.classes), float(weights.mean())

    def objective(self, models: npt.NDArray[np.intp] | list[int]) -> Objective:
        """Return what some of the models minimise."""
        # scikit-learn gives two classes one vector w where we have w/2 and -w/2
        twofold = np.where(self.known[:, models].sum(axis=0) == 2, 2, 1).astype(np.float32)
        penalty = self.design.penalty[models] * twofold[:, None]
        return Objective(
            self.design.features, self.labels, self.weights[models], penalty, self.pool
        )


@contextmanager
def opened(
    design: Design,
    labels: npt.NDArray[np.integer],
    n_classes: int,
    inverse_penalty: float,
    class_weight: ClassWeight,
    sample_weight: npt.ArrayLike | None,
    n_threads: int,
) -> Iterator[Problem]:
    """Give a `Problem.of` these, which has threads until the end of a `with`."""
    weights = class_weight, sample_weight
    with workers(n_threads, design.work(n_classes)) as pool:
        yield Problem.of(design, labels, n_classes, inverse_penalty, *weights, pool)


def _in_order(
    values: npt.ArrayLike, dtype: type[np.generic], design: Design, name: str
) -> npt.NDArray[Any]:
    """Return one value a row in the order of the design."""
    array = np.asarray(values, dtype)
    if array.shape != design.order.shape:
        raise DataError("wrong_length", name, f"shape {design.order.shape}", array.shape)
    return array[design.order]


def _class_weights(
    labels: IntArray,
    sampled: FloatArray,
    folds: Sequence[slice],
    class_weight: ClassWeight,
    n_classes: int,
) -> FloatArray:
    """Weight of every class in the model of each fold and, last, of all rows, shape (F + 1, K).

    It is 0 where a model's training rows have none of the class.
    """
    held = np.array([np.bincount(labels[rows], sampled[rows], n_classes) for rows in folds])
    # a sum over the others, not the total less its own: that would leave a trace of its rounding
    counts = np.vstack([1 - np.eye(len(folds)), np.ones(len(folds))]) @ held
    if isinstance(class_weight, str) and class_weight == "balanced":
        average = counts.sum(axis=1) / np.maximum(np.count_nonzero(counts, axis=1), 1)
        balanced: FloatArray = np.divide(
            average[:, None], counts, out=np.zeros_like(counts), where=counts > 0
        )
        return balanced
    return np.where(counts > 0, _given_weights(class_weight, n_classes), 0)


def _given_weights(class_weight: ClassWeight, n_classes: int) -> FloatArray:
    """Return the weights that the caller gave, shape (K,)."""
    given = np.ones(n_classes)
    try:
        if isinstance(class_weight, Mapping):
            given[list(class_weight)] = list(class_weight.values())
        elif class_weight is not None:
            given[:] = class_weight
        right = bool((np.isfinite(given) & (given >= 0)).all())
    except (IndexError, ValueError):
        right = False
    if not right:
        expected = f"'balanced', or finite numbers of at least 0 by class in 0 .. {n_classes - 1}"
        raise ConfigError("bad_weight", "class_weight", expected, class_weight)
    return given
