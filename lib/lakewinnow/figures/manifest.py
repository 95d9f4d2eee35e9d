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
class DataFile:
    """A file, as it was written."""

    path: Annotated[str, "of a table's file: in the folder of the table"]
    bytes: int
    rows: Annotated[int | None, "of a Parquet file"] = None
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """What a table consists of."""

    format: Annotated[str, "parquet, delta or iceberg"] = "parquet"
    rows: int
    files: Annotated[list[DataFile], "of Parquet; the other formats have a log of their own"]
    version: Annotated[dict[str, str] | None, "what a reader of the other formats is told"] = None
    schema: Annotated[dict[str, Any] | None, "the columns, where some are in names of folders"] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """From what, with what and how a run was made; its replacement is what commits the run."""

    schema_version: int = SCHEMA_VERSION
    version: Annotated[int, "rises with each run that changes a table"]
    versions: Annotated[dict[str, str], "of Python, the engine and packages"]
    config: Annotated[dict[str, Any], "every key, as it was used; secrets are hidden"]
    input: Input
    stages: list[StageRecord]
    rows: Rows
    tables: Annotated[dict[str, TableFiles], "by their folders in the workspace"]
    files: Annotated[list[DataFile], "other files of the run"]
    warnings: list[str]
    noise_model: NoiseModelFile | None = None
