"""How tables and paths are shown."""

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


def short_path(path: str) -> str:
    """Return a path from the current directory where it lies below it."""
    return path.removeprefix(f"{Path.cwd()}/")
