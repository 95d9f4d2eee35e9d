"""Whether cleaning helps: models trained on each version of the labels, on the trusted holdout."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from lakewinnow.figures.models import Choice, Comparison, Finetuning, Scores, Variant
from lakewinnow.plan.words import counted
from lakewinnow.report import verdicts
from lakewinnow.terminal.console import Console
from lakewinnow.terminal.tables import PlainTable


def print_choice(out: Console, choice: Choice) -> None:
    """Print what `clean.label_issues: auto` has chosen, and by which figures."""
    chosen = "to change nothing" if choice.is_unchanged else choice.label_issues
    title = f"clean.label_issues: auto has chosen {chosen}"
    if not choice.is_verified:
        out.print(Text(f"{title}; there are no trusted rows to verify that it helps"))
        return
    table = PlainTable(f"{title}, by {counted(choice.test_rows or 0, 'trusted row')}")
    for name in ("", "rows", "accuracy, %", "vs keep"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, of in (choice.compared or {}).items():
        to = of.to_baseline
        cells = (f"{of.rows:,}", _interval(of, "4.1f"))
        table.add_row(name, *cells, _interval(to, "+5.1f") if to else "")
    out.print(table)
    out.print(
        Text(
            "It changes labels or drops rows only where the interval of the difference lies above"
            f" 0. The other {choice.kept_for_evaluate:,} trusted rows were not used for this."
        )
    )


def print_models(out: Console, found: Mapping[str, Variant], how: Comparison) -> None:
    """Print the table of training sets, then in words what it shows and what it does not."""
    if isinstance(how, Finetuning):
        details = counted(how.epochs, "epoch")
        if how.layers is not None:
            details += f", {counted(how.layers, 'layer')}, on a {(how.device or '').upper()}"
        title = f"Fine-tuned {how.model} ({details})"
    else:
        title = "Does cleaning help? Models of each version"
    out.print(_table(found, f"{title}, on {counted(how.test_rows, 'trusted row')}"))
    out.print()
    for line in verdicts.of_models(found, how):
        out.print(Text(line))


def _table(found: Mapping[str, Variant], title: str) -> Table:
    table = PlainTable(title)
    for name in ("trained on", "rows", "accuracy, %", "macro-F1", "vs baseline", "p"):
        table.add_column(name, justify="left" if name == "trained on" else "right", no_wrap=True)
    for name, of in found.items():
        to = of.to_baseline
        table.add_row(
            name,
            f"{of.rows:,}",
            _interval(of, "4.1f"),
            f"{100 * of.macro_f1:.1f}",
            _interval(to, "+5.1f") if to else "",
            _p(to.p) if to and to.p is not None else "",
        )
    return table


def _interval(of: Scores, form: str) -> str:
    value, low, high = (100 * x for x in (of.accuracy, of.accuracy_low, of.accuracy_high))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<.001"
