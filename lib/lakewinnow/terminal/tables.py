"""How tables, times and paths are shown."""

import shlex
import shutil
import sys
from pathlib import Path

from rich.table import Table


def plain_table(title: str) -> Table:
    """Return a table without lines."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )


def program(name: str) -> str:
    """Return how to call a program of this environment from here."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(path):
        return name
    return shlex.quote(str(path).removeprefix(f"{Path.cwd()}/"))


def short_path(path: str) -> str:
    """Return a path from the current directory where it lies below it."""
    return path.removeprefix(f"{Path.cwd()}/")
