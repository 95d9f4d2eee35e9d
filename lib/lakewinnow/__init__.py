"""Find and fix label errors in text tables on a lake: confident learning as Spark jobs.

``run(load_config("config.yaml"))`` does all of it; ``find_label_issues(labels, pred_probs)`` and
its like work on arrays and frames of your own. ``lakewinnow guide`` in a shell shows more.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lakewinnow.errors import asking_for_pyspark

if TYPE_CHECKING:
    from lakewinnow.config.file import load_config
    from lakewinnow.config.sections import Config
    from lakewinnow.core.noise.noise_model import NoiseModel
    from lakewinnow.errors import (
        BusyError,
        ConfigError,
        DataError,
        EngineError,
        LakewinnowError,
        LakewinnowWarning,
        ProviderError,
        SchemaError,
    )
    from lakewinnow.frames.consensus import Consensus, find_consensus
    from lakewinnow.frames.label_issues import find_label_issues
    from lakewinnow.frames.multilabel import find_multilabel_issues
    from lakewinnow.lake.inputs.noise_models import merge_noise_models
    from lakewinnow.lake.reading import read
    from lakewinnow.pipeline import RunResult, run
    from lakewinnow.review.diff import RunDiff, diff
    from lakewinnow.spark.sessions.session import session

__version__ = version("lakewinnow")

__all__ = [
    "BusyError",
    "Config",
    "ConfigError",
    "Consensus",
    "DataError",
    "EngineError",
    "LakewinnowError",
    "LakewinnowWarning",
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
    "read",
    "run",
    "session",
]

_HOMES = {
    "Config": "config.sections",
    "Consensus": "frames.consensus",
    "diff": "review.diff",
    "find_consensus": "frames.consensus",
    "find_label_issues": "frames.label_issues",
    "find_multilabel_issues": "frames.multilabel",
    "load_config": "config.file",
    "merge_noise_models": "lake.inputs.noise_models",
    "NoiseModel": "core.noise.noise_model",
    "RunDiff": "review.diff",
    "read": "lake.reading",
    "RunResult": "pipeline",
    "run": "pipeline",
    "session": "spark.sessions.session",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    # Found when asked for: a worker that needs one stage's function should not import the rest.
    if name not in __all__:
        raise AttributeError(f"module 'lakewinnow' has no attribute {name!r}")
    with asking_for_pyspark():
        return getattr(import_module(f"lakewinnow.{_HOMES.get(name, 'errors')}"), name)
