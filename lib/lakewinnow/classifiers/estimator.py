"""Any classifier with scikit-learn's interface, named by its import path.

What stands at the path is called with `crossval.params`: an estimator's class, or a function that
returns an estimator, a Pipeline, say. One model is trained a fold.

The same rows give the same probabilities, on any number of cores and in batches of any size: an
unset random_state becomes the run's seed; matrices are multiplied by one thread, as several add up
in another order; and rows are scored in blocks of one size, as the last bits of a product depend on
its shape. What an estimator does of itself (`n_jobs`, a GPU) is its own affair, as the guide says.
"""

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lakewinnow.classifiers.base import (
    Features,
    FitReport,
    Integers,
    Probabilities,
    TrainingRows,
    Weights,
)
from lakewinnow.errors import ConfigError, EngineError, Shown

_LOG = logging.getLogger(__name__)
_KEY: Final = "crossval.classifier"
_BLOCK_ROWS: Final = 1024  # a multiple of the rows that any kernel takes at a time
_TRIED: Final = "tried with 20 made-up rows of 4 numbers in 2 classes"
# Errors of code, which would come of real rows, too
_WITH_ANY_ROWS: Final = (TypeError, AttributeError, NameError, ImportError, NotImplementedError)


@dataclass(frozen=True)
class Estimator:
    """A classifier by import path."""

    path: str  # import path of a class or function
    params: Mapping[str, Any]  # what it is called with
    seed: int  # of whatever is random in it
    standardize: bool  # whether a StandardScaler, fitted to the training folds, comes first
    shares_folds: bool = False
    is_settled: bool = True

    def check(self) -> None:
        """See whether it can be made and what it is, and try it on 20 made-up rows.

        These may be too few for some classifiers, which is a warning.

        Raises
        ------
        ConfigError : "not_importable", "bad_params", "no_predict_proba", "classifier_failed"
        """
        estimator = self.make()
        if not hasattr(estimator, "fit") or not hasattr(estimator, "predict_proba"):
            expected = "a classifier with fit and predict_proba"
            hint = "sklearn.calibration.CalibratedClassifierCV adds probabilities to a classifier"
            raise ConfigError("no_predict_proba", _KEY, expected, Shown(repr(estimator)), hint)
        rng = np.random.default_rng(0)
        try:
            estimator.fit(rng.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2)
        except _WITH_ANY_ROWS as error:
            if type(error).__name__ == "InvalidParameterError":  # scikit-learn's, a TypeError
                raise self._bad_params(error) from error
            expected, got = "a classifier that trains", Shown(_in_words(error))
            raise ConfigError("classifier_failed", _KEY, expected, got, _TRIED) from error
        except Exception as error:  # noqa: BLE001 - of a kind that these rows may be the cause of
            _LOG.warning("%s: %s did not train, %s: %s", _KEY, self.path, _TRIED, _in_words(error))

    def make(self) -> Any:
        """Return a new estimator.

        Raises
        ------
        ConfigError : "not_importable", "bad_params"
        """
        module, _, name = self.path.rpartition(".")
        try:
            factory = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            expected = "logistic, or an import path such as sklearn.ensemble.RandomForestClassifier"
            raise ConfigError(
                "not_importable", _KEY, expected, self.path, f"{type(error).__name__}: {error}"
            ) from error
        try:
            estimator = factory(**self.params)
        except Exception as error:  # user code
            raise self._bad_params(error) from error
        if hasattr(estimator, "get_params"):
            unset = [
                key
                for key, value in estimator.get_params().items()
                if key.rpartition("__")[2] == "random_state" and value is None
            ]
            estimator.set_params(**dict.fromkeys(unset, self.seed))
        if self.standardize:
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            estimator = make_pipeline(StandardScaler(), estimator)
        return estimator

    def _bad_params(self, error: Exception) -> ConfigError:
        expected = f"parameters that {self.path} accepts"
        hint = _in_words(error)
        return ConfigError("bad_params", "crossval.params", expected, dict(self.params), hint)

    @property
    def takes_weights(self) -> bool:
        """See `Classifier`."""
        return bool(_weights_key(self.make()))

    def settle(self, rows: TrainingRows) -> tuple["Estimator", FitReport]:  # noqa: ARG002
        """See `Classifier`."""
        return self, FitReport()

    def cross_val_predict(self, rows: TrainingRows) -> tuple[Probabilities, FitReport]:
        """See `Classifier`."""
        pred_probs = np.zeros((len(rows.labels), rows.n_classes), np.float32)
        not_converged = []
        with threadpool_limits(1):
            for fold in np.unique(rows.folds).tolist():
                model = self._fit(rows, fold)
                held = rows.folds == fold
                pred_probs[held] = _predict(model, rows.features[held], rows.n_classes, fold)
                not_converged += [] if model.converged else [fold]
        return pred_probs, FitReport(tuple(not_converged))

    def fit_folds(
        self, rows: TrainingRows, fold_ids: list[int], sample_weight: Weights | None = None
    ) -> tuple["EstimatorModels", FitReport]:
        """See `Classifier`."""
        with threadpool_limits(1):
            models = {fold: self._fit(rows, fold, sample_weight) for fold in fold_ids}
        not_converged = tuple(fold for fold, model in models.items() if not model.converged)
        return EstimatorModels(rows.n_classes, models), FitReport(not_converged)

    def _fit(
        self, rows: TrainingRows, fold: int, sample_weight: Weights | None = None
    ) -> "_OneModel":
        training = rows.folds != fold
        if sample_weight is not None:
            training &= sample_weight > 0
        present, positions = np.unique(rows.labels[training], return_inverse=True)
        if len(present) < 2:  # nothing to tell apart: the one class is certain
            return _OneModel(None, present)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                estimator = self.make()
                weights = {}
                if sample_weight is not None:
                    weights[_weights_key(estimator)] = sample_weight[training]
                estimator.fit(rows.features[training], positions, **weights)
            except Exception as error:
                raise _failed(fold, error) from error
        names = {warning.category.__name__ for warning in caught}
        classes = present[getattr(estimator, "classes_", slice(None))]
        return _OneModel(estimator, classes, "ConvergenceWarning" not in names)


def _weights_key(estimator: Any) -> str:
    """Return the argument that fit takes weights of rows by; "" where it has none."""
    from sklearn.utils.validation import has_fit_parameter

    if hasattr(estimator, "steps"):  # a Pipeline hands on what is meant for a step
        name, last = estimator.steps[-1]
        key = _weights_key(last)
        return key and f"{name}__{key}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else ""


@dataclass(frozen=True)
class _OneModel:
    """A trained estimator (None: of one class) and the classes its columns are of."""

    estimator: Any
    classes: Integers
    converged: bool = True


@dataclass(frozen=True)
class EstimatorModels:
    """Trained estimators by fold."""

    n_classes: int  # K, also of those that no model has seen
    models: Mapping[int, _OneModel]  # by fold

    def predict(self, features: Features, fold: int) -> Probabilities:
        """See `Models`."""
        with threadpool_limits(1):
            return _predict(self.models[fold], features, self.n_classes, fold)


def _predict(model: _OneModel, features: Features, n_classes: int, fold: int) -> Probabilities:
    pred_probs = np.zeros((len(features), n_classes), np.float32)
    if not len(features):
        return pred_probs
    if model.estimator is None:
        pred_probs[:, model.classes] = 1
        return pred_probs
    try:
        blocks = _blocks(features)
        found = np.concatenate([_predict_block(model.estimator, block) for block in blocks])
        pred_probs[:, model.classes] = found
    except Exception as error:
        raise _failed(fold, error) from error
    if not (np.isfinite(found).all() and np.allclose(found.sum(axis=1), 1, atol=1e-3)):
        raise _failed(fold, ValueError("predict_proba returned rows that are not probabilities"))
    return pred_probs


def _blocks(features: Features) -> Iterator[Features]:
    """Give rows 1,024 at a time."""
    return (features[at : at + _BLOCK_ROWS] for at in range(0, len(features), _BLOCK_ROWS))


def _predict_block(estimator: Any, rows: Features) -> NDArray[np.float64]:
    """Score rows, at most 1,024, and zeros that make them 1,024."""
    block = np.zeros((_BLOCK_ROWS, rows.shape[1]), rows.dtype)
    block[: len(rows)] = rows
    return np.asarray(estimator.predict_proba(block), np.float64)[: len(rows)]


def _failed(fold: int, error: Exception) -> EngineError:
    expected, got = "a classifier that trains and predicts", Shown(_in_words(error))
    return EngineError("classifier_failed", f"{_KEY}, fold {fold}", expected, got)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
