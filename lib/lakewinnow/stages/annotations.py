"""Annotations: which opinions the table of `input.annotations` has on the rows of the input.

Reads    the table of annotations, corpus/
Writes   opinions/annotations/, an opinion each
Passes   3 over the annotations, each joined with the ids of the corpus: what cannot be used is
         counted; what can is written; contradictions are counted
Shuffle  one by row id in each pass (the ids of a small corpus are broadcast), one by opinion

Nothing is guessed: what cannot be used, or is said both ways, is counted and left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from lakewinnow import columns as c
from lakewinnow.config.sections import ANNOTATION, OPINION_TABLES, InputConfig
from lakewinnow.errors import DataError, Shown, did_you_mean
from lakewinnow.figures.opinions import Annotations as Figures
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import came_with_label
from lakewinnow.lake.inputs.annotations import IS_MALFORMED, KEY, Annotations
from lakewinnow.lake.opinions import OPINIONS, ClassNames
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import udf

TABLE: Final = OPINION_TABLES[ANNOTATION]
Problems: TypeAlias = Mapping[str, tuple[int, Any]]  # by code: how many, and an example
_SHOWN: Final = 20  # classes in an error
_PROBLEM, _SAID, _IS_THERE = "problem", "said", "is_there"
_NO_ROW, _NO_CLASS, _CONTRADICTING = "unknown_row", "unknown_label", "contradicting"
# What cannot be used, with an example: its row, its annotator and its label
_SENTENCES: Final[Mapping[str, str]] = {
    _NO_ROW: "of rows that are not in the input, or in quarantine (row {0!r})",
    _NO_CLASS: "with a label that is no class ({2!r} of row {0!r})",
    _CONTRADICTING: "with two labels for a row by one annotator ({1!r} of row {0!r})",
    "label_null": "without a label (row {0!r})",
    "annotator_null": "without an annotator (row {0!r})",
    "row_null": "without a row (by {1!r})",
    "malformed_line": "in lines that do not parse",
}


def run(lake: Lake, annotations: Annotations, config: InputConfig) -> StageReport[Figures]:
    """Keep the opinions on rows that are there, in favour of classes that are there.

    Raises
    ------
    DataError : "no_annotations"; or none can be used, by the code of what most of them lack
    """
    classes = lake.figures("ingest", Ingested).classes
    rows = _judged(annotations.rows, came_with_label(lake), classes, config)
    by_problem = rows.groupBy(_PROBLEM).agg(*_number_and_example()).collect()
    found = {problem: (n, example) for problem, n, example in by_problem}
    n_read = sum(n for n, _ in found.values())
    n_usable, _ = found.pop(None, (0, None))

    by_opinion = rows.where(F.col(_PROBLEM).isNull()).groupBy(c.ROW_ID, c.ANNOTATOR)
    opinions = by_opinion.agg(
        F.min(c.LABEL).alias(c.LABEL), F.max(c.LABEL).alias("other"), F.count("*").alias("n")
    )
    is_one = F.col(c.LABEL) == F.col("other")
    lake.publish(TABLE, opinions.where(is_one), schema=OPINIONS)
    both = opinions.where(~is_one).withColumn(_SAID, F.lit(None).cast("string"))
    ((n, example),) = both.agg(F.sum("n"), _number_and_example()[1]).collect()
    if n:
        found[_CONTRADICTING] = (n, example)
    problems = {code: found[code] for code in _SENTENCES if code in found}
    if n_usable == (n or 0):
        raise _nothing_to_use(problems, classes, config)
    return StageReport(
        rows_in=n_read,
        rows_out=lake.rows(TABLE),
        reads={"corpus": 3},
        writes=(TABLE,),
        figures=Figures(read=n_read, unused={code: n for code, (n, _) in problems.items()}),
        warnings=[*_warnings(problems, n_read)],
    )


def _judged(
    said: DataFrame, corpus: DataFrame, classes: Sequence[str], config: InputConfig
) -> DataFrame:
    """Add the class that is meant, and the first reason why an annotation cannot be used."""
    known = corpus.select(c.ROW_ID, F.lit(1).alias(_IS_THERE))
    label = F.col(_SAID)
    named = ClassNames(tuple(classes), is_normalized=config.normalize_labels)
    index_of = udf.on_arrow(partial(_indices, named=named), IntegerType())
    return (
        said.withColumnRenamed(c.LABEL, _SAID)
        .join(known, c.ROW_ID, "left")
        .withColumn(c.LABEL, index_of(F.when(F.is_valid_utf8(label), label)))
        .withColumn(
            _PROBLEM,
            F.when(F.col(IS_MALFORMED), "malformed_line")
            .when(F.col(c.ROW_ID).isNull(), "row_null")
            .when(F.col(c.ANNOTATOR).isNull(), "annotator_null")
            .when(label.isNull(), "label_null")
            .when(F.col(_IS_THERE).isNull(), _NO_ROW)
            .when(F.col(c.LABEL).isNull(), _NO_CLASS),
        )
    )


def _indices(labels: pa.Array, named: ClassNames) -> pa.Array:
    encoded = labels.dictionary_encode()
    indices = [named.index(label) for label in encoded.dictionary.to_pylist()]
    return pa.array(indices, pa.int32()).take(encoded.indices)


def _number_and_example() -> tuple[Column, Column]:
    """Return aggregates: how many annotations, and one of them."""
    return F.count("*"), F.min(F.struct(c.ROW_ID, c.ANNOTATOR, _SAID))


def _warnings(problems: Problems, n_read: int) -> Iterator[str]:
    if problems:
        n = sum(n for n, _ in problems.values())
        what = "; ".join(
            f"{n:,} {_SENTENCES[code].format(*example)}" for code, (n, example) in problems.items()
        )
        yield f"{KEY}: {counted(n, 'annotation', 'is', of=n_read)} not used: {what}"


def _nothing_to_use(problems: Problems, classes: Sequence[str], config: InputConfig) -> DataError:
    """Return the error that says why no annotation can be used."""
    if not problems:
        return DataError("no_annotations", f"{KEY}.path", "annotations", Shown("none"))
    code = max(problems, key=lambda of: problems[of][0])
    n, example = problems[code]
    label = example[_SAID]
    got = Shown(f"{counted(n, 'annotation')} {_SENTENCES[code].format(*example)}")
    expected, hint = (
        "annotations that can be used",
        "the other keys of the section name the columns",
    )
    if code == _NO_ROW:
        expected = (
            f"the values of {config.id}" if config.id else "row ids of the input, as in issues/"
        )
        hint = (
            "input.annotations.row names the column that has them"
            if config.id
            else "without input.id, ids are made from each row's content and change with it: name a"
            " column of both tables there"
        )
        return DataError("annotations_match_nothing", f"{KEY}.row", expected, got, hint)
    if code == _NO_CLASS:
        expected = "labels that are classes of the input"
        hint = did_you_mean(label, classes) or f"the classes: {', '.join(classes[:_SHOWN])}"
    return DataError(code, KEY, expected, got, hint)
