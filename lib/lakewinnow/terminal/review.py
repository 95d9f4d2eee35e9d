"""What was drawn for review, and what the review says, on stdout."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.lake.files import Files
from lakewinnow.review import FOLDER, PAGE, Sample, agreed
from lakewinnow.terminal.tables import plain_table, program, short_path


def print_sample(
    sample: Sample, files: Files, configs: Sequence[str], overrides: Sequence[str]
) -> None:
    """Print what was drawn, where it is and what to do with it."""
    out = Console(highlight=False)
    out.print(f"Drawn for review: {sample.rows:,} rows", style="bold")
    for is_issue, name in ((True, "flagged"), (False, "not flagged")):
        side = [stratum for stratum in sample.strata if stratum.is_label_issue == is_issue]
        drawn, rows = (sum(getattr(of, what) for of in side) for what in ("drawn", "rows"))
        out.print(f"  {drawn:,} of the {rows:,} {name}, {sum(of.rows > 0 for of in side)} strata")
    if sample.decided:
        out.print(f"  {sample.decided:,} rows are decided already, and left out")
    folder = short_path(files.path(FOLDER))
    out.print(f"  {folder}/sample.parquet, sample.csv", soft_wrap=True)
    out.print()
    out.print("Next", style="bold")
    page = files.path(PAGE)
    where = page if "://" in page else f"file://{page}"
    out.print(Text(f"  open {where} in a browser, answer, save"), soft_wrap=True)
    again = _again("review", configs, overrides)
    out.print(Text(f"  {again} --decisions FILE"), soft_wrap=True)


def print_measured(
    measured: Mapping[str, Any],
    files: Files,
    paths: Sequence[str],
    configs: Sequence[str],
    overrides: Sequence[str],
) -> None:
    """Print how right the flags are, what they miss, and where to cut for what is wanted."""
    out = Console(highlight=False)
    for line in _who(measured):
        out.print(Text(line), soft_wrap=True)
    out.print()
    out.print(_table(measured))
    out.print()
    out.print(f"To be right at least {measured['wanted']['share']:.0%} of the time", style="bold")
    for line in _cuts(measured):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
    out.print("Next", style="bold")
    is_whole = len(paths) == 1 and not measured["differing"]
    decisions = paths[0] if is_whole else short_path(files.path(agreed(measured["sample"])))
    sets = [*overrides, f"clean.decisions={decisions}"]
    if not any(of.startswith("output.mode=") for of in overrides):
        sets.append("output.mode=overwrite")
    out.print(Text(f"  {_again('run', configs, sets)}"), soft_wrap=True)
    if n := measured["rows"]["decided_before"]:
        told = f"{n:,} rows were decided before: keep those files, too"
        out.print(Text(f"  ({told}, with --set clean.decisions='FOLDER/*.csv')"), soft_wrap=True)


def _again(command: str, configs: Sequence[str], overrides: Sequence[str]) -> str:
    arguments = [command, *configs, *(part for of in overrides for part in ("--set", of))]
    return f"{program('lakewinnow')} {shlex.join(arguments)}"


def _who(measured: Mapping[str, Any]) -> Iterator[str]:
    rows = measured["rows"]
    decided = ", ".join(f"{n:,} {what}" for what, n in rows["decided"].items())
    by = ", ".join(f"{n:,} by {name or '(no name)'}" for name, n in measured["by"].items())
    yield f"Reviewed: {rows['answered']:,} of {rows['sampled']:,} rows ({decided}); {by}"
    if agreement := measured["agreement"]:
        alpha = agreement["alpha"]
        yield (
            f"{agreement['rows']:,} rows have several answers, which agree"
            f" {agreement['share']:.0%} of the time"
            + ("" if alpha is None else f" (Krippendorff's alpha {alpha:.2f})")
        )
    if n := len(measured["differing"]):
        undecided = measured["undecided"]
        some = ", ".join(undecided[:3]) + (" …" if len(undecided) > 3 else "")
        left_out = f": {len(undecided):,} without a majority are left out ({some})"
        yield f"{n:,} rows are decided differently" + (left_out if undecided else "")
    n_missing = rows["sampled"] - rows["answered"]
    if n_missing:
        yield f"{n_missing:,} rows have no decision; they are taken to be like the others"
    if measured["outside_sample"]:
        yield f"{measured['outside_sample']:,} decisions are about rows outside the sample"


def _table(measured: Mapping[str, Any]) -> Table:
    table = plain_table("What the review says of all rows")
    table.add_column("")
    for name in ("rows", "reviewed", "%"):
        table.add_column(name, justify="right", no_wrap=True)
    flags, fixes, others = (measured[name] for name in ("flags", "fixes", "others"))
    _add(table, "flagged: the label is wrong", flags, "precision")
    for name, of in measured["flags_by_class"].items():
        _add(table, f"  {name}", of, "precision")
    _add(table, "flagged: the suggested label is right", fixes, "right")
    _add(table, "not flagged: the label is wrong", others, "errors")
    _add(table, "wrong labels: flagged", measured, "recall")
    confidence = f"{measured['confidence']:.0%}"
    table.caption = f"In brackets: {confidence} intervals, Wilson's of the stratified sample"
    return table


def _add(table: Table, title: str, of: Mapping[str, Any], name: str) -> None:
    counts = (
        "" if isinstance(n, dict | None) else f"{n:,}" for n in map(of.get, ("rows", "answered"))
    )
    table.add_row(Text(title), *counts, _share(of, name))


def _share(of: Mapping[str, Any], name: str) -> Text:
    if of[name] is None:
        return Text("not asked")
    value, low, high = (100 * of[f"{name}{end}"] for end in ("", "_low", "_high"))
    return Text(f"{value:.1f} [{low:5.1f}, {high:5.1f}]")


def _cuts(measured: Mapping[str, Any]) -> Iterator[str]:
    of_rows = {
        c.LABEL_SCORE: measured["flags"]["rows"],
        c.SUGGESTED_PROB: measured["fixes"]["rows"],
    }
    for column, what, up_to in (
        (c.LABEL_SCORE, "flags", "up to"),
        (c.SUGGESTED_PROB, "fixes", "from"),
    ):
        found = measured["wanted"][column]
        shown, likely = found["shown"], found["likely"]
        if shown is None and likely is None:
            yield f"{what}: at no {column}, by this sample"
        if likely is not None and shown is not None and likely["cut"] == shown["cut"]:
            likely = None
        for cut, claim in (
            (shown, "shown"),
            (likely, "estimated; the sample is too small to show it"),
        ):
            if cut is not None:
                yield (
                    f"{what} with {column} {up_to} {cut['cut']:g}, {cut['rows']:,} of"
                    f" {of_rows[column]:,} rows: {_share(cut, 'share')} %, {claim}"
                )
    fixes = measured["wanted"][c.SUGGESTED_PROB]
    cut = fixes["shown"] or fixes["likely"]
    if cut is not None:
        options = f"--set clean.label_issues=fix --set clean.fix_above={cut['cut']:g}"
        yield f"({options} makes just these fixes)"
