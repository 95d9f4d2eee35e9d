"""What the figures come to, in words: the same on the terminal and on a page."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lakewinnow.figures.labels import NoiseFound
from lakewinnow.figures.models import (
    BETTER,
    NOT_SHOWN,
    WORSE,
    Comparison,
    Detection,
    Difference,
    Finetuning,
    Variant,
)
from lakewinnow.figures.rows import REVIEW_SAMPLE, Unlabelled
from lakewinnow.figures.summary import Summary
from lakewinnow.plan.words import counted
from lakewinnow.report.words import percent

_LARGEST_P: Final = 0.05
_NOT_LABELLED: Final[Mapping[str, str]] = {
    "not_asked": (
        "nothing is promised about one: set clean.label_issues: fix, clean.fix_at_most_wrong, and"
        " clean.checked_label, a column with the right label of rows that people checked"
    ),
    "issues_alone": (
        "the review sample is of label issues, which such rows are unlike: check a random sample of"
        " all rows (clean.checked_label, or clean.decisions_at_random)"
    ),
}
_COMPARED: Final = ("dropped", "fixed", "soft", "reviewed", "clean")


def of_noise(found: NoiseFound | None, *, has_opinions: bool = False) -> Iterator[str]:
    """Say whether labels are shown to be wrong, and on which assumption; else what would help.

    Parameters
    ----------
    has_opinions : whether annotators have some, which show it too
    """
    if found is None:
        return
    if found.is_shown:
        yield (
            f"As far as the classifier can tell, {percent(found.wrong_labels)} of the labels are"
            " wrong. Wrong labels that only hard texts have are counted in part."
        )
    elif has_opinions:
        yield (
            f"Only opinions show which labels are wrong: {found.why}. So another label is suggested"
            " for rows alone that annotators have an opinion on. What helps: more opinions (ask/"
            " has the rows of which one is worth most), or a better embedding or classifier."
        )
    else:
        yield (
            f"Nothing shows which labels are wrong: {found.why}. So no label is suggested in place"
            " of a given one. What helps: more rows, a better embedding or classifier, or rows that"
            " people checked (lakewinnow review draw)."
        )


def of_models(found: Mapping[str, Variant], how: Comparison) -> Iterator[str]:
    """Say which versions of the labels make better models, and how sure that is.

    Parameters
    ----------
    found : by version: ``evaluate`` or ``finetune`` of the summary
    how : ``comparison`` or ``finetuning`` of the summary
    """
    yield from _failures(how)
    yield from _differences(found, how)
    yield from _class_mix(found, how)
    yield from _gain_of_correct_labels(found)
    each = (
        f", each trained on {how.parts - 1} of {how.parts} parts of the rows" if how.parts else ""
    )
    yield (
        f"In brackets: 95% intervals over the trusted rows and {counted(how.models, 'model')}"
        f"{each}; not corrected for several comparisons. p: McNemar's exact test of one model that"
        " was trained on all rows."
    )


def of_promise(summary: Summary) -> Iterator[str]:
    """Say what checked rows show about those that nobody checked, and what that rests on."""
    found = summary.promise
    if found is None:
        n_fixed = summary.decisions.get("fix", 0) - (summary.own_decisions or {}).get("fix", 0)
        n_dropped = summary.dropped.get("label issues", 0)
        if n_fixed or n_dropped:
            n, done, keys = n_fixed, "fixed", "fix and clean.fix_at_most_wrong"
            if not n_fixed:
                n, done = n_dropped, "dropped for their label"
                keys = "drop and clean.drop_at_most_good"
            yield (
                f"Nothing is promised about the rows {done} ({n:,}). For a promise have people"
                " check a sample (lakewinnow review draw), name it in clean.decisions, and set"
                f" clean.label_issues: {keys}"
            )
        return
    is_fix = found.setting.endswith("fix_at_most_wrong")
    done, what = ("fixed", "a wrong new label") if is_fix else ("dropped", "a right label")
    most, sure = f"{100 * found.at_most:g}%", f"{100 * found.confidence:g}%"
    so_far = f"{found.bad:,} of {counted(found.checked, 'checked row')}"
    if found.doubt is None:
        yield (
            f"{found.setting}: nothing can be promised, so no row is {done} for its label: {so_far}"
            f" would have had {what}. To show with {sure} confidence that at most {most} have one,"
            f" it takes about {found.needed} checked label issues without one, or more with some"
        )
        return
    cut = f"given_label_prob up to {found.doubt:.10g}"
    if is_fix:
        cut = f"suggested_prob from {1 - found.doubt:.10g}"
    column = "clean.checked_label" if "checked" in found.sampled else "clean.decisions"
    assumed = f"that the rows in {column} are a random sample of the input"
    if found.sampled == REVIEW_SAMPLE:
        assumed = "that people did not choose which rows of the review sample to answer"
    yield (
        f"{found.setting}: with {sure} confidence at most {most} of {counted(found.rows, 'row')}"
        f" have {what}, those {done} with {cut}: {so_far} there had one. This assumes {assumed}"
    )


def of_unlabelled(found: Unlabelled | None) -> Iterator[str]:
    """Say how many rows without a label got one, what is promised of it, and why others did not."""
    if found is None or not found.rows:
        return
    key, out = "input.unlabelled", f"{counted(found.stay_out, 'row', 'stays')} in quarantine/"
    if found.labelled_by_people:
        n = counted(found.labelled_by_people, "row", "has", of=found.rows)
        yield f"{key}: {n} a label that people gave"
    promise = found.promise
    if promise is None:
        yield f"{key}: {out} without a label, because {_NOT_LABELLED[found.why or '']}"
        return
    most, sure = f"{100 * promise.at_most:g}%", f"{100 * promise.confidence:g}%"
    so_far = f"{promise.bad:,} of {counted(promise.checked, 'checked row')}"
    if promise.doubt is None:
        yield (
            f"{key}: no row gets the predicted label, and {out}, because nothing can be promised:"
            f" {so_far} would have had a wrong one. To show with {sure} confidence that at most"
            f" {most} have one, it takes about {promise.needed} checked rows without one, or more"
            " with some"
        )
        return
    yield (
        f"{key}: {counted(found.labelled, 'row', 'gets', of=promise.of)} the predicted label, those"
        f" with predicted_prob from {1 - promise.doubt:.10g}. With {sure} confidence at most {most}"
        f" of these are wrong: {so_far} there had a wrong one. {out}"
    )
    yield (
        f"{key}: this assumes that rows lack a label by chance, so that they are like the checked"
        f" ones: {percent(promise.rows / promise.of)} of them are as sure as that, and"
        f" {percent(promise.checked / found.checked)} of the checked rows"
    )


def of_detection(found: Detection | None) -> Iterator[str]:
    """Say how many of the errors that `evaluate.reference` shows were found."""
    if found is None or not found.errors:
        return
    yield (
        f"evaluate.reference: {counted(found.found, 'label error', 'was', of=found.errors)} found"
        f" (recall {found.recall or 0:.2f}, precision {found.precision or 0:.2f},"
        f" AUROC {found.auroc or 0:.3f})"
    )
    yield (
        f"The suggested labels would correct {found.fixed_right or 0:.0%} of the errors and spoil"
        f" {found.harmed or 0:.0%} of the right labels"
    )


def _failures(how: Comparison) -> Iterator[str]:
    if not isinstance(how, Finetuning):
        return
    for failure in how.failed:
        yield f"No model was trained on {failure}"
    for name, n in (how.unmapped or {}).items():
        if n:
            answers = counted(n, "answer")
            yield f"The model trained on {name} gave {answers} of no class, which count as wrong."


def _differences(found: Mapping[str, Variant], how: Comparison) -> Iterator[str]:
    to_baseline = _to_baseline(found)
    for verdict in (BETTER, WORSE):
        those = _with(verdict, to_baseline)
        if those:
            yield f"{_and(those, 'gives', 'give')} {verdict} models than the labels as given."
        unsure = [name for name, to in those.items() if to.p is not None and to.p >= _LARGEST_P]
        if unsure:
            yield (
                f"{_and(unsure)}: this is the average of {counted(how.models, 'model')}. One model"
                f" trained on all rows does not show it (p of {_LARGEST_P} or more)."
            )
    unclear = _with(NOT_SHOWN, to_baseline)
    if unclear:
        yield (
            f"{_and(unclear)}: not shown to help or to harm. The interval of the difference"
            f" includes 0; {counted(how.test_rows, 'row', 'is')} too few to tell."
        )


def _class_mix(found: Mapping[str, Variant], how: Comparison) -> Iterator[str]:
    if not how.class_mix_matters:
        if "control" in found:
            yield "The class mix plays no part in this, because classes are weighted equally."
        return
    better = _with(BETTER, _to_baseline(found))
    beyond = _with(BETTER, {name: found[name].to_control for name in better})
    if beyond:
        yield (
            f"{_and(beyond, 'is', 'are')} better than the control, so the gain is not from the"
            " class mix alone."
        )
    only = [name for name in better if name not in beyond]
    if only:
        yield f"{_and(only)}: the gain may be from the class mix alone (see control)."


def _gain_of_correct_labels(found: Mapping[str, Variant]) -> Iterator[str]:
    ceiling = found["ceiling"].to_baseline if "ceiling" in found else None
    if ceiling is None or ceiling.verdict != BETTER:
        return
    gains = {name: to.accuracy for name, to in _to_baseline(found).items() if to is not None}
    best = max(gains, key=lambda name: gains[name], default=None)
    if best is not None and gains[best] > 0:
        share = gains[best] / ceiling.accuracy
        yield f"{best} brings {share:.0%} of what correct labels would bring (ceiling)."


def _to_baseline(found: Mapping[str, Variant]) -> dict[str, Difference | None]:
    return {name: found[name].to_baseline for name in _COMPARED if name in found}


def _with(verdict: str, by_version: Mapping[str, Difference | None]) -> dict[str, Difference]:
    return {name: to for name, to in by_version.items() if to is not None and to.verdict == verdict}


def _and(versions: Iterable[str], one: str = "", several: str = "") -> str:
    names = list(versions)
    if len(names) == 1:
        return f"{names[0]} {one}".rstrip()
    return f"{', '.join(names[:-1])} and {names[-1]} {several}".rstrip()
