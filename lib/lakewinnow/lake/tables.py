"""Delta and Iceberg tables by path: which version there is, and one written over another.

The engine reads and writes the tables. Their logs are read here, by pyarrow, for what a run must
know without asking an engine: which version it reads, so that all its passes read the same one and
a later commit is noticed.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pyspark.sql import DataFrame, DataFrameWriter

from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.spark.sessions.engines import is_sail

OUTPUTS: Final = ("clean", "review", "dropped")  # what may be in such a format

_DELTA_LOG: Final = "_delta_log"
_DELTA_COMMIT: Final = re.compile(r"^(\d{20})\.(json|checkpoint\..*)$")
_ICEBERG_LOG: Final = "metadata"
_ICEBERG_METADATA: Final = re.compile(r"^(?:v(\d+)|(\d+)-.*?)(?:\.gz)?\.metadata\.json(?:\.gz)?$")


@dataclass(frozen=True)
class TableVersion:
    """A version of a table: what it is known by, and how an engine is asked for it."""

    fingerprint: str
    options: Mapping[str, str]
    path: str  # below the table's folder; empty: the folder itself


def format_of(files: Files, name: str) -> str:
    """Return the format of a published table."""
    if files.entries(f"{name}/{_DELTA_LOG}"):
        return "delta"
    return "iceberg" if files.entries(f"{name}/{_ICEBERG_LOG}") else "parquet"


def whole(writer: DataFrameWriter) -> DataFrameWriter:
    """Have a writer replace all of a table, even where the session replaces partitions alone."""
    return writer.mode("overwrite").option("partitionOverwriteMode", "static")


def overwrite(
    files: Files, name: str, df: DataFrame, format_: str, partition_by: Sequence[str], rows: int
) -> None:
    """Write a table over what is there: in one transaction where that is of the same format.

    Parameters
    ----------
    rows : of a file, at most
    """
    is_new = format_of(files, name) != format_
    if is_new:
        files.delete(name)
    # Spark's Iceberg replaces the rows of a table that is there, and creates one that is not.
    creates = is_new and format_ == "iceberg" and not is_sail(df.sparkSession)
    writer = whole(df.write.format(format_))
    if creates:
        writer = writer.mode("errorifexists")
    writer = writer.option("overwriteSchema", "true").option("maxRecordsPerFile", rows)
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    writer.save(files.path(name))


def version_of(path: str, format_: str, asked: int | str | None, *, on_sail: bool) -> TableVersion:
    """Find the version of a table that is asked for: the newest, one by number or id, or by time.

    Parameters
    ----------
    asked : int or str, optional
        Delta's version number, Iceberg's snapshot id, or a point in time in ISO 8601, UTC unless it
        says otherwise.

    Raises
    ------
    DataError : at "input.path", "input_not_found"; at "input.version", "version_not_found"
    """
    files = Files(path)
    find: Mapping[str, Callable[[Files, int | str | None, bool], TableVersion | None]] = {
        "delta": _delta_version,
        "iceberg": _iceberg_version,
    }
    found = find[format_](files, asked, on_sail)
    if found is None:
        got = Shown(f"{path} ({'no log of one' if files.exists() else 'which is not there'})")
        expected = f"the folder of {'an Iceberg' if format_ == 'iceberg' else 'a Delta'} table"
        raise DataError("input_not_found", "input.path", expected, got)
    return found


def _delta_version(files: Files, asked: int | str | None, _: bool) -> TableVersion | None:  # noqa: FBT001
    names = [entry.base_name for entry in files.entries(_DELTA_LOG)]
    versions = sorted({int(found[1]) for found in map(_DELTA_COMMIT.match, names) if found})
    if not versions:
        return None
    if isinstance(asked, int):
        if asked not in versions:
            raise _no_version(asked, f"one of the table's, {versions[0]} to {versions[-1]}")
        return TableVersion(_delta_fingerprint(files, asked), {"versionAsOf": str(asked)}, "")
    newest = _delta_fingerprint(files, versions[-1])
    if asked is None:
        return TableVersion(newest, {"versionAsOf": str(versions[-1])}, "")
    time = _time(asked).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    # The engine finds the version of that time, which may be yet to come: so the newest counts too.
    return TableVersion(_digest(newest, time), {"timestampAsOf": time}, "")


def _delta_fingerprint(files: Files, version: int) -> str:
    """Hash what a commit says: names of files that no other commit has written."""
    commit = files.read_bytes(f"{_DELTA_LOG}/{version:020}.json") or b""
    return _digest("delta", str(version), hashlib.sha256(commit).hexdigest())


def _iceberg_version(files: Files, asked: int | str | None, on_sail: bool) -> TableVersion | None:  # noqa: FBT001
    metadata_file = _iceberg_metadata_file(files)
    if metadata_file is None:
        return None
    content = files.read_bytes(metadata_file) or b""
    metadata = json.loads(gzip.decompress(content) if ".gz" in metadata_file else content)
    snapshot = _iceberg_snapshot(metadata, asked)
    # Spark finds the newest of a catalog's metadata files only where it is named.
    is_of_catalog = not metadata_file.startswith(f"{_ICEBERG_LOG}/v")
    path = metadata_file if is_of_catalog and not on_sail else ""
    named = (str(metadata.get(key)) for key in ("table-uuid", "current-schema-id"))
    if snapshot is None:  # a table that nothing was ever written to
        return TableVersion(_digest("iceberg", *named), {}, path)
    snapshot_id = str(snapshot["snapshot-id"])
    # A snapshot is read with the columns it was written with: of the newest one that is asked for
    # by nothing else, a table's present columns are wanted.
    is_older = snapshot.get("schema-id") != metadata.get("current-schema-id")
    options = {} if asked is None and is_older else {"snapshot-id": snapshot_id}
    return TableVersion(_digest("iceberg", *named, snapshot_id), options, path)


def _iceberg_metadata_file(files: Files) -> str | None:
    """Return the newest metadata file; a hint, where there is one, says which that is."""
    names = {
        entry.base_name: (int(found[1] or found[2]), entry.mtime_ns or 0, entry.base_name)
        for entry in files.entries(_ICEBERG_LOG)
        if (found := _ICEBERG_METADATA.match(entry.base_name))
    }
    if not names:
        return None
    hint = (files.read_bytes(f"{_ICEBERG_LOG}/version-hint.text") or b"").decode().strip()
    hinted = [
        name
        for name, (number, *_) in names.items()
        if hint and hint in (str(number), name, name.partition(".metadata.json")[0])
    ]
    return f"{_ICEBERG_LOG}/{max(hinted or names, key=names.__getitem__)}"


def _iceberg_snapshot(
    metadata: Mapping[str, Any], asked: int | str | None
) -> Mapping[str, Any] | None:
    snapshots = {snapshot["snapshot-id"]: snapshot for snapshot in metadata.get("snapshots") or ()}
    if asked is None:
        current: Mapping[str, Any] | None = snapshots.get(metadata.get("current-snapshot-id"))
        return current
    if isinstance(asked, int):
        if asked not in snapshots:
            ids = ", ".join(map(str, list(snapshots)[-5:])) or "none"
            raise _no_version(asked, f"the id of one of the table's snapshots (newest: {ids})")
        found: Mapping[str, Any] = snapshots[asked]
        return found
    limit = _time(asked).timestamp() * 1000
    log = metadata.get("snapshot-log") or ()
    before = [entry["snapshot-id"] for entry in log if entry["timestamp-ms"] <= limit]
    if not before or before[-1] not in snapshots:
        raise _no_version(asked, "a time for which the table still has a snapshot")
    last: Mapping[str, Any] = snapshots[before[-1]]
    return last


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _no_version(asked: int | str, expected: str) -> DataError:
    return DataError("version_not_found", "input.version", expected, asked)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
