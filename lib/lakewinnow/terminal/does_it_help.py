"""Whether cleaning helps: models trained on each version of the labels, on the trusted holdout."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow.report import verdicts
from lakewinnow.terminal.tables import plain_table


def print_choice(out: Console, choice: Mapping[str, Any]) -> None:
    """Print what `clean.label_issues: auto` has chosen, and by which figures."""
    chosen = "to change nothing" if choice["is_unchanged"] else choice["label_issues"]
    title = f"clean.label_issues: auto has chosen {chosen}"
    if not choice["is_verified"]:
        out.print(Text(f"{title}; there are no trusted rows to verify that it helps"))
        return
    table = plain_table(f"{title}, by {choice['test_rows']:,} trusted rows")
    for name in ("", "rows", "accuracy, %", "vs keep"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, figures in choice["compared"].items():
        to = figures.get("to_baseline")
        cells = (f"{figures['rows']:,}", _interval(figures, "4.1f"))
        table.add_row(name, *cells, _interval(to, "+5.1f") if to else "")
    out.print(table)
    out.print(
        Text(
            "It changes labels or drops rows only where the interval of the difference lies above"
            f" 0. The other {choice['kept_for_evaluate']:,} trusted rows were not used for this."
        )
    )


def print_models(out: Console, summary: Mapping[str, Any]) -> None:
    """Print the table of training sets, then in words what it shows and what it does not."""
    how = summary["comparison"]
    title = f"Does cleaning help? Models of each version, on {how['test_rows']:,} trusted rows"
    _print(out, title, summary["evaluate"], how)


def print_finetuned(summary: Mapping[str, Any]) -> None:
    """Print the same of models that were fine-tuned."""
    how = summary["finetuning"]
    details = f"{how['epochs']} epochs"
    if "layers" in how:
        details += f", {how['layers']} layers, on a {how['device'].upper()}"
    title = f"Fine-tuned {how['model']} ({details}), on {how['test_rows']:,} trusted rows"
    out = Console(highlight=False)
    out.print()
    _print(out, title, summary["finetune"], how)


def _print(out: Console, title: str, found: Mapping[str, Any], how: Mapping[str, Any]) -> None:
    out.print(_table(found, title))
    out.print()
    for line in verdicts.of_models(found, how):
        out.print(Text(line))


def _table(found: Mapping[str, Any], title: str) -> Table:
    table = plain_table(title)
    for name in ("trained on", "rows", "accuracy, %", "macro-F1", "vs baseline", "p"):
        table.add_column(name, justify="left" if name == "trained on" else "right", no_wrap=True)
    for name, figures in found.items():
        to = figures.get("to_baseline")
        table.add_row(
            name,
            f"{figures['rows']:,}",
            _interval(figures, "4.1f"),
            f"{100 * figures['macro_f1']:.1f}",
            _interval(to, "+5.1f") if to else "",
            _p(to["p"]) if to else "",
        )
    return table


def _interval(figures: Mapping[str, Any], form: str) -> str:
    value, low, high = (100 * figures[f"accuracy{end}"] for end in ("", "_low", "_high"))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<.001"
