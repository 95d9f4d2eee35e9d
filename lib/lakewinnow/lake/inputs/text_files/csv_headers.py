"""The names of columns of CSV files: the same ones, in the same order, in every file.

Rows are read by position, so that a file with another header would have its values, and labels
among them, in the wrong columns.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from textwrap import shorten
from typing import Final

from lakewinnow.errors import SchemaError, Shown
from lakewinnow.lake.inputs.text_files import csv_blocks
from lakewinnow.lake.inputs.text_files.csv_dialect import CsvDialect
from lakewinnow.lake.inputs.text_files.csv_records import Tokens
from lakewinnow.lake.inputs.text_files.listing import InputFile

BY_POSITION: Final = "enforceschema"  # Spark's option: true says that headers do not count
_OPEN_AT_ONCE: Final = 16
_SHOWN_LENGTH: Final = 120


def common_header(
    files: Sequence[InputFile], dialect: CsvDialect, options: Mapping[str, str]
) -> Tokens | None:
    """Return the first record of the largest file that has one, whose header Spark takes.

    Parameters
    ----------
    options : of Spark's reader

    Raises
    ------
    SchemaError : "headers_differ"
    """
    largest_first = sorted(files, key=lambda file: (-file.size, file.uri))
    first_record = partial(_first_record, dialect=dialect)
    if not dialect.header or BY_POSITION in map(str.lower, options):
        return next(filter(None, map(first_record, largest_first)), None)
    with ThreadPoolExecutor(_OPEN_AT_ONCE) as pool:
        records = pool.map(first_record, largest_first)
        found = [(of, header) for of, header in zip(largest_first, records, strict=True) if header]
    for file, header in found[1:]:
        if _folded(header) != _folded(found[0][1]):
            raise _differ(found[0], (file, header))
    return found[0][1] if found else None


def _first_record(file: InputFile, dialect: CsvDialect) -> Tokens | None:
    return csv_blocks.first_record(file.text(dialect.encoding), dialect)


def _folded(header: Tokens) -> list[str]:
    return [name.lower() for name in header]


def _differ(*found: tuple[InputFile, Tokens]) -> SchemaError:
    headers = (f"{file.uri}: {shorten(', '.join(header), _SHOWN_LENGTH)}" for file, header in found)
    return SchemaError(
        "headers_differ",
        "input.path",
        "the same columns in the same order in every file",
        Shown("; ".join(headers)),
        "give all files one header; if only names differ, options: {enforceSchema: true} reads"
        " all rows by position",
    )
