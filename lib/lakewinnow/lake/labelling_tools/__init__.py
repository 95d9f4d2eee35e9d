"""Files of tools for labelling: what they import of ask/, and what they export once it is answered.

Each tool is a module with two functions, `files` and `answers`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.labelling_tools import label_studio

TOOLS: Final = {"label-studio": label_studio}


class Answer(NamedTuple):
    """What somebody says of a row; None: the tool has no such value there, or several."""

    row_id: str | None
    annotator: str | None
    label: str | None


def answers(tool: str, content: bytes, where: str, row: str, question: str) -> Iterator[Answer]:
    """Yield the answers in a file that a tool has exported.

    Parameters
    ----------
    where : the key to name in an error
    row : the name under which the tool has the row id
    question : what the tool calls the question for the label

    Raises
    ------
    DataError : "not_an_export"
    """
    try:
        found: Any = TOOLS[tool].answers(json.loads(content), row, question)
        yield from (Answer(*map(_as_text, said)) for said in found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected, hint = TOOLS[tool].EXPORT, TOOLS[tool].HINT
        raise DataError("not_an_export", where, expected, _what(error), hint) from error


def _what(error: Exception) -> Shown:
    if isinstance(error, KeyError):
        return Shown(f"an entry without {error}")
    return Shown(f"no JSON ({error})" if isinstance(error, ValueError) else "another structure")


def _as_text(value: object) -> str | None:
    """Return a value as text, null where it is blank, as in a table of annotations."""
    return None if value is None or not str(value).strip() else str(value)
