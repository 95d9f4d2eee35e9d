"""Which rows are compared with which: groups of rows, and pairs of sides that are made of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.core.drift.comparison import LEAST_ROWS, ComparedRows
from lakewinnow.core.drift.histograms import COUNTS, N_BINS, WORD_LENGTH, bins
from lakewinnow.core.states import Arrays
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.redaction import Rewrite, group_name
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.passes import states
from lakewinnow.spark.portable import expressions as portable

MOST_GROUPS: Final = 12  # values of a column, those of most rows
REST: Final = "the other rows"
GROUP: Final = "group"
CELL: Final = "cell"  # a side of a pair: 2 × pair, the reference's one more
_IS_DATE: Final = r"^\d{4}-\d{2}-\d{2}"
_MONTH: Final = 7  # characters: 2026-02

_SPACE: Final = r"\s\p{Z}\p{Cc}"
_PATTERNS: Final[Mapping[str, str]] = {  # of RE2
    "words": rf"[^{_SPACE}]+",
    "digits": r"\p{Nd}",
    "punctuation": r"[\p{P}\p{S}]",
    "upper_case": r"\p{Lu}",
    "non_ascii": r"[^\x00-\x7f]",
}


@dataclass(frozen=True)
class Pair:
    """Rows of one group, and the groups that they are compared with."""

    name: str
    against: str
    new: int
    reference: tuple[int, ...]

    @property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Groups of either side."""
        return (self.new,), self.reference


@dataclass(frozen=True)
class Groups:
    """Rows, each of one group."""

    rows: DataFrame  # row_id, text_key, text, given_label, group
    n_groups: int  # groups are 0 .. n_groups - 1
    pairs: tuple[Pair, ...]  # what is compared
    n_left_out: int = 0  # groups that are too many or too small, whose rows are among the others


def of_two(lake: Lake, reference: Lake, name: str) -> Groups:
    """Return the rows of a run as one group, and those it is compared with as the other."""
    rows = [
        accepted(of).select(c.ROW_ID, c.TEXT_KEY, c.TEXT, c.GIVEN_LABEL, F.lit(group).alias(GROUP))
        for group, of in enumerate((lake, reference))
    ]
    return Groups(rows[0].unionByName(rows[1]), 2, (Pair("this run", name, 0, (1,)),))


def by_column(lake: Lake, name: str, rewrites: Sequence[Rewrite] = ()) -> Groups:
    """Split the rows by a column: each value is compared with all other rows.

    A value that begins with a date, 2026-02-21, is taken as its month. Of two values the second is
    compared with the first. Rows without a value, of values beyond `MOST_GROUPS` and of values that
    have fewer than `LEAST_ROWS` rows are among the others of each.
    """
    rows = accepted(lake)
    schema = StructType.fromJson(lake.figures("ingest", Ingested).input_columns)
    text = portable.as_text(F.col(c.SOURCE).getField(name), schema[name].dataType)
    value = F.when(text.rlike(_IS_DATE), F.substring(text, 1, _MONTH)).otherwise(text)
    counts = rows.groupBy(value.alias("value")).count()
    some = counts.orderBy(F.desc("count"), "value").limit(MOST_GROUPS + 2).collect()
    n_values = counts.where("value is not null").count()
    names = [row[0] for row in some if row[0] is not None and row[1] >= LEAST_ROWS]
    names = sorted(names[:MOST_GROUPS])
    index = F.array_position(F.array(*map(F.lit, names)), value) if names else F.lit(0)
    group = F.when(F.coalesce(index, F.lit(0)) > 0, index - 1).otherwise(len(names)).cast("int")
    grouped = rows.select(c.ROW_ID, c.TEXT_KEY, c.TEXT, c.GIVEN_LABEL, group.alias(GROUP))
    n_others = sum(row[1] for row in some if row[0] not in names)
    everything = range(len(names) + 1)
    shown = [group_name(value, rewrites) for value in names]
    pairs = [
        Pair(value, REST, i, tuple(j for j in everything if j != i))
        for i, value in enumerate(shown)
    ]
    if len(names) == 2 and not n_others:
        pairs = [Pair(shown[1], shown[0], 1, (0,))]
    elif len(names) == 1 and n_others < LEAST_ROWS:
        pairs = []
    return Groups(grouped, len(everything), tuple(pairs), n_values - len(names))


def texts_of(groups: Groups) -> DataFrame:
    """Return each distinct text, with its rows, smallest row id and first label in each group."""
    of_group = [F.col(GROUP) == i for i in range(groups.n_groups)]
    counts = [F.count_if(is_in).alias(_n(i)) for i, is_in in enumerate(of_group)]
    ids = [F.min(F.when(is_in, F.col(c.ROW_ID))).alias(_id(i)) for i, is_in in enumerate(of_group)]
    names = [
        F.min(F.when(is_in, F.col(c.GIVEN_LABEL))).alias(_label(i))
        for i, is_in in enumerate(of_group)
    ]
    return groups.rows.groupBy(c.TEXT_KEY).agg(*counts, *ids, *names)


def _n(group: int) -> str:
    return f"n{group}"


def _id(group: int) -> str:
    return f"id{group}"


def _label(group: int) -> str:
    return f"label{group}"


def _rows_in(side: Sequence[int]) -> Column:
    return reduce(add, (F.col(_n(group)) for group in side))


def on_sides(texts: DataFrame, groups: Groups) -> DataFrame:
    """Return (text_key, cell, row_id, given_label): a text once on each side that has it."""
    sides = [side for pair in groups.pairs for side in pair.sides]
    there = [
        F.when(
            _rows_in(side) > 0,
            F.struct(
                F.lit(cell).alias(CELL),
                F.coalesce(*(_id(i) for i in side)).alias(c.ROW_ID),
                F.coalesce(*(_label(i) for i in side)).alias(c.GIVEN_LABEL),
            ),
        )
        for cell, side in enumerate(sides)
    ]
    exploded = texts.select(c.TEXT_KEY, F.explode(F.array_compact(F.array(*there))).alias("on"))
    return exploded.select(c.TEXT_KEY, "on.*")


def count(
    groups: Groups, texts: DataFrame, classes: Sequence[str], *, has_text: bool
) -> tuple[list[str], list[tuple[ComparedRows, ComparedRows]]]:
    """Count everything but vectors.

    Returns
    -------
    the classes, this run's first, and both sides of each pair
    """
    counted = groups.rows.groupBy(GROUP, c.GIVEN_LABEL).count().collect()
    names = [*classes, *sorted({row[1] for row in counted} - set(classes))]
    at = {name: i for i, name in enumerate(names)}
    labels = np.zeros((groups.n_groups, len(names)), np.int64)
    for group, name, n in counted:
        labels[group, at[name]] = n
    sides = [side for pair in groups.pairs for side in pair.sides]
    figures = [
        of
        for side in sides
        for of in (F.count_if(_rows_in(side) > 0), F.sum(_rows_in(side) * _rows_in(side)))
    ]
    found = np.array(texts.agg(*figures).collect()[0], np.int64).reshape(-1, 2)
    histograms = _histograms(groups) if has_text else {}
    made = [
        ComparedRows(
            labels[list(side)].sum(axis=0),
            int(n_texts),
            int(n_squared),
            {name: counts[list(side)].sum(axis=0) for name, counts in histograms.items()},
        )
        for side, (n_texts, n_squared) in zip(sides, found, strict=True)
    ]
    return names, list(zip(made[::2], made[1::2], strict=True))


def _histograms(groups: Groups) -> dict[str, IntArray]:
    zeros = {name: np.zeros((groups.n_groups, n_bins), np.int64) for name, n_bins in N_BINS.items()}
    scan = partial(scan_texts, n_groups=groups.n_groups)
    return states.total(groups.rows.select(c.TEXT, GROUP), scan, zeros)


def scan_texts(batches: Iterable[pa.RecordBatch], n_groups: int) -> Arrays:
    """Count the texts' numbers by group and bin, shape (groups, bins) each."""
    found = {name: np.zeros((n_groups, n_bins), np.int64) for name, n_bins in N_BINS.items()}
    for batch in batches:
        groups = batch.column(GROUP).to_numpy().astype(np.int64)
        for name, values in numbers(batch.column(c.TEXT)).items():
            cells = groups * N_BINS[name] + bins(name, values)
            found[name] += np.bincount(cells, minlength=found[name].size).reshape(n_groups, -1)
    return found


def numbers(texts: pa.Array) -> dict[str, FloatArray]:
    """Return each text's numbers: characters, words, shares of the characters, mean word length.

    White space separates words, whatever the language; in one that writes without it, Chinese, say,
    a sentence is a word, and both sides have such.
    """
    n_characters = _as_float(pc.utf8_length(texts))
    counts = {
        name: _as_float(pc.count_substring_regex(texts, pattern=pattern))
        for name, pattern in _PATTERNS.items()
    }
    n_inked = _as_float(pc.count_substring_regex(texts, pattern=rf"[^{_SPACE}]"))
    length = np.maximum(n_characters, 1)
    found = {"characters": n_characters, "words": counts["words"]}
    found |= {name: n / length for name, n in counts.items() if name not in COUNTS}
    return found | {WORD_LENGTH: n_inked / np.maximum(counts["words"], 1)}


def _as_float(column: pa.Array) -> FloatArray:
    numbers_: FloatArray = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers_
