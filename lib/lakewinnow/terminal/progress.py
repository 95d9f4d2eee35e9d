"""What a person at a terminal sees: progress on stderr, the result on stdout."""

import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.errors import DataError
from lakewinnow.lake.files import Files
from lakewinnow.lake.workspace import Commit
from lakewinnow.pipeline import RunResult
from lakewinnow.spark.progress import JobProgress

_TITLES: Final = {
    "session": "start Spark",
    "ingest": "ingest",
    "own_vectors": "own vectors",
    "embed": "embed",
    "crossval": "cross-validate",
    "own_probs": "probabilities",
    "noise": "noise model",
    "label_issues": "label issues",
    "duplicates": "duplicates",
    "decide": "decide",
    "publish": "publish",
    "evaluate": "evaluate",
}
_WORST: Final = 5


class Progress:
    """Follows a run as plain lines; nothing at all when quiet."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._running: str | None = None
        self._since = time.monotonic()
        self._jobs: JobProgress | None = None

    def watch(self, spark: SparkSession) -> None:
        """Follow this session's jobs, so that a running stage can say how far it is."""
        self._jobs = JobProgress(spark)
        self._end_of_session()

    def started(self, name: str) -> None:
        """Note that a stage begins."""
        self._running, self._since = name, time.monotonic()

    def finished(self, commit: Commit, *, resumed: bool) -> None:
        """Write a stage's line."""
        self._running = None
        self._line(_stage_line(commit, resumed=resumed))

    def warned(self, message: str) -> None:
        """Write a warning."""
        self._line(Text.assemble(("  warning  ", "yellow"), message))

    def _end_of_session(self) -> None:
        if self._running == "session":
            seconds = time.monotonic() - self._since
            self._line(Text(f"  {_TITLES['session']:<16}{'':>12}{seconds:>24.1f} s"))
            self._running = None

    def _line(self, text: Text) -> None:
        if not self._quiet:
            self._console.print(text, soft_wrap=True)


class LiveProgress(Progress):
    """Follows a run on a terminal: below the lines, the running stage and its time left."""

    def __rich__(self) -> Text:
        """Draw the running stage; called a few times a second."""
        if self._running is None:
            return Text("")
        seconds = time.monotonic() - self._since
        share = self._jobs.share() if self._jobs else None
        done = f"{share:>11.0%} " if share is not None else " " * 12
        left = f"  {seconds * (1 - share) / share:.0f} s left" if share and seconds > 3 else ""
        title = _TITLES.get(self._running, self._running)
        return Text(f"▸ {title:<16}{done}{seconds:>24.1f} s{left}", style="bold")


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Follow a run on stderr: live on a terminal, a line a stage elsewhere."""
    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield Progress(console, quiet=quiet)
        return
    live = LiveProgress(console, quiet=False)
    with Live(live, console=console, refresh_per_second=4, transient=True, redirect_stdout=False):
        yield live


def _stage_line(commit: Commit, *, resumed: bool) -> Text:
    title = _TITLES.get(commit.name, commit.name)
    rows = f"{commit.rows_in:>12,} rows"
    if resumed:
        return Text(f"✓ {title:<16}{rows}  done by an earlier run", style="dim")
    rate = f"{commit.rows_in / commit.seconds:>9,.0f} rows/s" if commit.seconds else ""
    new = f"  {commit.details['embedded']:,} new texts" if "embedded" in commit.details else ""
    return Text(f"✓ {title:<16}{rows}{rate}{commit.seconds:>8.1f} s{new}")


# --- the result ---------------------------------------------------------------------------------


def print_summary(result: RunResult, configs: Sequence[str], overrides: Sequence[str]) -> None:
    """Print where the rows went, what is wrong with the labels, and what to do next."""
    out = Console(highlight=False)
    worst = _worst(Files(result.workspace), _WORST)
    out.print()
    out.print(_rows_table(result))
    out.print()
    out.print(_classes_table(result.summary["label_issues"]))
    out.print()
    if worst:
        out.print(_issues_table(worst, f"The {len(worst)} worst", out.width))
        out.print()
    for line in _figures(result.summary):
        out.print(line, soft_wrap=True)
    out.print()
    again = shlex.join([*configs, *(part for o in overrides for part in ("--set", o))])
    clean = _path(result, "clean")
    out.print("Next", style="bold")
    out.print(f"  {_program('lakewinnow')} top {again} -n 20", soft_wrap=True)
    read = f"import pandas; print(pandas.read_parquet({clean!r}))"
    out.print(f'  {_program("python")} -c "{read}"', soft_wrap=True)


def _program(name: str) -> str:
    """Return how to call a program of this environment from here."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(path):
        return name
    return shlex.quote(str(path).removeprefix(f"{Path.cwd()}/"))


def print_top(workspace: str, n: int) -> None:
    """Print the worst label issues.

    Raises
    ------
    DataError
        The workspace has no issues/ yet.
    """
    files = Files(workspace)
    if not files.exists("_commits/decide.json"):
        raise DataError(
            "no_issues",
            "workspace",
            "a workspace with issues/",
            files.root,
            "`lakewinnow run` it first",
        )
    out = Console(highlight=False)
    worst = _worst(files, n)
    if not worst:
        out.print("No label issues.")
        return
    out.print(_issues_table(worst, f"The {len(worst)} worst label issues", out.width))


def _worst(files: Files, n: int) -> list[dict[str, Any]]:
    names = [
        c.LABEL_RANK,
        c.LABEL_SCORE,
        c.GIVEN_LABEL,
        c.PREDICTED_LABEL,
        c.TEXT_PREVIEW,
        c.DECISION,
        c.ROW_ID,
    ]
    return files.first_ranks("issues", names, c.LABEL_RANK, n)


def _issues_table(rows: Sequence[Mapping[str, Any]], title: str, width: int) -> Table:
    table = _table(title)
    for name in ("rank", "score"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    label_width = max(12, width // 5)
    for name in ("given", "predicted"):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=label_width)
    text_width = max(24, width - 2 * label_width - 22)
    table.add_column("text", overflow="ellipsis", no_wrap=True, max_width=text_width)
    for row in rows:
        text = " ".join(row[c.TEXT_PREVIEW].split())
        cells = (row[c.GIVEN_LABEL], row[c.PREDICTED_LABEL], text)
        score = f"{row[c.LABEL_SCORE]:.4f}"
        table.add_row(str(row[c.LABEL_RANK]), score, *(Text(cell) for cell in cells))
    return table


def _rows_table(result: RunResult) -> Table:
    table = _table("Rows")
    table.show_header = False
    for justify in ("right", "left", "left"):
        table.add_column("", justify=justify)
    table.add_row(f"{result.rows['in']:,}", "in", "")
    for name in ("clean", "review", "dropped", "quarantine"):
        causes = ", ".join(f"{n:,} {cause}" for cause, n in result.summary.get(name, {}).items())
        where = f"{_path(result, name)}/" + (f"  ({causes})" if causes else "")
        table.add_row(f"{result.rows[name]:,}", name, Text(where, overflow="fold"))
    return table


def _path(result: RunResult, name: str) -> str:
    """Return a table's path, from the current directory where it lies below it."""
    path = Files(result.workspace).path(name)
    return path.removeprefix(f"{Path.cwd()}/")


def _classes_table(issues: Mapping[str, Any]) -> Table:
    shown = sorted(issues["by_class"].items(), key=lambda item: (-item[1], item[0]))[:12]
    table = _table(f"Label issues: {issues['n']:,} of {issues['rows']:,} rows")
    for name, justify in (
        ("class", "left"),
        ("rows", "right"),
        ("issues", "right"),
        ("most often predicted", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, n in shown:
        likely = issues["most_often_predicted"].get(name, "")
        table.add_row(Text(name), f"{issues['class_counts'][name]:,}", f"{n:,}", Text(likely))
    if len(issues["by_class"]) > len(shown):
        table.caption = f"and {len(issues['by_class']) - len(shown)} more classes in summary.json"
    return table


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    crossval = summary["crossval"]
    yield (
        f"Classifier, out of sample: accuracy {crossval['accuracy']:.3f},"
        f" log loss {crossval['log_loss']:.3f} (class shares alone:"
        f" {crossval['prior_log_loss']:.3f}), calibration error {crossval['ece']:.3f}"
    )
    duplicates = summary.get("exact_duplicates")
    if duplicates and duplicates["sets"]:
        yield (
            f"Exact duplicates: {duplicates['rows']:,} rows in {duplicates['sets']:,} sets,"
            f" {duplicates['sets_whose_labels_differ']:,} of which have differing labels"
        )
    detection = summary.get("detection")
    if detection and detection["errors"]:
        yield (
            f"Against the reference: {detection['found']:,} of {detection['errors']:,} label errors"
            f" found (recall {detection['recall']:.2f},"
            f" precision {detection['precision'] or 0:.2f}, AUROC {detection['auroc']:.3f})"
        )


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
