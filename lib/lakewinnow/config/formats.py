"""Which format a file has."""

import re
from datetime import datetime

from lakewinnow.config.sections import InputConfig


def format_of(path: str) -> str | None:
    """Return the file format that a path's ending names; None where it names none."""
    endings = {
        ".parquet": "parquet",
        ".csv": "csv",
        ".jsonl": "json",
        ".json": "json",
        ".ndjson": "json",
    }
    name = re.sub(r"\.(gz|bz2|zst|snappy|lz4)$", "", path.rstrip("/").lower())
    return next((fmt for ending, fmt in endings.items() if name.endswith(ending)), None)


def is_point_in_time(text: str) -> bool:
    """Whether a text is a date or a time, in ISO 8601."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def input_format(config: InputConfig) -> str:
    """Return the format to read the input with: as configured, else by the path's ending."""
    if config.table is not None:
        return "table"
    return config.format or format_of(config.path or "") or "parquet"
