"""What the crossval stage asks of a classifier."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Features: TypeAlias = NDArray[np.floating]
Integers: TypeAlias = NDArray[np.integer]
Weights: TypeAlias = NDArray[np.float64]
Probabilities: TypeAlias = NDArray[np.float32]


class TrainingRows(NamedTuple):
    """What a classifier learns from, and scores."""

    features: Features  # shape (n, D)
    labels: Integers  # shape (n,), 0 .. K-1
    folds: Integers  # shape (n,), rows of one number are held out together
    n_classes: int  # K
    n_threads: int = 1


@dataclass(frozen=True)
class FitReport:
    """How the models of some folds came about."""

    not_converged: tuple[int, ...] = ()  # folds whose models stopped before they were done
    # what was chosen by looking at the rows: C, losses (by C), standardize
    settings: Mapping[str, object] = field(default_factory=dict)


class Models(Protocol):
    """Models of folds, each trained without the rows of its fold. They pickle."""

    def predict(self, features: Features, fold: int) -> Probabilities:
        """Score rows by the model that has not seen a fold, shape (n, K)."""


class Classifier(Protocol):
    """A recipe for models. It pickles; what fails is an EngineError "classifier_failed"."""

    @property
    def shares_folds(self) -> bool:
        """Whether the models of all folds together cost little more than one."""

    @property
    def takes_weights(self) -> bool:
        """Whether rows may be of more or less weight."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be chosen by looking at rows."""

    def settle(self, rows: TrainingRows) -> tuple[Self, FitReport]:
        """Choose, by a sample of rows, what is left to be chosen."""

    def cross_val_predict(self, rows: TrainingRows) -> tuple[Probabilities, FitReport]:
        """Score every row by a model of the other folds, shape (n, K)."""

    def fit_folds(
        self, rows: TrainingRows, fold_ids: list[int], sample_weight: Weights | None = None
    ) -> tuple[Models, FitReport]:
        """Train a model for each of the folds in `fold_ids`.

        Parameters
        ----------
        fold_ids : of a fold without rows, the model is that of all rows
        sample_weight : shape (n,), at least 0; only where `takes_weights`
        """
