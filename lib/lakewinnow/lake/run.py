"""What a stage is given: its workspace, the configuration, and what was opened from outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column

from lakewinnow.config.sections import Config
from lakewinnow.lake import redaction
from lakewinnow.lake.inputs.annotations import Annotations
from lakewinnow.lake.inputs.checked import Checked
from lakewinnow.lake.inputs.decisions import Decisions
from lakewinnow.lake.inputs.noise_models import EarlierNoiseModel
from lakewinnow.lake.inputs.source import Source
from lakewinnow.lake.workspace import Lake

HOLDOUT = "holdout"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that a run reads from outside; each knows the fingerprint of its content."""

    source: Source  # the input
    # of `evaluate`; the holdout may be rows of the input
    reference: Source | None = None
    holdout: Source | None = None
    decisions: Decisions | None = None  # the user's own, of `clean.decisions`
    annotations: Annotations | None = None  # of `input.annotations`
    checked: Checked | None = None  # the sample for review, where a promise rests on it
    noise_model: EarlierNoiseModel | None = None  # an earlier run's, to judge these rows with
    opened: Mapping[str, Any] = field(default_factory=dict)  # what checks open, by their names


def _ignore(done: int, total: int, note: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a stage is given."""

    lake: Lake
    config: Config
    inputs: Inputs
    # takes how much of the stage is done, of how much, and a note
    report_progress: Callable[[int, int, str], None] = _ignore

    @property
    def text(self) -> Column:
        """The text of a row of corpus/ as others may see it: see `lake.redaction`."""
        return redaction.text(self.config.clean, self.config.checks)

    @property
    def trusted(self) -> Lake | None:
        """The workspace that trusted rows are taken into, where there are some."""
        if self.inputs.holdout is None:
            return None
        return self.lake.within(HOLDOUT)
