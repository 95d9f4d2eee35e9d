"""How a run goes, on stderr: live on a terminal, a line a stage elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pyspark.sql import SparkSession
from rich.live import Live
from rich.text import Text

from lakewinnow.lake.workspace import Commit
from lakewinnow.pipeline import Observer
from lakewinnow.plan.graph import Graph
from lakewinnow.plan.words import counted, duration
from lakewinnow.spark.sessions.engines import Engine, JobProgress, engine_of
from lakewinnow.terminal import interrupts
from lakewinnow.terminal.console import Console

_SECONDS_A_LINE: Final = 30


class Progress(Observer):
    """Follows a run as plain lines; nothing at all when quiet."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._running: str | None = None
        self._since = self._last_line = time.monotonic()
        self._jobs: JobProgress | None = None
        self._titles = {"session": "start"}

    def planned(self, graph: Graph) -> None:
        """Note what the stages are called."""
        self._titles |= {name: stage.title for name, stage in graph.stages.items()}

    def watch(self, spark: SparkSession) -> None:
        """Follow this session's jobs, so that a running stage can say how far it is."""
        self._jobs = JobProgress(spark)
        self._end_of_session(engine_of(spark))

    def started(self, name: str) -> None:
        """Note that a stage begins; none does after Ctrl-C."""
        interrupts.raise_again()
        self._running, self._since = name, time.monotonic()
        self._last_line = self._since

    def progressed(self, name: str, done: int, total: int, note: str) -> None:
        """Write how far a stage is that takes long, and at once what it says before it begins."""
        now = time.monotonic()
        is_due = now - self._last_line >= _SECONDS_A_LINE
        if done < total and (is_due or (not done and self._last_line == self._since)):
            self._last_line = now
            self._line(_round_line(self._titles[name], done, total, note, now - self._since))

    def finished(self, commit: Commit, *, resumed: bool) -> None:
        """Write a stage's line."""
        self._running = None
        self._line(_stage_line(commit, self._titles[commit.name], resumed=resumed))

    def warned(self, message: str) -> None:
        """Write a warning."""
        self._line(Text.assemble(("  warning  ", "yellow"), message))

    def _end_of_session(self, engine: Engine) -> None:
        if self._running == "session":
            seconds = time.monotonic() - self._since
            self._line(Text(f"✓ {f'start {engine}':<28}{seconds:>24.1f} s"))
            self._running = None

    def _line(self, text: Text) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True)


class LiveProgress(Progress):
    """Follows a run on a terminal: below the lines, the running stage and its time left."""

    _round: Text | None = None

    def started(self, name: str) -> None:
        """Note that a stage begins."""
        super().started(name)
        self._round = None

    def progressed(self, name: str, done: int, total: int, note: str) -> None:
        """Note how far the running stage is."""
        self._round = _round_line(
            self._titles[name], done, total, note, time.monotonic() - self._since
        )

    def __rich__(self) -> Text:
        """Draw the running stage; called a few times a second."""
        if self._running is None:
            return Text("")
        if self._round is not None:
            return Text.assemble("▸", self._round[1:], style="bold")
        seconds = time.monotonic() - self._since
        share = self._jobs.share() if self._jobs else None
        done = f"{share:>11.0%} " if share is not None else " " * 12
        left = f"  {seconds * (1 - share) / share:.0f} s left" if share and seconds > 3 else ""
        title = self._titles[self._running]
        return Text(f"▸ {title:<16}{done}{seconds:>24.1f} s{left}", style="bold")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Follow a run on stderr: live on a terminal, a line a stage elsewhere."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield Progress(console, quiet=quiet)
        return
    live = LiveProgress(console, quiet=False)
    with Live(live, console=console, refresh_per_second=4, transient=True, redirect_stdout=False):
        yield live


def _round_line(title: str, done: int, total: int, note: str, seconds: float) -> Text:
    rate = done / max(seconds, 1e-9)
    left = f", {duration((total - done) / rate)} left" if done else ""
    fast = f", {rate:,.0f}/s" if rate >= 1 else ""
    used = f", {note}" if note else ""
    return Text(f"  {title:<16}{done:,} of {total:,}{fast}{used}{left}")


def _stage_line(commit: Commit, title: str, *, resumed: bool) -> Text:
    rows = f"{commit.rows_in:>12,} rows"
    if resumed:
        return Text(f"✓ {title:<16}{rows}  done by an earlier run", style="dim")
    rate = f"{commit.rows_in / commit.seconds:>9,.0f} rows/s" if commit.seconds else ""
    n_new = commit.figures.get("embedded")
    new = "" if n_new is None else f"  {counted(n_new, 'new text')}"
    return Text(f"✓ {title:<16}{rows}{rate}{commit.seconds:>8.1f} s{new}")
