"""manifest.json: from what, with what and how a run was made, and what each key is."""

from dataclasses import dataclass
from typing import Annotated, Any

from lakewinnow.figures.rows import Rows
from lakewinnow.figures.summary import SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True)
class Input:
    """The rows that came in."""

    fingerprint: Annotated[str, "changes when the rows do"]
    bytes: int
    columns: Annotated[dict[str, str], "names and types, as Spark has them"]


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """What one stage read, wrote and took."""

    name: str
    fingerprint: Annotated[str, "changes when its result would differ"]
    seconds: Annotated[float, "that it took when it ran"]
    rows_in: int
    rows_out: int
    passes: Annotated[int, "over the table that it read most often"]
    bytes_read: int
    bytes_written: int
    tables: Annotated[dict[str, int], "rows by table that it wrote"]
    details: Annotated[dict[str, Any] | None, "how it was done, where there was a choice"] = None


@dataclass(frozen=True, kw_only=True)
class NoiseModelFile:
    """The noise model of an earlier run that the rows were judged with."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """From what, with what and how a run was made; written last."""

    schema_version: int = SCHEMA_VERSION
    versions: Annotated[dict[str, str], "of Python, the engine and packages"]
    config: Annotated[dict[str, Any], "every key, as it was used; secrets are hidden"]
    input: Input
    stages: list[StageRecord]
    rows: Rows
    warnings: list[str]
    noise_model: NoiseModelFile | None = None
