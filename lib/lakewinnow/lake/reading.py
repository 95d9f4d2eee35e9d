"""What the manifest of a workspace lists: read, or checked, whatever a run is doing meanwhile."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from lakewinnow.errors import DataError, Shown, did_you_mean
from lakewinnow.figures.manifest import DataFile, TableFiles
from lakewinnow.lake import tables
from lakewinnow.lake.files import Files
from lakewinnow.lake.versions import MANIFEST, SUCCESS, Versions
from lakewinnow.spark.sessions.object_stores import engine_path
from lakewinnow.spark.sessions.session import session
from lakewinnow.typed_json import from_json

Form = Literal["arrow", "pandas", "spark"]
Groups = Mapping[tuple[tuple[str, str | None], ...], Sequence[str]]

_TRIES: Final = 5  # while a run puts files elsewhere
_AT_ONCE: Final = 8  # files that are checked
_NULL: Final = "__HIVE_DEFAULT_PARTITION__"  # in the name of a folder


def read(
    workspace: str | Path,
    table: str = "clean",
    spark: SparkSession | None = None,
    *,
    to: Form | None = None,
    version: int | None = None,
) -> Any:
    """Read a table as the last finished run left it, also while another run is at work.

    Parameters
    ----------
    table : its folder in the workspace: clean, review, issues, checks/outliers, …
    spark : whose DataFrame is wanted; default: the session that is there, where one is needed
    to : arrow (default without `spark`), pandas or spark
    version : an earlier one, which `output.keep_versions` has kept

    Returns
    -------
    a table of pyarrow or a DataFrame. One of Spark's names the files when it is made: those of a
    run that is no more when it is computed are missing then, which is an error.

    Raises
    ------
    DataError : "no_run", "no_version", "no_table", "not_whole"

    Examples
    --------
    >>> import lakewinnow
    >>> lakewinnow.read("out/tickets", "clean", to="pandas")  # doctest: +SKIP
    """
    to = to or ("arrow" if spark is None else "spark")
    run = FinishedRun(workspace, version)
    while True:
        try:
            return run.read(table, to, spark)
        except DataError:  # the next run may be finished by now, and the files of this one gone
            newer = FinishedRun(workspace, version)
            if newer.manifest == run.manifest:
                raise
            run = newer


class FinishedRun:
    """The last finished run of a workspace, or an earlier one that was kept.

    Raises
    ------
    DataError : "no_run", "no_version"
    """

    def __init__(self, workspace: str | Path, version: int | None = None) -> None:
        self.files = Files(str(workspace))
        self._versions = Versions(self.files)
        known = self._versions.manifests()
        if not known or "tables" not in known[0]:
            hint = "finish it first with `lakewinnow run`"
            raise DataError("no_run", "workspace", "a finished run", Shown(self.files.root), hint)
        found = [of for of in known if version in (None, of["version"])]
        if not found:
            numbers = ", ".join(str(of.get("version", 0)) for of in known)
            hint = "output.keep_versions says how many earlier ones stay"
            expected = f"one that is kept ({numbers})"
            raise DataError("no_version", "version", expected, version, hint)
        self.manifest: Mapping[str, Any] = found[0]
        tables = self.manifest["tables"].items()
        self.tables = {name: from_json(TableFiles, of) for name, of in tables}
        self.others = [from_json(DataFile, of) for of in self.manifest["files"]]

    def read(self, table: str, to: Form, spark: SparkSession | None = None) -> Any:
        """Read a table; see the function of this name."""
        if table not in self.tables:
            expected = f"a table of {self.files.root} ({', '.join(self.tables)})"
            hint = did_you_mean(table, list(self.tables))
            raise DataError("no_table", "table", expected, table, hint)
        listed, tries = self.tables[table], _TRIES
        if listed.format != "parquet":
            frame = _by_its_log(spark or session(), self.files.path(table), listed)
            return {"spark": lambda: frame, "arrow": frame.toArrow, "pandas": frame.toPandas}[to]()
        while True:
            try:
                groups = self._find(table)
                if to == "spark":
                    return _frame(spark or session(), self.files, groups, listed)
                rows = _arrow(self.files, groups, listed)
                return rows if to == "arrow" else rows.to_pandas()
            except FileNotFoundError as error:  # a run may just have put it elsewhere
                tries -= 1
                if not tries:
                    raise self._not_whole(f"{table}/", error) from error

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run's, such as noise_model.json."""
        listed = next(of for of in self.others if of.path == name)
        place = self._versions.find_record(listed)
        if place is None:
            raise self._not_whole(name, FileNotFoundError(name))
        return self.files.read_json(place)

    def _find(self, table: str) -> Groups:
        found = self._versions.find(table, self.tables[table].files)
        missing = [path for path, place in found.items() if place is None]
        if missing:
            raise FileNotFoundError(f"{table}/{missing[0]}")
        return _by_folder(found)

    def _not_whole(self, name: str, error: FileNotFoundError) -> DataError:
        expected = f"what {MANIFEST} lists of {name}"
        hint = (
            "`lakewinnow verify` checks all; read again if a run is at work, which may have"
            " replaced it, or run again to have it made"
        )
        got = Shown(f"{self.files.root} without some of it ({error})")
        return DataError("not_whole", "workspace", expected, got, hint)


def _by_folder(found: Mapping[str, str | None]) -> Groups:
    """Group the places of files by the values that the names of their folders say."""
    groups: dict[tuple[tuple[str, str | None], ...], list[str]] = defaultdict(list)
    for path, place in found.items():
        named = (folder.partition("=") for folder in path.split("/")[:-1])
        values = ((unquote(name), None if of == _NULL else unquote(of)) for name, _, of in named)
        groups[tuple(values)].append(place or path)
    return groups


def _arrow(files: Files, groups: Groups, listed: TableFiles) -> pa.Table:
    parts = [
        reduce(
            lambda rows, of: rows.append_column(of[0], pa.array([of[1]] * len(rows), pa.string())),
            values,
            files.read_parquet(paths),
        )
        for values, paths in groups.items()
    ]
    rows = pa.concat_tables(parts)
    if listed.schema is None:
        return rows
    schema = to_arrow_schema(StructType.fromJson(listed.schema))
    values = {name for values in groups for name, _ in values}
    columns = [
        rows[name].cast(schema.field(name).type) if name in values else rows[name]
        for name in schema.names
    ]
    return pa.table(columns, schema.names)


def _frame(spark: SparkSession, files: Files, groups: Groups, listed: TableFiles) -> DataFrame:
    schema = None if listed.schema is None else StructType.fromJson(listed.schema)
    parts = []
    for values, paths in groups.items():
        rows = spark.read.parquet(*(engine_path(spark, files.path(path)) for path in paths))
        if schema is not None:
            added = {name: F.lit(of).cast(schema[name].dataType) for name, of in values}
            rows = rows.withColumns(added).select(*schema.names)
        parts.append(rows)
    return reduce(DataFrame.unionAll, parts)


def _by_its_log(spark: SparkSession, path: str, listed: TableFiles) -> DataFrame:
    reader = spark.read.format(listed.format).options(**listed.version or {})
    return reader.load(engine_path(spark, path))


# --- to verify ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file."""

    path: str  # in the workspace
    problem: str


@dataclass(frozen=True)
class Verified:
    """What was checked, and what is wrong."""

    workspace: str
    version: int
    tables: int
    files: int
    bytes: int
    faults: list[Fault]


def verify(workspace: str | Path, version: int | None = None) -> Verified:
    """Check every file that the manifest lists: that it is there, its bytes and its checksum.

    Raises
    ------
    DataError : "no_run", "no_version"
    """
    run = FinishedRun(workspace, version)
    files, versions = run.files, Versions(run.files)
    checks = [partial(_fault_of_record, files, of) for of in run.others]
    for name, table in run.tables.items():
        found = versions.find(name, table.files)
        checks += [partial(_fault, files, name, of, found[of.path]) for of in table.files]
        if table.format != "parquet":
            checks.append(partial(_fault_of_log, files, name, table))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        faults = [fault for fault in pool.map(lambda check: check(), checks) if fault]
    every = [*run.others, *(file for table in run.tables.values() for file in table.files)]
    return Verified(
        workspace=files.root,
        version=run.manifest["version"],
        tables=len(run.tables),
        files=len(every),
        bytes=sum(file.bytes for file in every),
        faults=sorted([*faults, *_strangers(files, run.tables)], key=lambda fault: fault.path),
    )


def _fault(files: Files, table: str, file: DataFile, place: str | None) -> Fault | None:
    path = f"{table}/{file.path}"
    if place is not None:
        return None if files.sha256(place) == file.sha256 else Fault(path, "has other content")
    if files.is_file(path):
        return Fault(path, f"has {files.size(path):,} bytes, not {file.bytes:,}")
    return Fault(path, "is missing")


def _fault_of_record(files: Files, record: DataFile) -> Fault | None:
    if Versions(files).find_record(record) is not None:
        return None
    problem = "has other content" if files.is_file(record.path) else "is missing"
    return Fault(record.path, problem)


def _fault_of_log(files: Files, name: str, table: TableFiles) -> Fault | None:
    asked = next(iter((table.version or {}).values()), None)
    number = None if asked is None else int(asked)
    try:
        tables.version_of(files.path(name), table.format, number, on_sail=False)
    except DataError as error:
        return Fault(name, f"is no longer {table.format}'s: {error}")
    return None


def _strangers(files: Files, listed: Mapping[str, TableFiles]) -> Iterator[Fault]:
    """Give the files that lie in the folder of a whole table, and which no list names."""
    for name, table in listed.items():
        if table.format == "parquet" and files.is_file(f"{name}/{SUCCESS}"):
            known = {file.path for file in table.files} | {*(files.listed(name) or ())}
            for path in files.data_files(name).keys() - known:
                yield Fault(f"{name}/{path}", "is not the run's: who reads the folder reads it")
