"""The worst label issues, on stdout: to be read by people, or as JSON or CSV."""

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.padding import Padding
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.errors import DataError
from lakewinnow.lake.files import Files
from lakewinnow.lake.redaction import PREVIEW_LENGTH, rewrites, rewritten
from lakewinnow.terminal.console import Console
from lakewinnow.text.spreadsheets import as_cell

Issue = Mapping[str, Any]

_COLUMNS: Final = (
    c.LABEL_RANK,
    c.LABEL_SCORE,
    c.GIVEN_LABEL,
    c.PREDICTED_LABEL,
    c.SUGGESTED_LABEL,
    c.DECISION,
    c.ROW_ID,
    c.TEXT_PREVIEW,
)


def print_top(config: Config, n: int, form: str | None, width: int | None) -> None:
    """Print the worst label issues, with their whole texts.

    Parameters
    ----------
    form : json, csv, or None for people
    width : of a line, where it is not the terminal's

    Raises
    ------
    DataError : the workspace has no issues/ yet
    """
    files = Files(config.workspace)
    if not files.exists("_commits/decide.json"):
        expected, hint = "a workspace with issues/", "run `lakewinnow run` first"
        raise DataError("no_issues", "workspace", expected, files.root, hint)
    rows = _with_whole_texts(files, config, worst_issues(files, n))
    if form == "json":
        sys.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    elif form == "csv":
        written = csv.DictWriter(sys.stdout, (*_COLUMNS[:-1], c.TEXT), lineterminator="\n")
        written.writeheader()
        written.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    else:
        _print(rows, Console(width=width))


def worst_issues(files: Files, n: int) -> list[dict[str, Any]]:
    """Read the `n` worst label issues of a workspace, with the beginnings of their texts."""
    return files.first_ranks("issues", list(_COLUMNS), c.LABEL_RANK, n)


def label_instead(issue: Issue) -> str:
    """Return the label that speaks against the given one."""
    is_given = issue[c.PREDICTED_LABEL] == issue[c.GIVEN_LABEL]  # flagged by the posterior
    return str(issue[c.SUGGESTED_LABEL if is_given else c.PREDICTED_LABEL])


def _with_whole_texts(files: Files, config: Config, issues: list[dict[str, Any]]) -> list[Issue]:
    cut = [row[c.ROW_ID] for row in issues if len(row[c.TEXT_PREVIEW]) >= PREVIEW_LENGTH]
    whole = files.texts("corpus", c.TEXT, c.ROW_ID, cut) if cut else {}
    functions = rewrites(config.clean, config.checks)
    whole = {row_id: rewritten(text, functions) for row_id, text in whole.items()}
    return [
        {**row, c.TEXT: whole.get(row[c.ROW_ID], preview)}
        for row in issues
        for preview in (row.pop(c.TEXT_PREVIEW),)
    ]


def _print(issues: Sequence[Issue], out: Console) -> None:
    if not issues:
        out.print("No label looks wrong.")
    for row in issues:
        labels = f"given {row[c.GIVEN_LABEL]}, rather {label_instead(row)}"
        rank, score = f"{row[c.LABEL_RANK]:>4}", f"score {row[c.LABEL_SCORE]:.4f}"
        out.print(Text.assemble(f"{rank}  ", (labels, "bold"), f"  ({score}, {row[c.DECISION]})"))
        out.print(Padding(Text(row[c.TEXT]), (0, 0, 1, 6)))
