"""What annotators say, in words and pictures: the same on the terminal and on a page."""

from collections.abc import Iterator
from typing import Final

from lakewinnow.config.sections import ANNOTATION, FUNCTION, LLM
from lakewinnow.figures.opinions import Annotator, Asked, Opinions
from lakewinnow.plan.words import counted
from lakewinnow.report import charts
from lakewinnow.report.charts import Picture
from lakewinnow.report.words import percent

KINDS: Final = {ANNOTATION: "person", FUNCTION: "function", LLM: "language model"}


def show_labels(found: Opinions | None) -> bool:
    """Whether opinions show which labels are wrong: functions alone do not."""
    return found is not None and any(of.kind != FUNCTION for of in found.annotators)


def sentences(found: Opinions | None) -> Iterator[str]:
    """Say how many opinions there are, and how good those who gave them and the labels are."""
    if found is None:
        return
    if not found.n:
        yield "Opinions: no annotator has any"
        return
    opinions, rows = counted(found.n, "opinion"), counted(found.rows, "row")
    annotators = counted(found.n_annotators, "annotator")
    yield f"Opinions: {annotators} gave {opinions} on {rows}. {_quality(found)}"


def asking(found: Asked | None) -> Iterator[str]:
    """Say what asking about the rows of ask/ is expected to gain, if that is a label at least."""
    if found is not None and round(found.gain):
        yield (
            f"ask/: one more opinion on each of these {counted(found.rows, 'row')} would put about"
            f" {found.gain:,.0f} more labels right; on as many at random, {found.by_chance:,.0f}"
        )


def _quality(found: Opinions) -> str:
    """Say how often the best and the worst annotator are right, and the given labels."""
    best_first = sorted(found.annotators, key=lambda of: -of.quality)
    best, worst = best_first[0], best_first[-1]
    range_ = f"The best, {name(best)}, is right in {percent(best.quality, 0)} of cases"
    if len(best_first) > 1:
        range_ += f", the worst, {name(worst)}, in {percent(worst.quality, 0)}"
    return (
        f"{range_}; the given labels, as far as they show, in {percent(1 - found.wrong_labels, 0)}"
    )


def name(of: Annotator) -> str:
    """Return the annotator's name, or what stands for several."""
    return of.annotator or "others"


def confusions(found: Opinions | None) -> list[tuple[Annotator, Picture]]:
    """Return what annotators say of rows of each class, where that is in the summary."""
    if found is None:
        return []
    return [
        (
            of,
            charts.heat_map(
                of.confusion, found.classes, across="true label", down=f"{name(of)} says"
            ),
        )
        for of in found.annotators
        if of.confusion is not None
    ]
