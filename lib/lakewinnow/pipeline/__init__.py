"""The pipeline: `catalog` is the graph on one page, `running` does what is not done yet.

`commits` knows which stages are done, `steps` what each calls, `records` what a run leaves, and
`planning` says beforehand what a run would do.
"""

from lakewinnow.pipeline.cancelling import cancel_batches, cancel_finetuning
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
    "plan",
    "run",
]
