"""From configuration to classifier."""

from collections.abc import Mapping, Sequence

from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.estimator import Estimator
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.errors import ConfigError, did_you_mean


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
        for name in sorted(class_weight.keys() - set(classes)):
            raise ConfigError(
                "unknown_class",
                "crossval.params.class_weight",
                f"names of classes: {', '.join(classes[:10])}{' …' * (len(classes) > 10)}",
                name,
                did_you_mean(name, classes),
            )
        class_weight = {classes.index(name): float(w) for name, w in class_weight.items()}
    return Logistic(c if c == "auto" else float(c), class_weight, max_iter, config.standardize)


def _estimator(config: CrossvalConfig) -> Estimator:
    scales = config.standardize is True  # auto leaves scaling to the user's own pipeline
    return Estimator(config.classifier, dict(config.params), config.seed, scales)
