"""What a run has found, on stdout."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from lakewinnow import columns as c
from lakewinnow.figures.labels import CandidateFigures, LabelIssueFigures
from lakewinnow.figures.summary import Summary
from lakewinnow.lake.files import Files
from lakewinnow.pipeline import RunResult
from lakewinnow.plan.words import counted
from lakewinnow.report import findings, language_model, opinions, verdicts, words
from lakewinnow.terminal.command_line import CommandLine, program
from lakewinnow.terminal.console import Console
from lakewinnow.terminal.does_it_help import print_choice, print_models
from lakewinnow.terminal.embeddings import candidates_table
from lakewinnow.terminal.tables import PlainTable, short_path
from lakewinnow.terminal.top import Issue, label_instead, worst_issues
from lakewinnow.typed_json import from_json

_WORST: Final = 5
_MOST_CLASSES: Final = 12


def print_result(result: RunResult, typed: CommandLine) -> None:
    """Print where the rows went, what is wrong with the labels, and what to do next.

    Of a run that has ended before clean/ was written: what it has found so far.
    """
    out, files, found = Console(), Files(result.workspace), result.figures
    if found is None:
        _print_so_far(out, files, result)
        return
    out.print()
    has_opinions = opinions.show_labels(found.opinions)
    for line in verdicts.of_noise(found.crossval.noise, has_opinions=has_opinions):
        out.print(Text(line), soft_wrap=True)
        out.print()
    out.print(_rows_table(found, files))
    out.print()
    out.print(_classes_table(found.label_issues))
    out.print()
    worst = worst_issues(files, _WORST)
    if worst:
        out.print(_issues_table(worst, out.width))
        out.print()
    if found.choice is not None:
        print_choice(out, found.choice)
        out.print()
    if found.candidates is not None:
        out.print(candidates_table(found.candidates))
        out.print()
    for line in _figures(result, found):
        out.print(Text(line), soft_wrap=True)
    out.print()
    if found.evaluate is not None and found.comparison is not None:
        print_models(out, found.evaluate, found.comparison)
        out.print()
    _print_next(out, files, typed)


def _print_so_far(out: Console, files: Files, result: RunResult) -> None:
    summary = result.summary
    if "candidates" in summary:
        out.print(candidates_table(from_json(CandidateFigures, summary["candidates"])))
    if "label_issues" in summary:
        issues = from_json(LabelIssueFigures, summary["label_issues"])
        out.print(words.verdict(issues.n, issues.rows))
    made = {of.name: of.found(summary[of.name]) for of in result.checks if of.name in summary}
    for check in findings.of_checks(result.checks, made, files.count_rows("corpus")):
        out.print(Text(f"{check.title}: {check.lines[0]}"), soft_wrap=True)


def print_finetuned(result: RunResult) -> bool:
    """Print how the fine-tuned models compare; return whether all of them are there."""
    found = result.figures
    if found is None or found.finetune is None or found.finetuning is None:
        return False
    out = Console()
    out.print()
    print_models(out, found.finetune, found.finetuning)
    return not found.finetuning.failed


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
    table = PlainTable("The worst labels")
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


def _rows_table(found: Summary, files: Files) -> Table:
    table = PlainTable("Rows", show_header=False)
    for justify in ("right", "left", "left"):
        table.add_column("", justify=justify)
    rows, nothing = found.rows, dict[str, int]()
    table.add_row(f"{rows.in_:,}", "in", "")
    for name, n, causes in (
        ("clean", rows.clean, nothing),
        ("review", rows.review, nothing),
        ("dropped", rows.dropped, found.dropped),
        ("quarantine", rows.quarantine, found.quarantine),
    ):
        why = ", ".join(f"{n:,} {cause}" for cause, n in causes.items())
        where = f"{short_path(files.path(name))}/" + (f"  ({why})" if why else "")
        table.add_row(f"{n:,}", name, Text(where, overflow="fold"))
    holdout = found.holdout
    if holdout is not None and holdout.of_input:
        n = holdout.rows + sum(holdout.rejected.values())
        where = f"{short_path(files.path('holdout'))}/  (evaluate.trusted)"
        table.add_row(f"{n:,}", "set aside", Text(where, overflow="fold"))
    return table


def _classes_table(found: LabelIssueFigures) -> Table:
    ranked = sorted(found.by_class.items(), key=lambda item: (-item[1], item[0]))
    table = PlainTable(words.verdict(found.n, found.rows))
    table.add_column("class")
    table.add_column("rows", justify="right")
    table.add_column("issues", justify="right")
    table.add_column("most often predicted")
    for name, n in ranked[:_MOST_CLASSES]:
        likely = found.most_often_predicted.get(name, "")
        table.add_row(Text(name), f"{found.class_counts[name]:,}", f"{n:,}", Text(likely))
    if len(ranked) > _MOST_CLASSES:
        table.caption = f"and {counted(len(ranked) - _MOST_CLASSES, 'more class')} in summary.json"
    return table


def _figures(result: RunResult, found: Summary) -> Iterator[str]:
    yield from verdicts.of_promise(found)
    yield from verdicts.of_unlabelled(found.unlabelled)
    of = found.crossval
    yield (
        f"The classifier is right on {words.percent(of.accuracy)} of rows it has not seen"
        f" (log loss {of.log_loss:.3f}, by class shares alone {of.prior_log_loss:.3f};"
        f" calibration error {of.ece:.3f})"
    )
    yield from language_model.sentences(found.language_model)
    yield from opinions.sentences(found.opinions)
    yield from opinions.asking(found.ask)
    for check in findings.of_checks(result.checks, found.checks, found.label_issues.rows):
        if check.is_any:
            yield f"{check.title}: {check.lines[0]}"
    for name, split in (found.exports or {}).items():
        usd = "" if split.usd_per_epoch is None else f" ({split.usd_per_epoch:,.4f} USD an epoch)"
        files = f"exports/{split.files[0]}" + (" …" if len(split.files) > 1 else "")
        examples, tokens = counted(split.rows, "example"), counted(split.tokens, "token")
        yield f"{files}: {examples} for {name}, {tokens}{usd}"
    yield from verdicts.of_detection(found.detection)
