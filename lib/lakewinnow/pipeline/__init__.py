"""The pipeline: `catalog` is the graph on one page, `running` does what is not done yet.

`commits` knows which stages are done, `steps` what each calls, `records` what a run leaves.
"""

from lakewinnow.pipeline.costs import (
    cancel_batches,
    cancel_finetuning,
    estimate_candidates,
    estimate_embedding,
    estimate_finetuning,
)
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.planning import plan
from lakewinnow.pipeline.records import RunResult
from lakewinnow.pipeline.running import check, run

__all__ = [
    "Observer",
    "RunResult",
    "cancel_batches",
    "cancel_finetuning",
    "check",
    "estimate_candidates",
    "estimate_embedding",
    "estimate_finetuning",
    "plan",
    "run",
]
