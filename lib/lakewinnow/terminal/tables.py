"""How tables and paths are shown."""

from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


class PlainTable(Table):
    """A table without lines, below a title that may be wider than it is."""

    def __init__(self, heading: str = "", **options: Any) -> None:
        super().__init__(box=None, padding=(0, 2, 0, 0), caption_justify="left", **options)
        self.heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print the title and then the table."""
        if self.heading:
            yield Text(self.heading, style="bold")
        yield from super().__rich_console__(console, options)


def short_path(path: str) -> str:
    """Return a path from the current directory where it lies below it."""
    return path.removeprefix(f"{Path.cwd()}/")
