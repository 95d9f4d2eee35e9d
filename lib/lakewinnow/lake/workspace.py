"""A workspace: named tables that are published whole, and the commit record of each stage.

How a table is published, and a run committed, is in `versions`. A run that is resumed trusts a
table only with its stage's commit record (``_commits/STAGE.json``): the record is deleted before a
table is touched and written after the last one is in place, so a killed run leaves no record, and
the stage runs again.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakewinnow.config.types import OutputFormat
from lakewinnow.errors import EngineError, Shown
from lakewinnow.figures.manifest import DataFile, TableFiles
from lakewinnow.lake import tables, versions
from lakewinnow.lake.files import LIST, Files, as_json
from lakewinnow.lake.versions import Versions
from lakewinnow.masking import masked_text
from lakewinnow.spark.sessions.engines import is_sail
from lakewinnow.spark.sessions.object_stores import engine_path
from lakewinnow.typed_json import from_json, to_json

F = TypeVar("F")
_COMMITS = "_commits"


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
    files: Mapping[str, int]  # bytes by name, of what is no table


_FIELDS = {field.name for field in fields(Commit)}


class Lake:
    """The tables and records of one workspace.

    Parameters
    ----------
    spark : classic or Connect
    workspace : folder that both Spark and this process can reach
    """

    def __init__(
        self, spark: SparkSession, workspace: str, versions: Versions | None = None
    ) -> None:
        self.spark = spark
        self.files = Files(engine_path(spark, workspace))
        self.versions = versions or Versions(self.files)

    def within(self, folder: str) -> "Lake":
        """Return a workspace within this one, whose tables are committed with this one's."""
        versions = Versions(self.versions.files, f"{self.versions.within}{folder}/")
        return Lake(self.spark, self.files.path(folder), versions)

    def read(self, name: str) -> DataFrame:
        """Read a table of this workspace."""
        format_ = self._format_of(name)
        reader, paths = self.spark.read.format(format_), [name]
        if format_ == "parquet":
            own = self.files.listed(name)
            if (schema := self.files.spark_schema(name, own)) is not None:
                reader = reader.schema(schema)  # which Spark has a job of its own to find
            if (
                own is not None
                and not self.files.renames_folders
                and {*own} != self.files.data_files(name).keys()  # older ones are beside them
            ):
                paths = [f"{name}/{path}" for path in own]
        return reader.load([self.files.path(path) for path in paths])

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
        if format_ != self._format_of(name):
            self.drop(name)
        if format_ != "parquet":
            tables.overwrite(self.files, name, df, format_, partition_by, rows_per_file)
            return
        files, folder = self.versions.files, self.versions.begin(name)
        older = files.data_files(folder).keys()
        # _SUCCESS is for `versions` to write: the engine's would come too early
        writer = df.write.option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        writer = writer.option("maxRecordsPerFile", rows_per_file).mode("append")
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.parquet(files.path(folder))
        if is_sail(self.spark):
            if not files.data_files(folder).keys() - older:  # it writes no file then
                no_rows = self.spark.createDataFrame([], df.schema).toArrow()
                files.write_parquet(f"{folder}/{_file_name()}", no_rows)
            if rows_per_file:  # of which it knows nothing
                for path in files.data_files(folder).keys() - older:
                    files.split(f"{folder}/{path}", rows_per_file)
        self._put(name, folder, older, df.schema if partition_by else None)

    def publish_small(self, name: str, table: pa.Table) -> None:
        """Publish a table that this process has made, of a bounded size: one file, in its order."""
        files, folder = self.versions.files, self.versions.begin(name)
        older = files.data_files(folder).keys()
        files.write_parquet(f"{folder}/{_file_name()}", table)
        self._put(name, folder, older)

    def publish_json(self, name: str, content: object) -> None:
        """Publish a JSON file."""
        self.versions.put_record(name, as_json(content))

    def drop(self, name: str) -> None:
        """Delete a table or other files, if they are there."""
        self.versions.drop(name)

    def _put(
        self, name: str, folder: str, older: Collection[str], schema: StructType | None = None
    ) -> None:
        files = self.versions.files
        found = files.data_files(folder)
        if not found and not files.exists(folder):
            expected, got = "a folder that Spark and this process share", Shown(self.files.root)
            hint = "give a full URI, e.g. hdfs://… or s3a://…"
            raise EngineError("workspace_not_shared", "workspace", expected, got, hint)
        paths = {path: n for path, n in found.items() if path not in older}
        written = self._described(folder, paths, schema)
        self.versions.put(name, folder, written)

    def _described(
        self, folder: str, paths: Mapping[str, int], schema: StructType | None = None
    ) -> TableFiles:
        found = versions.describe(self.spark, self.versions.files, folder, paths)
        rows = sum(file.rows or 0 for file in found)
        columns = None if schema is None else schema.jsonValue()
        return TableFiles(rows=rows, files=found, schema=columns)

    def listing(self, names: Iterable[str]) -> dict[str, TableFiles]:
        """Return what tables consist of, as a manifest has it; of no table, none."""
        found = {name: self._listing(name) for name in sorted({*names})}
        return {name: table for name, table in found.items() if table is not None}

    def other_files(self, names: Iterable[str]) -> list[DataFile]:
        """Return what a manifest says of files that are no tables', of those that are there."""
        return [
            DataFile(path=name, bytes=self.files.size(name), sha256=self.files.sha256(name))
            for name in sorted(names)
            if self.files.is_file(name)
        ]

    def _listing(self, name: str) -> TableFiles | None:
        format_ = self._format_of(name)
        if format_ != "parquet":
            path = self.files.path(name)
            options = tables.version_of(path, format_, None, on_sail=is_sail(self.spark)).options
            rows = self.rows(name)
            return TableFiles(format=format_, rows=rows, files=[], version=dict(options))
        content = self.files.read_json(f"{name}/{LIST}")
        if content is not None:
            return from_json(TableFiles, content)
        paths = self.files.data_files(name)  # of an earlier version of the package
        return self._described(name, paths) if paths else None

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
        extents = {table: self._extent(table) for table in {*report.reads, *report.writes}}
        size = {table: n_bytes for table, (_, n_bytes) in extents.items()}
        written = [(name, extents[name][0]) for name in report.writes if not _is_a_file(name)]
        commit = Commit(
            name=name,
            fingerprint=fingerprint,
            seconds=round(seconds, 3),
            rows_in=report.rows_in,
            rows_out=report.rows_out,
            passes=max(report.reads.values(), default=0),
            bytes_read=report.bytes_in + sum(size[t] * n for t, n in report.reads.items()),
            bytes_written=sum(size[table] for table in report.writes),
            tables={name: self.rows(name) if n is None else n for name, n in written},
            figures={} if report.figures is None else to_json(report.figures),
            warnings=[masked_text(warning) for warning in report.warnings],
            id=uuid.uuid4().hex,
            needs=dict(needs),
            decided_by=dict(decided_by),
            files={name: size[name] for name in report.writes if _is_a_file(name)},
        )
        if report.is_complete:
            self.files.write_json(f"{_COMMITS}/{name}.json", asdict(commit))
        return commit

    def committed(self, name: str) -> Commit | None:
        """Return a stage's record if its tables and files are still there."""
        commit = self.record(name)
        return None if commit is None or self.lost(commit) else commit

    def record(self, name: str) -> Commit | None:
        """Return a stage's record, whatever has become of what it wrote."""
        record = self.files.read_json(f"{_COMMITS}/{name}.json")
        if record is None or not record.keys() >= _FIELDS:  # of an earlier version of the package
            return None
        return Commit(**{name: record[name] for name in _FIELDS})  # others: of a later version

    def lost(self, commit: Commit) -> list[str]:
        """Return those tables and files of a stage that are not there as they were written."""
        files = self.files
        return [name for name in commit.tables if not self._is_whole(name)] + [
            name
            for name, n_bytes in commit.files.items()
            if not files.is_file(name) or files.size(name) != n_bytes
        ]

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
        content = self.files.read_json(f"{name}/{LIST}")
        return self.files.count_rows(name) if content is None else int(content["rows"])

    def _extent(self, name: str) -> tuple[int | None, int]:
        """Rows by its list, and bytes of a table or another file, without older files beside it."""
        content = self.files.read_json(f"{name}/{LIST}")
        if content is None:
            return None, self.files.size(name)
        return int(content["rows"]), sum(int(file["bytes"]) for file in content["files"])

    def _is_whole(self, name: str) -> bool:
        """Whether all files of a table are there, of their sizes."""
        content = self.files.read_json(f"{name}/{LIST}")
        if content is None or self._format_of(name) != "parquet":
            return self.files.exists(name)
        listed = {file["path"]: file["bytes"] for file in content["files"]}
        return listed.items() <= self.files.data_files(name).items()

    def _format_of(self, name: str) -> str:
        return tables.format_of(self.files, name) if name in tables.OUTPUTS else "parquet"

    def is_ours(self) -> bool:
        """Whether an earlier run has used this workspace."""
        return self.files.exists(_COMMITS)


def _is_a_file(name: str) -> bool:
    """Tell a file's name from a table's, as a stage says what it writes."""
    return "." in name


def _file_name() -> str:
    return f"part-00000-{uuid.uuid4().hex}.parquet"
