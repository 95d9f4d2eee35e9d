"""A workspace: named tables that are published whole, and the commit record of each stage.

A table is written to ``_staging/`` and moved to its place; where the file system has no rename it
is written in place. Either way nobody should trust a table before its stage's commit record
(``_commits/STAGE.json``) is there: the record is deleted before a table is touched and written
after the last one is in place, so a killed run leaves no record, and the stage runs again.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakewinnow.config.types import OutputFormat
from lakewinnow.errors import EngineError, Shown
from lakewinnow.lake import tables
from lakewinnow.lake.files import Files
from lakewinnow.masking import masked_text
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.object_stores import engine_path
from lakewinnow.typed_json import from_json, to_json

F = TypeVar("F")
_STAGING = "_staging"
_COMMITS = "_commits"
_NO_ROWS = "part-of-no-rows.parquet"


@dataclass(frozen=True, kw_only=True)
class StageReport(Generic[F]):
    """What a stage did.

    Attributes
    ----------
    reads : passes by table
    bytes_in : of what is read outside the workspace
    figures : a dataclass of what it found, which summary.json and later stages read; None: nothing
    is_complete : whether the next run need not do it again
    """

    rows_in: int
    rows_out: int
    reads: Mapping[str, int]
    writes: Sequence[str] = ()
    bytes_in: int = 0
    figures: F = cast("Any", None)  # noqa: RUF009
    warnings: Sequence[str] = ()
    is_complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The record that makes a stage's tables valid."""

    name: str
    fingerprint: str
    seconds: float
    rows_in: int
    rows_out: int
    passes: int
    bytes_read: int
    bytes_written: int
    tables: Mapping[str, int]  # rows by table
    figures: Mapping[str, Any]  # as JSON
    warnings: Sequence[str]
    id: str  # of this commit alone: the same stage, done again, has another
    # for each stage whose tables it read, the id of the commit that made them
    needs: Mapping[str, str]
    # for each setting and input from outside that decides the result, a hash
    decided_by: Mapping[str, str]


_FIELDS = {field.name for field in fields(Commit)}


class Lake:
    """The tables and records of one workspace.

    Parameters
    ----------
    spark : classic or Connect
    workspace : folder that both Spark and this process can reach
    """

    def __init__(self, spark: SparkSession, workspace: str) -> None:
        self.spark = spark
        self.files = Files(engine_path(spark, workspace))

    def read(self, name: str) -> DataFrame:
        """Read a table of this workspace."""
        format_ = self._format_of(name)
        reader = self.spark.read.format(format_)
        if format_ == "parquet" and (schema := self.files.spark_schema(name)) is not None:
            reader = reader.schema(schema)  # which Spark has a job of its own to find
        return reader.load(self.files.path(name))

    def publish(
        self,
        name: str,
        df: DataFrame,
        *,
        schema: StructType | None = None,
        partition_by: Sequence[str] = (),
        rows_per_file: int = 0,
        format_: OutputFormat = "parquet",
    ) -> None:
        """Write a table beside its place and put it there whole.

        A Delta or Iceberg table is written in its place: its own log has it whole or not at all.

        Parameters
        ----------
        schema : fixes the columns, their order and types; a frame that lacks one fails before it
            runs
        """
        if schema is not None:
            df = df.select(*(df[f.name].cast(f.dataType).alias(f.name) for f in schema.fields))
        if format_ != "parquet":
            tables.overwrite(self.files, name, df, format_, partition_by, rows_per_file)
            return
        if self._format_of(name) != "parquet":
            self.files.delete(name)
        target = self._beside(name)
        self.files.delete(target)  # of which no partition may stay, and on Sail some would
        writer = tables.whole(df.write.option("maxRecordsPerFile", rows_per_file))
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.parquet(self.files.path(target))
        if is_sail(self.spark):
            if not self.files.has_data(target):  # it writes no file then
                no_rows = self.spark.createDataFrame([], df.schema).toArrow()
                self.files.write_parquet(f"{target}/{_NO_ROWS}", no_rows)
            if rows_per_file:  # of which it knows nothing
                self.files.split(target, rows_per_file)
        self._put(name, target)

    def publish_small(self, name: str, table: pa.Table) -> None:
        """Publish a table that this process has made, of a bounded size: one file, in its order."""
        target = self._beside(name)
        self.files.delete(target)
        self.files.write_parquet(f"{target}/part-00000.parquet", table)
        self._put(name, target)

    def _beside(self, name: str) -> str:
        return f"{_STAGING}/{name}" if self.files.renames_folders else name

    def _put(self, name: str, target: str) -> None:
        if not self.files.exists(target):
            expected, got = "a folder that Spark and this process share", Shown(self.files.root)
            hint = "give a full URI, e.g. hdfs://… or s3a://…"
            raise EngineError("workspace_not_shared", "workspace", expected, got, hint)
        if target != name:
            self.files.move(target, name)

    def commit(
        self,
        name: str,
        fingerprint: str,
        seconds: float,
        report: StageReport[Any],
        *,
        needs: Mapping[str, str] = MappingProxyType({}),
        decided_by: Mapping[str, str] = MappingProxyType({}),
    ) -> Commit:
        """Write the record that makes a stage's tables valid; none, where they are incomplete."""
        size = {table: self.files.size(table) for table in {*report.reads, *report.writes}}
        commit = Commit(
            name=name,
            fingerprint=fingerprint,
            seconds=round(seconds, 3),
            rows_in=report.rows_in,
            rows_out=report.rows_out,
            passes=max(report.reads.values(), default=0),
            bytes_read=report.bytes_in + sum(size[t] * n for t, n in report.reads.items()),
            bytes_written=sum(size[table] for table in report.writes),
            tables={table: self.rows(table) for table in report.writes if "." not in table},
            figures={} if report.figures is None else to_json(report.figures),
            warnings=[masked_text(warning) for warning in report.warnings],
            id=uuid.uuid4().hex,
            needs=dict(needs),
            decided_by=dict(decided_by),
        )
        if report.is_complete:
            self.files.write_json(f"{_COMMITS}/{name}.json", asdict(commit))
        return commit

    def committed(self, name: str) -> Commit | None:
        """Return a stage's record if its tables are still there."""
        record = self.files.read_json(f"{_COMMITS}/{name}.json")
        if (
            record is None or not record.keys() >= _FIELDS
        ):  # or of an earlier version of the package
            return None
        commit = Commit(**{name: record[name] for name in _FIELDS})  # others: of a later version
        return commit if all(self.files.exists(table) for table in commit.tables) else None

    def revoke(self, name: str) -> None:
        """Delete a stage's record, before its tables are touched."""
        self.files.delete(f"{_COMMITS}/{name}.json")

    def figures(self, name: str, cls: type[F]) -> F:
        """Return what an earlier stage of this run has found, of the class that it returned.

        Raises
        ------
        EngineError : "no_commit"
        """
        commit = self.committed(name)
        if commit is None:
            raise EngineError(
                "no_commit", name, "a committed stage", None, "run it again with --restart"
            )
        return from_json(cls, commit.figures)

    def rows(self, name: str) -> int:
        """Rows of a published table, from its Parquet footers, or its log."""
        if self._format_of(name) != "parquet":
            return self.read(name).count()
        return self.files.count_rows(name)

    def _format_of(self, name: str) -> str:
        return tables.format_of(self.files, name) if name in tables.OUTPUTS else "parquet"

    def is_ours(self) -> bool:
        """Whether an earlier run has used this workspace."""
        return self.files.exists(_COMMITS)
