"""Annotators, rated by what they say: the model of all opinions, fitted to a sample of the rows.

Who has said little is told apart from others of the kind only as far as there is room.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import ANNOTATION, FUNCTION
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.corpus import accepted_probs
from lakewinnow.lake.training.sample import smallest
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.passes import opinions as passes
from lakewinnow.spark.passes.opinions import BY_ROW, IS_CHOSEN, OTHERS, Annotators
from lakewinnow.spark.portable.unions import union

Counts: TypeAlias = Mapping[tuple[str, str], int]  # opinions by kind and name of the annotator

MOST_ANNOTATORS: Final = 100_000
_CELLS: Final = 2**20  # of all confusions: 8 MB, which travel to every task
_SAMPLED_CELLS: Final = 2_000_000  # probabilities of the sample
_SAMPLED_ROWS: Final = (5_000, 50_000)  # least and most


def rate(
    lake: Lake, opinions: DataFrame, table: str, noise_model: NoiseModel
) -> tuple[OpinionModel, Counts]:
    """Fit the model; publish a table of `BY_ROW`, a row for each that somebody has an opinion on.

    Parameters
    ----------
    opinions : as of `read_opinions`

    Raises
    ------
    DataError : "too_many_annotators"
    """
    n_classes, counts = len(noise_model.classes), _counts(opinions)
    annotators = told_apart(counts, n_classes)
    lake.publish(table, passes.by_row(opinions, annotators, n_classes), schema=BY_ROW)
    has_functions = FUNCTION in annotators.kinds
    sample = _sample(lake, table, noise_model, has_functions=has_functions)
    return passes.fit(sample, annotators, noise_model), counts


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


def _sample(lake: Lake, table: str, noise_model: NoiseModel, *, has_functions: bool) -> DataFrame:
    """Return so many rows of smallest hash, with what is said of them.

    Rows that somebody has an opinion on come first. Functions are asked about all rows, so where
    there are some, the others are a part of it, as far as there is room.
    """
    wanted = int(np.clip(_SAMPLED_CELLS // len(noise_model.classes), *_SAMPLED_ROWS))
    by_hash, said = F.xxhash64(c.ROW_ID, F.lit("opinions")), lake.read(table)
    rows = accepted_probs(lake).select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    if not has_functions:
        return smallest(rows.join(said, c.ROW_ID), by_hash, lake.rows(table), wanted)
    rows = rows.join(said, c.ROW_ID, "left")
    is_chosen = F.coalesce(F.col(IS_CHOSEN), F.lit(col=False))
    n_chosen = lake.files.count_true(table, IS_CHOSEN)
    n_others, room = noise_model.n_rows - n_chosen, max(wanted - n_chosen, 0)
    chosen = smallest(rows.where(is_chosen), by_hash, n_chosen, wanted)
    return union(chosen, smallest(rows.where(~is_chosen), by_hash, n_others, room))
