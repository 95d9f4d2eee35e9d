"""Which format a file has."""

import re
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

_ENDINGS: Final = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
_COMPRESSED: Final = re.compile(r"\.(gz|bz2|zst|snappy|lz4|zip)$")


def format_of(path: str) -> str | None:
    """Return the file format that a path's ending names; None where it names none."""
    return _ENDINGS.get(_ending(path))


def has_tabs(path: str) -> bool:
    """Whether a path's ending says that tabs separate the values."""
    return _ending(path) in (".tsv", ".tab")


def _ending(path: str) -> str:
    return PurePosixPath(_COMPRESSED.sub("", path.rstrip("/").lower())).suffix


def is_point_in_time(text: str) -> bool:
    """Whether a text is a date or a time, in ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
