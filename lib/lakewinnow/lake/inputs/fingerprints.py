"""What identifies the present content of an input, so that no stale answer is taken up again.

Of files it is their names, sizes, times and, in object stores, tags; of Delta and Iceberg tables a
version; of views, and of what only an engine can look at, a hash of the rows.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakewinnow.errors import LakewinnowError
from lakewinnow.lake import tables
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.text_files.listing import InputFile
from lakewinnow.spark.portable import json_text
from lakewinnow.spark.sessions import engines

_ASK_AT_ONCE: Final = 16
_LOGS: Final = {"_delta_log": "delta", "metadata": "iceberg"}  # folders in a table's
_MOST_FOLDERS: Final = 6  # of partitions, and Iceberg's data/, between a file and its table


def of_files(files: Sequence[InputFile], format_: str) -> tuple[int, str]:
    """Return the bytes of files, and a hash of what their file system says of them."""
    digest = hashlib.sha256(format_.encode())
    with ThreadPoolExecutor(_ASK_AT_ONCE) as pool:
        for file, tag in zip(files, pool.map(_tag, files), strict=True):
            digest.update(f"{file.uri}{file.size} {file.mtime_ns}{tag}".encode())
    return sum(file.size for file in files), digest.hexdigest()


def _tag(file: InputFile) -> str:
    return Files(file.folder).tag(file.name)


def of_table(spark: SparkSession, name: str, df: DataFrame) -> tuple[int, str]:
    """Return the bytes of a table of the catalog, 0 where they are not known, and a hash."""
    uris = sorted(df.inputFiles())
    if uris and not _is_view(spark, name):
        files = list(map(InputFile.at, uris))
        version = _version(files[0], on_sail=engines.is_sail(spark))
        found = None if version is not None else _looked_up(files)
        if version is not None:
            return 0, version
        if found is not None:
            n_bytes, hashed = of_files(found, "table")
            return n_bytes, _digest(hashed, df.schema.json())
    return 0, of_rows(df)


def of_rows(df: DataFrame) -> str:
    """Return a hash of all rows, whatever their order: a pass over them."""
    values = {name: (F.col(f"`{name}`"), df.schema[name].dataType) for name in df.columns}
    hashed = F.xxhash64(json_text.json_of(values))
    total = F.sum(hashed.cast("decimal(38, 0)")).cast("string")
    [found] = df.select(F.count("*"), total, F.bit_xor(hashed)).collect()
    return _digest(df.schema.json(), *map(str, found))


def _is_view(spark: SparkSession, name: str) -> bool:
    """Whether a name is a view's; so is any of which the catalog does not say."""
    try:
        kind = spark.catalog.getTable(name).tableType
    except engines.errors:
        return True
    return kind not in ("MANAGED", "EXTERNAL")


def _version(file: InputFile, *, on_sail: bool) -> str | None:
    """Return the version of the Delta or Iceberg table that a file is of; None of another."""
    folder = file.folder
    try:
        for _ in range(_MOST_FOLDERS):
            names = {entry.base_name for entry in Files(folder).entries()}
            for log, format_ in _LOGS.items():
                if log in names:
                    return tables.version_of(folder, format_, None, on_sail=on_sail).fingerprint
            folder = folder.rpartition("/")[0]
            if not folder or folder.endswith((":", "/")):
                return None
    except (LakewinnowError, OSError):
        return None
    return None


def _looked_up(files: Sequence[InputFile]) -> list[InputFile] | None:
    """Return files with their sizes and times; None where they cannot be looked at."""
    try:
        infos = [Files(file.folder).info(file.name) for file in files]
    except (LakewinnowError, OSError):
        return None
    if not all(info.is_file for info in infos):
        return None
    return [
        InputFile(file.folder, file.name, info.size, mtime_ns=info.mtime_ns)
        for file, info in zip(files, infos, strict=True)
    ]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
