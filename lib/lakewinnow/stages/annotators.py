"""Annotators: how often each is right, and what each says of rows of which class.

Reads    pred_probs/, noise_model.json, opinions/*
Writes   annotators.json; opinions_by_row/, a row for each row that somebody has an opinion on
Passes   2 over the opinions: how many each annotator has; by row. One over pred_probs/, for a
         sample of bounded size, which goes to one task
Shuffle  the opinions by row; the sample by row id (or opinions that are few are broadcast)

Who has said little is told apart from others of the kind only as far as there is room.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import ANNOTATION, FUNCTION, OPINION_TABLES
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.sparse import MOST_DENSE
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.opinions import Annotator
from lakewinnow.figures.opinions import Opinions as Figures
from lakewinnow.lake.corpus import accepted_probs
from lakewinnow.lake.opinions import read_opinions
from lakewinnow.lake.training.sample import smallest
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes import opinions as passes
from lakewinnow.spark.passes.opinions import BY_ROW, IS_CHOSEN, OTHERS, Annotators
from lakewinnow.spark.portable.unions import union

Counts: TypeAlias = Mapping[tuple[str, str], int]  # opinions by kind and name of the annotator

TABLE: Final = "opinions_by_row"
RECORD: Final = "annotators.json"
MOST_ANNOTATORS: Final = 100_000
_CELLS: Final = 2**20  # of all confusions: 8 MB, which travel to every task
_SAMPLED_CELLS: Final = 2_000_000  # probabilities of the sample
_SAMPLED_ROWS: Final = (5_000, 50_000)  # least and most
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
    n_classes, opinions = len(noise_model.classes), read_opinions(lake, kinds)
    counts = _counts(opinions)
    annotators = told_apart(counts, n_classes)
    lake.publish(TABLE, passes.by_row(opinions, annotators, n_classes), schema=BY_ROW)
    sample = _sample(lake, noise_model, has_functions=FUNCTION in kinds)
    model = passes.fit(sample, annotators, noise_model)
    lake.publish_json(RECORD, {"classes": noise_model.classes, **model.to_dict()})
    n_rows = lake.rows(TABLE)
    return StageReport(
        rows_in=sum(counts.values()),
        rows_out=n_rows,
        reads={"pred_probs": 1, **{OPINION_TABLES[kind]: 2 for kind in kinds}},
        writes=(RECORD, TABLE),
        figures=_figures(model, noise_model.classes, counts, n_rows),
    )


def _counts(opinions: DataFrame) -> Counts:
    """Count the opinions of each annotator, the most first."""
    counted = opinions.groupBy(c.ANNOTATOR_KIND, c.ANNOTATOR).count()
    found = counted.limit(MOST_ANNOTATORS + 1).collect()
    if len(found) > MOST_ANNOTATORS:
        expected, got = f"at most {MOST_ANNOTATORS:,} annotators", Shown("more")
        hint = "is that the column of annotators, or one of rows?"
        raise DataError("too_many_annotators", "input.annotations.annotator", expected, got, hint)
    return {(kind, name): n for kind, name, n in sorted(found, key=lambda of: (-of[2], *of[:2]))}


def told_apart(counts: Counts, n_classes: int) -> Annotators:
    """Return the annotators with a confusion of their own: of people, those of most opinions.

    Functions and models are few, and always told apart.

    Parameters
    ----------
    counts : the most first
    """
    room = max(_CELLS // n_classes**2, 1)
    people = [of for of in counts if of[0] == ANNOTATION]
    own = [*(of for of in counts if of[0] != ANNOTATION), *people[:room]]
    shared = [(ANNOTATION, OTHERS)] if len(people) > room else []
    both = sorted([*own, *shared])
    return Annotators(tuple(kind for kind, _ in both), tuple(name for _, name in both))


def _sample(lake: Lake, noise_model: NoiseModel, *, has_functions: bool) -> DataFrame:
    """Return so many rows of smallest hash, with what is said of them.

    Rows that somebody has an opinion on come first. Functions are asked about all rows, so where
    there are some, the others are a part of it, as far as there is room.
    """
    wanted = int(np.clip(_SAMPLED_CELLS // len(noise_model.classes), *_SAMPLED_ROWS))
    by_hash, said = F.xxhash64(c.ROW_ID, F.lit("opinions")), lake.read(TABLE)
    rows = accepted_probs(lake).select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    if not has_functions:
        return smallest(rows.join(said, c.ROW_ID), by_hash, lake.rows(TABLE), wanted)
    rows = rows.join(said, c.ROW_ID, "left")
    is_chosen = F.coalesce(F.col(IS_CHOSEN), F.lit(col=False))
    n_chosen = lake.files.count_true(TABLE, IS_CHOSEN)
    n_others, room = noise_model.n_rows - n_chosen, max(wanted - n_chosen, 0)
    chosen = smallest(rows.where(is_chosen), by_hash, n_chosen, wanted)
    return union(chosen, smallest(rows.where(~is_chosen), by_hash, n_others, room))


def _figures(model: OpinionModel, classes: Sequence[str], counts: Counts, n_rows: int) -> Figures:
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
    return Figures(
        n=sum(counts.values()),
        rows=n_rows,
        n_annotators=len(counts),
        wrong_labels=model.wrong_labels,
        classes=[*classes],
        annotators=found,
    )
