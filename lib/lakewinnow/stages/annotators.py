"""Annotators: how often each is right, and what each says of rows of which class.

Reads    pred_probs/, noise_model.json, opinions/*
Writes   annotators.json; opinions_by_row/, a row for each row that somebody has an opinion on
Passes   2 over the opinions: how many each annotator has; by row. One over pred_probs/, for a
         sample of bounded size, which goes to one task
Shuffle  the opinions by row; the sample by row id (or opinions that are few are broadcast)
"""

from collections.abc import Sequence
from typing import Final

from lakewinnow.config.sections import ANNOTATION, OPINION_TABLES
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.sparse import MOST_DENSE
from lakewinnow.errors import DataError
from lakewinnow.figures.opinions import Annotator
from lakewinnow.figures.opinions import Opinions as Figures
from lakewinnow.lake.annotators import Counts, rate
from lakewinnow.lake.opinions import read_opinions
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes.opinions import OTHERS

TABLE: Final = "opinions_by_row"
RECORD: Final = "annotators.json"
# What summary.json has, and up to how many classes of each confusion
_SHOWN: Final = 100
_WITH_CONFUSION: Final = 20
_MOST_IN_MATRIX: Final = 24


def check(n_classes: int) -> None:
    """Raise DataError "too_many_classes"."""
    if n_classes > MOST_DENSE:
        expected = f"at most {MOST_DENSE:,} classes where annotators have opinions"
        hint = "leave out input.annotations, opinions.functions and opinions.llm"
        raise DataError("too_many_classes", "input.label", expected, n_classes, hint)


def run(lake: Lake, kinds: Sequence[str]) -> StageReport[Figures]:
    """Rate the annotators.

    Parameters
    ----------
    kinds : of annotators that have opinions

    Raises
    ------
    DataError : "too_many_annotators"
    """
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    model, counts = rate(lake, read_opinions(lake, kinds), TABLE, noise_model)
    lake.publish_json(RECORD, {"classes": noise_model.classes, **model.to_dict()})
    n_rows = lake.rows(TABLE)
    return StageReport(
        rows_in=sum(counts.values()),
        rows_out=n_rows,
        reads={"pred_probs": 1, **{OPINION_TABLES[kind]: 2 for kind in kinds}},
        writes=(RECORD, TABLE),
        figures=_figures(model, noise_model, counts, n_rows),
    )


def _figures(model: OpinionModel, noise_model: NoiseModel, counts: Counts, n_rows: int) -> Figures:
    classes = noise_model.classes
    quality, has_matrix = model.quality(), len(classes) <= _MOST_IN_MATRIX
    n = dict(counts)
    apart = set(zip(model.kinds, model.annotators, strict=True))
    n[ANNOTATION, OTHERS] = sum(number for of, number in counts.items() if of not in apart)
    by_number = sorted(
        range(len(model.kinds)), key=lambda a: -n[model.kinds[a], model.annotators[a]]
    )
    found = []
    for place, a in enumerate(by_number[:_SHOWN]):
        says = model.confusion[a]
        is_shown = has_matrix and place < _WITH_CONFUSION
        found.append(
            Annotator(
                annotator=model.annotators[a],
                kind=model.kinds[a],
                n=n[model.kinds[a], model.annotators[a]],
                quality=float(quality.share[a]),
                quality_low=float(quality.low[a]),
                quality_high=float(quality.high[a]),
                worst_class=classes[int((says.diagonal() / says.sum(axis=0)).argmin())],
                confusion=says.round(4).tolist() if is_shown else None,
            )
        )
    wrong, wrong_by_doubts = (of(noise_model).wrong for of in (Posterior.of, Posterior.doubting))
    return Figures(
        n=sum(counts.values()),
        rows=n_rows,
        n_annotators=len(counts),
        wrong_labels=(1 - model.doubt) * wrong + model.doubt * wrong_by_doubts,
        classes=[*classes],
        annotators=found,
    )
