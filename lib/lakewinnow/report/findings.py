"""What the checks beside label issues found, in words: the same on the terminal and on a page."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lakewinnow.report.words import percent

_SHOWN_RULES: Final = 5
_LEAST_P: Final = 0.001
# By kind of a test of drift: what it looks at, and what it measures.
_TESTS: Final[Mapping[str, tuple[str, str]]] = {
    "labels": ("labels", "PSI"),
    "text": ("texts: {}", "gap"),
    "classifier": ("embeddings, told apart", "AUC"),
    "distance": ("embeddings, apart", "energy distance"),
    "noise": ("label noise", "share"),
}


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    title: str  # of the check
    is_any: bool  # whether it found something
    lines: tuple[str, ...]  # sentences; the first says it all, the others more of it


def of_checks(summary: Mapping[str, Any]) -> list[Finding]:
    """Return what each check found that the run made.

    Parameters
    ----------
    summary : the content of summary.json
    """
    told = []
    for key, (title, nothing, lines_of) in _CHECKS.items():
        if key in summary:
            lines = tuple(lines_of(summary[key], summary["label_issues"]["rows"]))
            told.append(Finding(title, bool(lines), lines or (nothing,)))
    if "drift" in summary:  # whoever asks for this wants to hear that there is none, too
        told.append(Finding("Drift", is_any=True, lines=tuple(drift(summary["drift"]))))
    return told


def _outliers(found: Mapping[str, Any], n_rows: int) -> Iterator[str]:
    if not found["rows"]:
        return
    rows = f"{found['rows']:,} of {n_rows:,} rows"
    if found["by"] == "pred_probs":
        yield f"{rows} have probabilities that point nowhere ({found['method']})"
        return
    of = f" (compared with {found['reference_texts']:,} texts of {found['texts']:,})"
    sampled = of if found["reference_texts"] < found["texts"] else ""
    yield (
        f"{rows} are farther than {found['cutoff']:.2f} from their {found['k']} nearest,"
        f" where {found['median']:.2f} is common{sampled}"
    )


def _imbalance(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if found["rare"]:
        names = ", ".join(found["rare"])
        yield f"{names} (the rarest has {found['share']:.2%} of the rows)"


def _nulls(found: Mapping[str, Any], _: int) -> Iterator[str]:
    missing = sorted(found["columns"].items(), key=lambda item: -item[1])
    shares = ", ".join(f"{share:.1%} of {name}" for name, share in missing[:3] if share)
    if shares:
        yield f"{shares}; {found['rows']:,} rows have none at all"


def _order(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if found["rows"]:
        yield (
            f"it matters by {found['by']}: rows that are alike come together"
            f" (p = {found['p_value']:.3f})"
        )


def _groups(found: Mapping[str, Any], _: int) -> Iterator[str]:
    for group in found.get("worst", ()):
        if group["is_issue"]:
            yield (
                f"{group['rows']:,} rows of {group['by']} {group['group']}, whose confidence is"
                f" {group['score']:.2f} of that of all"
            )


def _values(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if found["rows"]:
        rows = f"{found['rows']:,} of {found['judged']:,} rows"
        yield f"{rows} do more harm than good to a classifier by neighbours"


def _duplicates(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if found["sets"]:
        yield (
            f"{found['rows']:,} rows in {found['sets']:,} sets,"
            f" {found['sets_whose_labels_differ']:,} of which have differing labels"
        )


def _texts(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if not found["rows"]:
        return
    broken = sorted((-of["alone"], of["rule"]) for of in found["rules"] if of["alone"])
    rules = ", ".join(f"{-n:,} {name}" for n, name in broken[:_SHOWN_RULES])
    more = " …" if len(broken) > _SHOWN_RULES else ""
    yield f"{_rows(found['rows'])} with a rule broken ({rules}{more})"
    for rule in found["rules"]:
        if rule["alone"]:
            left = f"{rule['before']:,} texts came to it and {rule['after']:,} passed"
            yield f"{rule['rule']}: {_rows(rule['alone'])}; {left}"


def _personal_data(found: Mapping[str, Any], _: int) -> Iterator[str]:
    if found["rows"]:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in found["rows_by_kind"].items() if n)
        yield f"in the texts of {_rows(found['rows'])} ({kinds})"


def _rows(n: int) -> str:
    return "1 row" if n == 1 else f"{n:,} rows"


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


def drift_test(test: Mapping[str, Any]) -> tuple[str, str, str]:
    """Say what a test of drift looks at, what it has measured, and how likely that is by chance."""
    what, measure = _TESTS[test["kind"]]
    p = test["adjusted_p"]
    return (
        what.format(test["name"].replace("_", " ")),
        f"{measure} {test['effect']:.3f}",
        f"{p:.3f}" if p >= _LEAST_P else f"< {_LEAST_P}",
    )


# By key of the summary: the title, what is said where nothing was found, and what else is.
_CHECKS: Final[Mapping[str, tuple[str, str, Callable[[Mapping[str, Any], int], Iterator[str]]]]] = {
    "outliers": ("Outliers", "no row is far from all others", _outliers),
    "imbalance": ("Rare classes", "there are none", _imbalance),
    "nulls": ("Missing values", "no column has any", _nulls),
    "non_iid": ("The order of the rows", "it does not matter", _order),
    "groups": ("Underperforming", "no group does much worse than all", _groups),
    "valuation": ("Of low value", "no row does more harm than good", _values),
    "exact_duplicates": ("Exact duplicates", "no two rows have the same text", _duplicates),
    "near_duplicates": ("Near duplicates", "no two texts are alike", _duplicates),
    "text": ("Texts", "no text breaks a rule", _texts),
    "pii": ("Personal data", "none was found in the texts", _personal_data),
}
