"""The console that all prints to: what comes of users' tables cannot move its cursor."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from lakewinnow.printable import printable


class Console(RichConsole):
    """Rich's console, in whose texts control sequences are escapes; its own colours stay."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"highlight": False, **how})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as Rich does."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
