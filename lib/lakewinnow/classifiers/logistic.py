"""The built-in classifier: multinomial logistic regression of all folds at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lakewinnow.classifiers.base import Features, Fit, Integers, Weights
from lakewinnow.core.logistic import crossval
from lakewinnow.core.logistic.design import is_unit_norm
from lakewinnow.core.logistic.strength import choose_strength


@dataclass(frozen=True)
class Logistic:
    """Logistic regression as scikit-learn's, at its tight optimum."""

    # inverse regularisation strength; "auto" chooses it by held-out log loss
    C: float | Literal["auto"]
    # "balanced", or weights by class index
    class_weight: Literal["balanced"] | Mapping[int, float] | None
    max_iter: int  # most steps
    # whether columns are scaled to unit variance; "auto": unless rows have unit norm
    standardize: Literal["auto"] | bool
    shares_folds: bool = True
    takes_weights: bool = True

    @property
    def is_settled(self) -> bool:
        """See `Classifier`."""
        return self.C != "auto" and self.standardize != "auto"

    def settle(
        self, features: Features, labels: Integers, folds: Integers, n_classes: int, n_threads: int
    ) -> tuple["Logistic", Fit]:
        """See `Classifier`."""
        settled = replace(self, standardize=self._scales(features))
        losses: dict[float, float] = {}
        if self.C == "auto":
            chosen = choose_strength(
                features,
                labels,
                folds,
                n_classes,
                class_weight=self.class_weight,
                standardize=self._scales(features),
                n_threads=n_threads,
            )
            settled, losses = replace(settled, C=chosen.C), chosen.losses
        settings = {"C": settled.C, "losses": losses, "standardize": settled.standardize}
        return settled, Fit(settings=settings)

    def cross_val_predict(
        self, features: Features, labels: Integers, folds: Integers, n_classes: int, n_threads: int
    ) -> tuple[NDArray[np.float32], Fit]:
        """See `Classifier`."""
        options = self._options(features, n_threads)
        found = crossval.cross_val_predict(features, labels, folds, n_classes, **options)
        return found.pred_probs, _note(found.fit, standardize=options["standardize"])

    def fit_folds(
        self,
        features: Features,
        labels: Integers,
        folds: Integers,
        n_classes: int,
        n_threads: int,
        fold_ids: list[int],
        sample_weight: Weights | None = None,
    ) -> tuple[crossval.FoldModels, Fit]:
        """See `Classifier`."""
        options = self._options(features, n_threads)
        models = crossval.fit_folds(
            features,
            labels,
            folds,
            n_classes,
            fold_ids=fold_ids,
            sample_weight=sample_weight,
            **options,
        )
        return models, _note(models.fit, standardize=options["standardize"])

    def _options(self, features: Features, n_threads: int) -> dict[str, Any]:
        return {
            "C": self.C,
            "class_weight": self.class_weight,
            "max_iter": self.max_iter,
            "standardize": self._scales(features),
            "n_threads": n_threads,
        }

    def _scales(self, features: Features) -> bool:
        if self.standardize == "auto":
            return not is_unit_norm(features)
        return self.standardize


def _note(fit: crossval.Fit, *, standardize: bool) -> Fit:
    failed = tuple(fit.folds[~fit.converged].tolist())
    return Fit(failed, {"C": fit.C, "losses": fit.losses, "standardize": standardize})
