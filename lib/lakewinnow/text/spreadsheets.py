"""What a spreadsheet would make of a cell of a CSV file."""

import re
from typing import Any, Final

_FORMULA: Final = re.compile(r"[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def as_cell(value: Any) -> Any:
    """Put an apostrophe before what a spreadsheet would take for a formula; a number is none."""
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value
