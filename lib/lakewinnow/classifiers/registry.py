"""From configuration to classifier."""

from collections.abc import Mapping, Sequence

from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.estimator import Estimator
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.errors import ConfigError, unknown_classes


def check(config: CrossvalConfig) -> None:
    """Find out before anything runs whether there is such a classifier.

    Raises
    ------
    ConfigError : "not_importable", "bad_params", "no_predict_proba"
    """
    if config.classifier != "logistic":
        _estimator(config).check()


def load(config: CrossvalConfig, classes: Sequence[str]) -> Classifier:
    """Return the classifier that is configured.

    Parameters
    ----------
    classes : names of the classes, which `class_weight` may be given by

    Raises
    ------
    ConfigError : "unknown_class"
    """
    if config.classifier != "logistic":
        return _estimator(config)
    c, class_weight, max_iter = (config.params[key] for key in ("C", "class_weight", "max_iter"))
    if isinstance(class_weight, Mapping):
        key = "crossval.params.class_weight"
        ConfigError.raise_any(unknown_classes(key, class_weight, classes))
        class_weight = {classes.index(name): float(w) for name, w in class_weight.items()}
    return Logistic(c if c == "auto" else float(c), class_weight, max_iter, config.standardize)


def _estimator(config: CrossvalConfig) -> Estimator:
    scales = config.standardize is True  # auto leaves scaling to the user's own pipeline
    return Estimator(config.classifier, dict(config.params), config.seed, scales)
