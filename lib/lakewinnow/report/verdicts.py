"""Whether cleaning helps, in words: the same on the terminal and on a page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_LARGEST_P: Final = 0.05
_COMPARED: Final = ("dropped", "fixed", "soft", "reviewed", "clean")


def of_models(found: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[str]:
    """Say which versions of the labels make better models, and how sure that is.

    Parameters
    ----------
    found : what was measured, by version: ``evaluate`` or ``finetune`` of the summary
    how : of how many models and rows: ``comparison`` or ``finetuning`` of the summary
    """
    yield from _failures(how)
    yield from _differences(found, how)
    yield from _class_mix(found, how)
    yield from _gain_of_perfect_labels(found)
    parts = how.get("parts")
    each = f", each trained on {parts - 1} of {parts} parts of the rows" if parts else ""
    yield (
        f"In brackets: 95% intervals over the trusted rows and {how['models']} models{each}; not"
        " corrected for several comparisons. p: McNemar's exact test of one model that was trained"
        " on all rows."
    )


def of_detection(found: Mapping[str, Any]) -> Iterator[str]:
    """Say how many of the errors that `evaluate.reference` shows were found."""
    if found["errors"]:
        yield (
            f"{found['found']:,} of the {found['errors']:,} label errors in evaluate.reference were"
            f" found (recall {found['recall']:.2f}, precision {found['precision'] or 0:.2f},"
            f" AUROC {found['auroc']:.3f})"
        )
        yield (
            f"The suggested labels would correct {found['fixed_right']:.0%} of the errors and"
            f" spoil {found['harmed'] or 0:.0%} of the right labels"
        )


def _failures(how: Mapping[str, Any]) -> Iterator[str]:
    for failure in how.get("failed", ()):
        yield f"There is no model of {failure}"
    for name, n in how.get("unmapped", {}).items():
        if n:
            yield f"{n:,} answers of {name} name no class; they count as wrong."


def _differences(found: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[str]:
    for verdict in ("better", "worse"):
        names = _with_verdict(found, "to_baseline", verdict)
        if names:
            yield f"{_and(names, 'gives', 'give')} {verdict} models than the labels as given."
        unsure = [name for name in names if found[name]["to_baseline"]["p"] >= _LARGEST_P]
        if unsure:
            yield (
                f"{_and(unsure)}: this is the average of {how['models']} models. One model trained"
                f" on all rows does not show it (p of {_LARGEST_P} or more)."
            )
    unclear = _with_verdict(found, "to_baseline", "no difference shown")
    if unclear:
        yield (
            f"{_and(unclear)}: not shown to help or to harm. The interval of the difference"
            f" includes 0; {how['test_rows']:,} rows are too few to tell."
        )


def _class_mix(found: Mapping[str, Any], how: Mapping[str, Any]) -> Iterator[str]:
    if not how["class_mix_matters"]:
        if "control" in found:
            yield "The class mix has no part in this, because classes are weighted equally."
        return
    better = _with_verdict(found, "to_baseline", "better")
    beyond = [name for name in _with_verdict(found, "to_control", "better") if name in better]
    if beyond:
        yield (
            f"{_and(beyond, 'is', 'are')} better than the control, so the gain is not from the"
            " class mix alone."
        )
    only = [name for name in better if name not in beyond]
    if only:
        yield f"{_and(only)}: the gain may be from the class mix alone (see control)."


def _gain_of_perfect_labels(found: Mapping[str, Any]) -> Iterator[str]:
    ceiling = found.get("ceiling", {}).get("to_baseline")
    if not ceiling or ceiling["verdict"] != "better":
        return
    gains = {
        name: found[name]["to_baseline"]["accuracy"]
        for name in _COMPARED
        if "to_baseline" in found.get(name, {})
    }
    best = max(gains, key=lambda name: gains[name], default=None)
    if best is not None and gains[best] > 0:
        share = gains[best] / ceiling["accuracy"]
        yield f"{best} brings {share:.0%} of what correct labels would bring (ceiling)."


def _with_verdict(found: Mapping[str, Any], to: str, verdict: str) -> list[str]:
    return [name for name in _COMPARED if found.get(name, {}).get(to, {}).get("verdict") == verdict]


def _and(names: Sequence[str], one: str = "", several: str = "") -> str:
    if len(names) == 1:
        return f"{names[0]} {one}".rstrip()
    return f"{', '.join(names[:-1])} and {names[-1]} {several}".rstrip()
