"""Find and fix label errors in text tables on a lake: confident learning as Spark jobs."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lakewinnow.errors import asking_for_pyspark

if TYPE_CHECKING:
    from lakewinnow.changes import RunDiff, diff
    from lakewinnow.config import Config
    from lakewinnow.configfile import load_config
    from lakewinnow.consensus import Consensus, find_consensus
    from lakewinnow.core.noise_model import NoiseModel
    from lakewinnow.errors import (
        ConfigError,
        DataError,
        EngineError,
        LakewinnowError,
        ProviderError,
        SchemaError,
    )
    from lakewinnow.find import find_label_issues
    from lakewinnow.lake.noise_models import merge_noise_models
    from lakewinnow.multilabel import find_multilabel_issues
    from lakewinnow.pipeline import RunResult, run
    from lakewinnow.spark.session import session

__version__ = version("lakewinnow")

__all__ = [
    "Config",
    "ConfigError",
    "Consensus",
    "DataError",
    "EngineError",
    "LakewinnowError",
    "NoiseModel",
    "ProviderError",
    "RunDiff",
    "RunResult",
    "SchemaError",
    "diff",
    "find_consensus",
    "find_label_issues",
    "find_multilabel_issues",
    "load_config",
    "merge_noise_models",
    "run",
    "session",
]

_HOMES = {
    "Config": "config",
    "Consensus": "consensus",
    "diff": "changes",
    "find_consensus": "consensus",
    "find_label_issues": "find",
    "find_multilabel_issues": "multilabel",
    "load_config": "configfile",
    "merge_noise_models": "lake.noise_models",
    "NoiseModel": "core.noise_model",
    "RunDiff": "changes",
    "RunResult": "pipeline",
    "run": "pipeline",
    "session": "spark.session",
}


def __getattr__(name: str) -> Any:
    # Found when asked for: a worker that needs one stage's function should not import the rest.
    if name not in __all__:
        raise AttributeError(f"module 'lakewinnow' has no attribute {name!r}")
    with asking_for_pyspark():
        return getattr(import_module(f"lakewinnow.{_HOMES.get(name, 'errors')}"), name)
