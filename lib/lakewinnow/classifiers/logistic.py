"""The built-in classifier: multinomial logistic regression of all folds at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lakewinnow.classifiers.base import FitReport, Probabilities, TrainingRows, Weights
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

    def settle(self, rows: TrainingRows) -> tuple["Logistic", FitReport]:
        """See `Classifier`."""
        options = self._options(rows)
        settled = replace(self, standardize=options["standardize"])
        losses: dict[float, float] = {}
        if self.C == "auto":
            del options["C"], options["max_iter"]
            chosen = choose_strength(*rows[:4], **options)
            settled, losses = replace(settled, C=chosen.C), chosen.losses
        settings = {"C": settled.C, "losses": losses, "standardize": settled.standardize}
        return settled, FitReport(settings=settings)

    def cross_val_predict(self, rows: TrainingRows) -> tuple[Probabilities, FitReport]:
        """See `Classifier`."""
        options = self._options(rows)
        found = crossval.cross_val_predict(*rows[:4], **options)
        return found.pred_probs, _report(found.fit, standardize=options["standardize"])

    def fit_folds(
        self, rows: TrainingRows, fold_ids: list[int], sample_weight: Weights | None = None
    ) -> tuple[crossval.FoldModels, FitReport]:
        """See `Classifier`."""
        options = self._options(rows)
        models = crossval.fit_folds(
            *rows[:4], fold_ids=fold_ids, sample_weight=sample_weight, **options
        )
        return models, _report(models.fit, standardize=options["standardize"])

    def _options(self, rows: TrainingRows) -> dict[str, Any]:
        scales = self.standardize
        return {
            "C": self.C,
            "class_weight": self.class_weight,
            "max_iter": self.max_iter,
            "standardize": not is_unit_norm(rows.features) if scales == "auto" else scales,
            "n_threads": rows.n_threads,
        }


def _report(fit: crossval.Fit, *, standardize: bool) -> FitReport:
    failed = tuple(fit.folds[~fit.converged].tolist())
    return FitReport(failed, {"C": fit.C, "losses": fit.losses, "standardize": standardize})
