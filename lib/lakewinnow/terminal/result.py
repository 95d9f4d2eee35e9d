"""What a run has found, on stdout."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.errors import DataError
from lakewinnow.lake.files import Files
from lakewinnow.pipeline import RunResult
from lakewinnow.report import findings
from lakewinnow.terminal.comparison import print_choice, print_comparison
from lakewinnow.terminal.embeddings import candidates_table
from lakewinnow.terminal.tables import plain_table, program, short_path

_WORST: Final = 5


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
    if "choice" in result.summary:
        print_choice(out, result.summary["choice"])
        out.print()
    if "candidates" in result.summary:
        out.print(candidates_table(result.summary["candidates"]))
        out.print()
    for line in _figures(result.summary):
        out.print(line, soft_wrap=True)
    if "comparison" in result.summary:
        out.print()
        print_comparison(out, result.summary)
    out.print()
    again = shlex.join([*configs, *(part for o in overrides for part in ("--set", o))])
    clean = short_path(Files(result.workspace).path("clean"))
    report = short_path(Files(result.workspace).path("report.html"))
    out.print(f"All of it, with pictures: {report}", soft_wrap=True)
    out.print()
    out.print("Next", style="bold")
    out.print(f"  {program('lakewinnow')} top {again} -n 20", soft_wrap=True)
    out.print(f"  {program('lakewinnow')} review {again}", soft_wrap=True)
    read = f"import pandas; print(pandas.read_parquet({clean!r}))"
    out.print(f'  {program("python")} -c "{read}"', soft_wrap=True)


def print_top(workspace: str, n: int) -> None:
    """Print the worst label issues.

    Raises
    ------
    DataError : the workspace has no issues/ yet
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
        c.SUGGESTED_LABEL,
        c.TEXT_PREVIEW,
        c.DECISION,
        c.ROW_ID,
    ]
    return files.first_ranks("issues", names, c.LABEL_RANK, n)


def _issues_table(rows: Sequence[Mapping[str, Any]], title: str, width: int) -> Table:
    table = plain_table(title)
    for name in ("rank", "score"):
        table.add_column(name, justify="right", no_wrap=True, min_width=6)
    label_width = max(12, width // 5)
    for name in ("given", "predicted"):
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=label_width)
    text_width = max(24, width - 2 * label_width - 22)
    table.add_column("text", overflow="ellipsis", no_wrap=True, max_width=text_width)
    for row in rows:
        text = " ".join(row[c.TEXT_PREVIEW].split())
        given, other = row[c.GIVEN_LABEL], row[c.PREDICTED_LABEL]
        if other == given:  # flagged by the posterior, which suggests another
            other = row[c.SUGGESTED_LABEL]
        cells = (given, other, text)
        score = f"{row[c.LABEL_SCORE]:.4f}"
        table.add_row(str(row[c.LABEL_RANK]), score, *(Text(cell) for cell in cells))
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
    shown = sorted(issues["by_class"].items(), key=lambda item: (-item[1], item[0]))[:12]
    table = plain_table(f"Label issues: {issues['n']:,} of {issues['rows']:,} rows")
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
    for found in findings.of_checks(summary):
        if found.is_any:
            yield f"{found.title}: {found.lines[0]}"
    for split, of in summary.get("exports", {}).items():
        files = f"exports/{of['files'][0]}" + (" …" if len(of["files"]) > 1 else "")
        usd = f" ({of['usd_per_epoch']:,.4f} USD an epoch)" if "usd_per_epoch" in of else ""
        yield (
            f"Exported: {of['rows']:,} examples for {split}, {of['tokens']:,} tokens{usd}, {files}"
        )
    detection = summary.get("detection")
    if detection and detection["errors"]:
        yield (
            f"Against the reference: {detection['found']:,} of {detection['errors']:,} label errors"
            f" found (recall {detection['recall']:.2f},"
            f" precision {detection['precision'] or 0:.2f}, AUROC {detection['auroc']:.3f})"
        )
        yield (
            f"Suggested labels put {detection['fixed_right']:.0%} of the errors right, and"
            f" {detection['harmed'] or 0:.0%} of the right labels wrong"
        )
