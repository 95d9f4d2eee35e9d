"""What a run has found, on stdout."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.lake.files import Files
from lakewinnow.pipeline import RunResult
from lakewinnow.report import findings, verdicts, words
from lakewinnow.terminal.command_line import CommandLine, program
from lakewinnow.terminal.does_it_help import print_choice, print_models
from lakewinnow.terminal.embeddings import candidates_table
from lakewinnow.terminal.tables import plain_table, short_path
from lakewinnow.terminal.top import Issue, label_instead, worst_issues

_WORST: Final = 5
_MOST_CLASSES: Final = 12


def print_result(result: RunResult, typed: CommandLine) -> None:
    """Print where the rows went, what is wrong with the labels, and what to do next.

    Of a run that has ended before clean/ was written: what its last stage has found.
    """
    out = Console(highlight=False)
    summary, files = result.summary, Files(result.workspace)
    if not result.rows:
        if "candidates" in summary:
            out.print(candidates_table(summary["candidates"]))
        return
    out.print()
    out.print(_rows_table(result))
    out.print()
    out.print(_classes_table(summary["label_issues"]))
    out.print()
    worst = worst_issues(files, _WORST)
    if worst:
        out.print(_issues_table(worst, out.width))
        out.print()
    if "choice" in summary:
        print_choice(out, summary["choice"])
        out.print()
    if "candidates" in summary:
        out.print(candidates_table(summary["candidates"]))
        out.print()
    for line in _figures(result):
        out.print(Text(line), soft_wrap=True)
    out.print()
    if "comparison" in summary:
        print_models(out, summary)
        out.print()
    _print_next(out, files, typed)


def _print_next(out: Console, files: Files, typed: CommandLine) -> None:
    out.print(f"Report: {short_path(files.path('report.html'))}", soft_wrap=True)
    out.print()
    if typed.overrides:  # the workspace has them in a file
        typed = CommandLine((short_path(files.path("config.yaml")),))
    read = f"import pandas; print(pandas.read_parquet({short_path(files.path('clean'))!r}))"
    for purpose, line in (
        ("Read the worst labels", typed.again("top")),
        ("Have people judge a sample", typed.again("review draw")),
        ("Load the clean rows", f'{program("python")} -c "{read}"'),
    ):
        out.print(Text(f"{purpose + ':':<28}{line}"), soft_wrap=True)


def _issues_table(rows: Sequence[Issue], width: int) -> Table:
    table = plain_table(f"The {len(rows)} worst labels")
    for name in ("rank", "score"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    label_width = max(12, width // 5)
    for name in ("given", "predicted"):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=label_width)
    text_width = max(24, width - 2 * label_width - 22)
    table.add_column("text", overflow="ellipsis", no_wrap=True, max_width=text_width)
    for row in rows:
        text = " ".join(row[c.TEXT_PREVIEW].split())
        cells = (Text(cell) for cell in (row[c.GIVEN_LABEL], label_instead(row), text))
        table.add_row(str(row[c.LABEL_RANK]), f"{row[c.LABEL_SCORE]:.4f}", *cells)
    return table


def _rows_table(result: RunResult) -> Table:
    table = plain_table("Rows")
    table.show_header = False
    for justify in ("right", "left", "left"):
        table.add_column("", justify=justify)
    table.add_row(f"{result.rows['in']:,}", "in", "")
    for name in ("clean", "review", "dropped", "quarantine"):
        causes = ", ".join(f"{n:,} {cause}" for cause, n in result.summary.get(name, {}).items())
        where = f"{short_path(Files(result.workspace).path(name))}/" + (
            f"  ({causes})" if causes else ""
        )
        table.add_row(f"{result.rows[name]:,}", name, Text(where, overflow="fold"))
    n_aside = _set_aside(result.summary)
    if n_aside:
        where = f"{short_path(Files(result.workspace).path('holdout'))}/  (evaluate.trusted)"
        table.add_row(f"{n_aside:,}", "set aside", Text(where, overflow="fold"))
    return table


def _set_aside(summary: Mapping[str, Any]) -> int:
    """Return how many rows of the input left it before anything began, to be the holdout."""
    found = summary.get("holdout", {})
    return int(found["rows"]) + sum(found["rejected"].values()) if found.get("of_input") else 0


def _classes_table(issues: Mapping[str, Any]) -> Table:
    ranked = sorted(issues["by_class"].items(), key=lambda item: (-item[1], item[0]))
    table = plain_table(words.verdict(issues["n"], issues["rows"]))
    table.min_width = len(str(table.title)) + 2  # or the title is folded
    table.add_column("class")
    table.add_column("rows", justify="right")
    table.add_column("issues", justify="right")
    table.add_column("most often predicted", ratio=1)
    for name, n in ranked[:_MOST_CLASSES]:
        likely = issues["most_often_predicted"].get(name, "")
        table.add_row(Text(name), f"{issues['class_counts'][name]:,}", f"{n:,}", Text(likely))
    if len(ranked) > _MOST_CLASSES:
        table.caption = f"and {len(ranked) - _MOST_CLASSES:,} more classes in summary.json"
    return table


def _figures(result: RunResult) -> Iterator[str]:
    summary = result.summary
    crossval = summary["crossval"]
    yield (
        f"The classifier is right on {words.percent(crossval['accuracy'])} of rows it has not seen"
        f" (log loss {crossval['log_loss']:.3f}, by class shares alone"
        f" {crossval['prior_log_loss']:.3f}; calibration error {crossval['ece']:.3f})"
    )
    for found in findings.of_checks(result.checks, summary):
        if found.is_any:
            yield f"{found.title}: {found.lines[0]}"
    for split, of in summary.get("exports", {}).items():
        usd = f" ({of['usd_per_epoch']:,.4f} USD an epoch)" if "usd_per_epoch" in of else ""
        files = f"exports/{of['files'][0]}" + (" …" if len(of["files"]) > 1 else "")
        yield f"{files}: {of['rows']:,} examples for {split}, {of['tokens']:,} tokens{usd}"
    if "detection" in summary:
        yield from verdicts.of_detection(summary["detection"])
