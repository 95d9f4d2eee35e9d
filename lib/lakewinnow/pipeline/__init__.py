"""The pipeline: `catalog` is the graph on one page, `running` does what is not done yet.

`commits` knows which stages are done, `steps` what each calls, `records` what a run leaves, and
`planning` says beforehand what a run would do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakewinnow.pipeline.cancelling import cancel_batches, cancel_finetuning
    from lakewinnow.pipeline.observer import Observer
    from lakewinnow.pipeline.planning import plan
    from lakewinnow.pipeline.records import RunResult
    from lakewinnow.pipeline.running import check, run

_HOMES = {
    "Observer": "observer",
    "RunResult": "records",
    "cancel_batches": "cancelling",
    "cancel_finetuning": "cancelling",
    "check": "running",
    "plan": "planning",
    "run": "running",
}

__all__ = ["Observer", "RunResult", "cancel_batches", "cancel_finetuning", "check", "plan", "run"]


def __getattr__(name: str) -> Any:
    # Found when asked for: who asks for the names of stages waits for no engine.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
