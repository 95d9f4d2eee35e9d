"""What was drawn for review, and what the review says, on stdout."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.votes import NO_NAME, in_words
from lakewinnow.plan.words import counted
from lakewinnow.review import FOLDER, PAGE, QUEUE, Queue, Sample, agreed
from lakewinnow.terminal.command_line import CommandLine
from lakewinnow.terminal.console import Console
from lakewinnow.terminal.tables import PlainTable, short_path


def print_sample(sample: Sample, files: Files, typed: CommandLine) -> None:
    """Print what was drawn, where it is and what to do with it."""
    out = Console()
    out.print(f"{counted(sample.rows, 'row', 'was')} drawn for review:", style="bold")
    for is_issue, name in ((True, "flagged"), (False, "not flagged")):
        side = [stratum for stratum in sample.strata if stratum.is_label_issue == is_issue]
        drawn, rows = (sum(getattr(of, what) for of in side) for what in ("drawn", "rows"))
        strata = counted(sum(of.rows > 0 for of in side), "stratum")
        out.print(f"  {drawn:,} of the {counted(rows, 'row', 'is')} {name}, from {strata}")
    if sample.decided:
        out.print(f"  {counted(sample.decided, 'row', 'has')} a decision already: left out")
    for line in (
        f"Their texts: {short_path(files.path(FOLDER))}/sample.parquet and sample.csv",
        "",
        f"1. Open {_address(files.path(PAGE))} in a browser, answer, save",
        f"2. {typed.again('review measure')} FILE",
    ):
        out.print(Text(line), soft_wrap=True)


def print_queue(queue: Queue, files: Files, typed: CommandLine) -> None:
    """Print how many rows are to be answered, where they are and what to do with the answers."""
    out = Console()
    out.print(
        f"{counted(queue.rows, 'row')} that an answer helps most, the best first", style="bold"
    )
    decisions = "FILE"
    if queue.decided:
        out.print(f"  {counted(queue.decided, 'row', 'has')} a decision already: left out")
        decisions = "FOLDER/*.csv"  # with the earlier files
    decided = replace(typed, overrides=(*typed.overrides, f"clean.decisions={decisions}"))
    for line in (
        f"  One more opinion on each makes about {counted(round(queue.gain), 'more label')} right",
        f"Their texts: {short_path(files.path(QUEUE.folder))}/queue.parquet and queue.csv",
        "",
        f"1. Open {_address(files.path(QUEUE.page))} in a browser, answer, save",
        f"2. {decided.again('run')}",
        "   Or, where answers may be wrong: input.annotations (annotator: by, label: chosen)",
        "   weighs them by how often each person is right",
        "They are no sample: what share of the flags is right, `lakewinnow review draw` measures",
    ):
        out.print(Text(line), soft_wrap=True)


def _address(page: str) -> str:
    return page if "://" in page else f"file://{page}"


def print_measured(
    measured: Mapping[str, Any], files: Files, paths: Sequence[str], typed: CommandLine
) -> None:
    """Print how right the flags are, what they miss, and where to cut for what is wanted."""
    out = Console()
    for line in _who(measured):
        out.print(Text(line), soft_wrap=True)
    out.print()
    out.print(_table(measured))
    out.print()
    out.print(f"To be right at least {measured['wanted']['share']:.0%} of the time:", style="bold")
    for line in _cuts(measured):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
    is_whole = len(paths) == 1 and not measured["differing"]
    decisions = paths[0] if is_whole else short_path(files.path(agreed(measured["sample"])))
    typed = replace(typed, overrides=(*typed.overrides, f"clean.decisions={decisions}"))
    out.print(Text(f"To use these decisions: {typed.again('run')}"), soft_wrap=True)
    if n := measured["rows"]["decided_before"]:
        told = f"{counted(n, 'row', 'was')} decided before; keep those files too"
        out.print(Text(f"  ({told}: --set clean.decisions='FOLDER/*.csv')"), soft_wrap=True)


def _who(measured: Mapping[str, Any]) -> Iterator[str]:
    rows = measured["rows"]
    decided = ", ".join(f"{n:,} {what}" for what, n in rows["decided"].items())
    by = ", ".join(f"{n:,} by {name or NO_NAME}" for name, n in measured["by"].items())
    answered = counted(rows["answered"], "row", "is", of=rows["sampled"])
    yield f"{answered} reviewed ({decided}); {by}"
    if agreement := measured["agreement"]:
        alpha = agreement["alpha"]
        yield (
            f"{counted(agreement['rows'], 'row', 'has')} several answers, which agree"
            f" {agreement['share']:.0%} of the time"
            + ("" if alpha is None else f" (Krippendorff's alpha {alpha:.2f})")
        )
    if n := len(measured["differing"]):
        undecided = measured["undecided"]
        some = ", ".join(undecided[:3]) + (" …" if len(undecided) > 3 else "")
        left_out = f"; {counted(len(undecided), 'row', 'has')} no majority ({some})"
        yield f"People disagree about {counted(n, 'row')}" + (left_out if undecided else "")
        yield f"Each agrees with the others: {in_words(measured['agreement_by'])}"
    n_missing = rows["sampled"] - rows["answered"]
    if n_missing:
        yield f"{counted(n_missing, 'row', 'has')} no decision and count as like the others"
    if measured["outside_sample"]:
        outside = counted(measured["outside_sample"], "decision", "is")
        yield f"{outside} about rows outside the sample"


def _table(measured: Mapping[str, Any]) -> Table:
    table = PlainTable("What this says about all rows")
    table.add_column("")
    for name in ("rows", "reviewed", "%"):
        table.add_column(name, justify="right", no_wrap=True)
    flags, fixes, others = (measured[name] for name in ("flags", "fixes", "others"))
    _add(table, "flagged: the label is wrong", flags, "precision")
    for name, of in measured["flags_by_class"].items():
        _add(table, f"  {name}", of, "precision")
    _add(table, "flagged: the suggested label is right", fixes, "right")
    _add(table, "not flagged: the label is wrong", others, "errors")
    _add(table, "wrong labels that are flagged", measured, "recall")
    confidence = f"{measured['confidence']:.0%}"
    table.caption = f"In brackets: {confidence} intervals (Wilson, for the stratified sample)"
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
            yield f"{what}: this sample shows no such {column}"
        if likely is not None and shown is not None and likely["cut"] == shown["cut"]:
            likely = None
        for cut, claim in (
            (shown, "as the sample shows"),
            (likely, "by estimate; the sample is too small to show it"),
        ):
            if cut is not None:
                yield (
                    f"{what} with {column} {up_to} {cut['cut']:g} ({cut['rows']:,} of"
                    f" {of_rows[column]:,} rows): {_share(cut, 'share')} % are right, {claim}"
                )
    fixes = measured["wanted"][c.SUGGESTED_PROB]
    cut = fixes["shown"] or fixes["likely"]
    if cut is not None:
        options = f"--set clean.label_issues=fix --set clean.fix_above={cut['cut']:g}"
        yield f"({options} makes exactly these fixes)"
