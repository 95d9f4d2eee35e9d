"""What changed between two runs, on stdout."""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.plan.words import counted
from lakewinnow.review.diff import CHANGES, RunDiff
from lakewinnow.terminal.console import Console
from lakewinnow.terminal.tables import PlainTable, short_path

_MOST_CLASSES: Final = 12
_MOST_KEYS: Final = 20
_MOVED: Final = 5e-4  # less would be shown as 0.000


def print_diff(found: RunDiff, n: int) -> None:
    """Print what changed, in counts, and the `n` rows that changed most."""
    out = Console()
    out.print()
    for name, workspace in zip(("first", "second"), found.workspaces, strict=True):
        rows = counted(found.rows[name], "row")
        out.print(f"{name:>6}  {short_path(workspace)}  ({rows})", soft_wrap=True)
    for table in _tables(found):
        out.print()
        out.print(table)
    worst = found.worst(n) if n else []
    if worst:
        out.print()
        out.print(_rows_table(worst, "The rows that changed most"))
    out.print()
    if not any(found.rows[change] for change in CHANGES):
        out.print("No row changed.")


def _tables(found: RunDiff) -> list[Table]:
    tables = [
        _counts("Rows", {"in both": found.rows["both"]} | {k: found.rows[k] for k in CHANGES}),
        _counts("Label issues of rows in both", found.flags),
    ]
    if found.decisions:
        flips = {f"{first} → {second}": n for (first, second), n in found.decisions.items()}
        tables.append(_counts("Decisions that differ", flips))
    for title, pairs in (
        ("Confident thresholds that moved", found.thresholds),
        ("Share of right labels, as estimated", found.label_quality),
    ):
        moved = {name: pair for name, pair in pairs.items() if _distance(pair) >= _MOVED}
        if moved:
            tables.append(_moved(title, moved))
    if found.config:
        tables.append(_config(found.config))
    return tables


def _counts(title: str, counts: Mapping[str, int]) -> Table:
    table = PlainTable(title, show_header=False)
    table.add_column("", justify="right")
    table.add_column("")
    for name, n in counts.items():
        table.add_row(f"{n:,}", name)
    return table


def _distance(pair: tuple[float | None, float | None]) -> float:
    """How far a number moved; all of a run that does not have it."""
    first, second = pair
    return 1.0 if first is None or second is None else abs(first - second)


def _moved(title: str, pairs: Mapping[str, tuple[float | None, float | None]]) -> Table:
    table = PlainTable(title)
    table.add_column("class")
    table.add_column("first", justify="right")
    table.add_column("second", justify="right")
    table.add_column("change", justify="right")
    furthest = sorted(pairs.items(), key=lambda item: -_distance(item[1]))
    for name, (first, second) in furthest[:_MOST_CLASSES]:
        numbers = ("" if value is None else f"{value:.3f}" for value in (first, second))
        change = "" if first is None or second is None else f"{second - first:+.3f}"
        table.add_row(Text(name), *numbers, change)
    if len(pairs) > _MOST_CLASSES:
        table.caption = f"and {counted(len(pairs) - _MOST_CLASSES, 'more class')}"
    return table


def _config(differing: Mapping[str, tuple[Any, Any]]) -> Table:
    table = PlainTable("Configuration")
    for name in ("key", "first", "second"):
        table.add_column(name, overflow="fold")
    for key, pair in list(differing.items())[:_MOST_KEYS]:
        table.add_row(key, *(Text("" if value is None else str(value)) for value in pair))
    if len(differing) > _MOST_KEYS:
        table.caption = f"and {counted(len(differing) - _MOST_KEYS, 'more key')}"
    return table


def _rows_table(rows: list[Any], title: str) -> Table:
    table = PlainTable(title)
    table.add_column("row", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("change")
    for side in ("first", "second"):
        table.add_column(side, overflow="fold")
    for row in rows:
        sides = (_side(row, side) for side in ("first", "second"))
        table.add_row(Text(row[c.ROW_ID]), row["change"], *sides)
    return table


def _side(row: Any, side: str) -> Text:
    """Say what one run made of a row."""
    decision, label = row[f"{side}_{c.DECISION}"], row[f"{side}_{c.GIVEN_LABEL}"]
    if decision is None:
        return Text("")
    new = row[f"{side}_{c.NEW_LABEL}"]
    labels = label if new is None else f"{label} → {new}"
    return Text(f"{decision}, {labels}, {row[f'{side}_{c.LABEL_SCORE}']:.3f}")
