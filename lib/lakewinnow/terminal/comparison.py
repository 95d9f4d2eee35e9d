"""Whether cleaning helps: models trained on each version of the labels, on the trusted holdout."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow.terminal.tables import plain_table

_LARGEST_P = 0.05
_COMPARED = ("dropped", "fixed", "soft", "reviewed", "clean")


def print_choice(out: Console, choice: Mapping[str, Any]) -> None:
    """Print what was chosen to become of label issues, and by which figures."""
    action = "nothing changes" if choice["is_unchanged"] else choice["label_issues"]
    if not choice["is_verified"]:
        out.print(Text(f"What becomes of label issues: {action}, which no trusted rows verify"))
        return
    table = plain_table(
        f"What becomes of label issues: {action}, by {choice['test_rows']:,} trusted rows"
    )
    for name in ("", "trained on", "accuracy, %", "to keep"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for name, figures in choice["compared"].items():
        to = figures.get("to_baseline")
        cells = (f"{figures['rows']:,}", _interval(figures, "4.1f"))
        table.add_row(name, *cells, _interval(to, "+5.1f") if to else "")
    out.print(table)
    out.print(
        Text(
            "A change is made where the interval of its difference to keep lies above 0; the"
            f" other {choice['kept_for_evaluate']:,} trusted rows had no part in this."
        )
    )


def print_comparison(out: Console, summary: Mapping[str, Any]) -> None:
    """Print the table of training sets, then in words what it shows and what it does not."""
    found, how = summary["evaluate"], summary["comparison"]
    title = (
        f"Does cleaning help? Models of each version, asked about {how['test_rows']:,} trusted rows"
    )
    out.print(_table(found, title))
    out.print()
    for line in (*_findings(found, how), *_notes(found, how)):
        out.print(Text(line))


def print_finetuned(summary: Mapping[str, Any]) -> None:
    """Print the same of models that were fine-tuned."""
    out = Console(highlight=False)
    found, how = summary["finetune"], summary["finetuning"]
    out.print()
    out.print(_table(found, _title_of(how)))
    out.print()
    for line in (*_failures(how), *_findings(found, how), *_notes(found, how)):
        out.print(Text(line))


def _failures(how: Mapping[str, Any]) -> Iterator[str]:
    for told in how.get("failed", ()):
        yield f"No model by {told}"
    for name, n in how.get("unmapped", {}).items():
        if n:
            yield f"{n:,} answers of {name} name no class, and are counted as wrong."


def _title_of(how: Mapping[str, Any]) -> str:
    told = f"Fine-tuned {how['model']}: {how['epochs']} epochs"
    if "layers" in how:
        told += f", {how['layers']} layers, on a {how['device'].upper()}"
    return f"{told}, asked about {how['test_rows']:,} trusted rows"


def _table(found: Mapping[str, Any], title: str) -> Table:
    table = plain_table(title)
    for name in ("trained on", "rows", "accuracy, %", "macro-F1", "to baseline", "p"):
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


def _findings(found: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in _COMPARED if "to_baseline" in found.get(name, {})]
    for verdict, words in (("better", "better models"), ("worse", "WORSE models")):
        those = [name for name in names if found[name]["to_baseline"]["verdict"] == verdict]
        if those:
            yield f"{_and(those)}: {words} than by the labels as given."
        unsure = [name for name in those if found[name]["to_baseline"]["p"] >= _LARGEST_P]
        if unsure:
            yield (
                f"{_and(unsure)}: this is the average of {how['models']} trainings; one training"
                f" on all rows does not show it (p of {_LARGEST_P} or more)."
            )
    rest = [n for n in names if found[n]["to_baseline"]["verdict"] == "no difference shown"]
    if rest:
        yield (
            f"{_and(rest)}: not shown to help or to harm. The interval of the difference includes"
            f" 0; {how['test_rows']:,} rows cannot tell."
        )
    if not how["class_mix_matters"]:
        if "control" in found:
            yield "The class mix has no part in this: classes are weighted equally."
        return
    gained = [name for name in names if found[name]["to_baseline"]["verdict"] == "better"]
    beyond = [name for name in gained if found[name]["to_control"]["verdict"] == "better"]
    if beyond:
        yield f"{_and(beyond)}: better than the control, so not by the class mix alone."
    only = [name for name in gained if name not in beyond]
    if only:
        yield f"{_and(only)}: what is gained may be the class mix alone (see control)."


def _notes(found: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[str]:
    to_ceiling = found.get("ceiling", {}).get("to_baseline")
    if to_ceiling and to_ceiling["verdict"] == "better":
        most = to_ceiling["accuracy"]
        reached = {
            name: found[name]["to_baseline"]["accuracy"] / most
            for name in _COMPARED
            if name in found
        }
        best = max(reached, key=lambda name: reached[name])
        if reached[best] > 0:
            yield f"Of the way from baseline to ceiling, {best} goes {reached[best]:.0%}."
    each = ""
    if "parts" in how:
        each = f", each on {how['parts'] - 1} of {how['parts']} parts of the rows"
    yield (
        f"In brackets: 95% intervals over the trusted rows and {how['models']} trainings{each};"
        " not corrected for several comparisons. p: McNemar's exact test of one training on all"
        " rows."
    )


def _interval(figures: Mapping[str, Any], form: str) -> str:
    value, low, high = (100 * figures[f"accuracy{end}"] for end in ("", "_low", "_high"))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<.001"


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
