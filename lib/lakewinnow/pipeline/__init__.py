"""The pipeline: `running` is the whole of it, `costs` says beforehand what would be paid."""

from lakewinnow.pipeline.costs import (
    cancel_batches,
    cancel_finetuning,
    estimate_candidates,
    estimate_embedding,
    estimate_finetuning,
)
from lakewinnow.pipeline.observer import Observer
from lakewinnow.pipeline.records import RunResult
from lakewinnow.pipeline.running import check, run
from lakewinnow.pipeline.stages import STAGES

__all__ = [
    "STAGES",
    "Observer",
    "RunResult",
    "cancel_batches",
    "cancel_finetuning",
    "check",
    "estimate_candidates",
    "estimate_embedding",
    "estimate_finetuning",
    "run",
]
