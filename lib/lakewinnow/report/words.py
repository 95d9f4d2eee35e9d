"""Numbers as a person would say them."""

from collections.abc import Iterator, Mapping
from typing import Any


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would give it in."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * share:.{digits}f}%"


def size(n_bytes: float) -> str:
    """Return a number of bytes in the unit that a person would give it in."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def verdict(n_issues: int, n_rows: int) -> str:
    """Return what a run says of the labels in a sentence."""
    if not n_issues:
        return f"None of {n_rows:,} labels looks wrong"
    return f"{n_issues:,} of {n_rows:,} labels look wrong ({n_issues / n_rows:.1%})"


def checks(summary: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return what the checks beside label issues found: a title and sentences for each."""
    told = []
    if "exact_duplicates" in summary:
        told.append(("Exact duplicates", list(_exact_duplicates(summary["exact_duplicates"]))))
    if "text" in summary:
        told.append(("Texts", list(_texts(summary["text"]))))
    if "pii" in summary:
        told.append(("Personal data", list(_personal_data(summary["pii"]))))
    if "drift" in summary:
        told.append(("Drift", list(drift(summary["drift"]))))
    return told


def _texts(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["rows"]:
        yield f"No text breaks one of the {len(found['rules']):,} rules."
        return
    yield f"{_rows(found['rows'])} with a rule broken. By rule, in the order of the rules:"
    for rule in found["rules"]:
        if rule["alone"]:
            left = f"{rule['before']:,} texts came to it and {rule['after']:,} passed"
            yield f"{rule['rule']}: {_rows(rule['alone'])}; {left}."


def _personal_data(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["rows"]:
        yield "None was found in the texts."
        return
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in found["rows_by_kind"].items() if n)
    yield f"{_rows(found['rows'])} with some in the text, by kind: {kinds}."


def drift(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what has drifted from what, a sentence for each comparison that has found something."""
    compared = found["comparisons"]
    if not compared:
        yield "Nothing was compared: too few rows."
        return
    drifted = [one for one in compared if one["detected"]]
    for one in drifted:
        what = "; ".join(_drifted(one))
        yield f"{one['of']} is unlike {one['against']}: {what}."
    n_tests = sum(len(one["tests"]) for one in compared)
    if not drifted:
        names = ", ".join(one["of"] for one in compared)
        yield (
            f"None found: {names} against {compared[0]['against']}, by {n_tests} tests that"
            f" together find some in {percent(found['false_alarms'], 0)} of the cases where there"
            " is none."
        )
    for what, reason in found["left_out"].items():
        yield f"Not compared: {what} ({reason})."


def _drifted(one: Mapping[str, Any]) -> Iterator[str]:
    for test in one["tests"]:
        if not test["is_drift"]:
            continue
        if test["kind"] == "text":
            text, name = one["texts"][test["name"]], test["name"].replace("_", " ")
            yield f"{name} (median {text['median']:g}, not {text['reference_median']:g})"
        elif test["kind"] == "labels":
            changed = [
                f"{name} {percent(of['share'])}, not {percent(of['reference_share'])}"
                for name, of in list(one["labels"]["changed"].items())[:3]
            ]
            yield f"labels (PSI {test['effect']:.2f}" + "".join(f"; {of}" for of in changed) + ")"
        elif test["kind"] == "classifier":
            yield f"embeddings (told apart with an AUC of {test['effect']:.2f})"
        elif test["kind"] == "distance":
            yield f"embeddings (energy distance {test['effect']:.2f})"
        else:
            yield f"label noise ({percent(test['effect'])} of the labels are given otherwise)"


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"


def _exact_duplicates(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["sets"]:
        yield "No two rows have the same text."
        return
    yield (
        f"{found['rows']:,} rows in {found['sets']:,} sets of equal texts,"
        f" {found['sets_whose_labels_differ']:,} of which have differing labels."
    )


def costs(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say what embedding took and cost, where something was embedded."""
    embedded = summary.get("embedding")
    if not embedded:
        return
    identity = embedded["identity"]
    yield (
        f"Embeddings: {embedded['embedded']:,} of {embedded['texts']:,} texts were new to the"
        f" store, by {identity['provider']} {identity['model']}, {identity['dimensions']:,}"
        " dimensions."
    )
    if embedded.get("cost_usd") is not None:
        yield f"They took {embedded['tokens']:,} tokens and cost {embedded['cost_usd']:,.4f} USD."
