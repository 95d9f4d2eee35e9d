"""Language mismatch: texts in another language than most texts of their class.

Reads    corpus/
Writes   checks/languages/, one row per accepted row: its language, by py3langid;
         checks/language_mismatch/, one row per accepted row
Passes   1 over the corpus; 3 over the languages (classes; flag and score; counts)
Shuffle  counts by class and language
Memory   75 MiB a task, for the model; the driver: classes × languages, at most 139 of them

A class has the language that more than half of its judged texts are in. The texts of a class
without one are not judged.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.checks.language_mismatch import (
    CHECK,
    IS_ISSUE,
    LANGUAGE,
    SCORE,
    LanguageMismatchConfig,
    LanguageMismatchFigures,
)
from lakewinnow.lake import check_tables
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.run import Run
from lakewinnow.lake.workspace import StageReport
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.portable import expressions as portable
from lakewinnow.spark.schemas import schema
from lakewinnow.text.language import identifier, is_short

_LANGUAGES: Final = "checks/languages"
_PROB: Final = "prob"  # of the language
_OF_CLASS: Final = "of_class"  # the language of most texts of the class
_TOLD = schema({c.ROW_ID: "string", c.GIVEN_LABEL: "string", LANGUAGE: "string?", _PROB: "double?"})


def run(run: Run, config: LanguageMismatchConfig) -> StageReport[LanguageMismatchFigures]:
    """Find the texts that are in another language than most of their class."""
    lake = run.lake
    texts = accepted(lake).select(c.ROW_ID, c.GIVEN_LABEL, c.TEXT)
    tell = partial(_tell_batches, min_bytes=config.min_bytes)
    lake.publish(_LANGUAGES, map_batches(texts, tell, _TOLD), schema=_TOLD)
    told = lake.read(_LANGUAGES)
    n_judged, of_class = _languages_of_classes(told)
    judged = _judged(told, of_class, config.min_prob)
    check_tables.publish(lake, CHECK, judged)
    flagged = lake.read(CHECK.table).where(IS_ISSUE).groupBy(LANGUAGE).count()
    by_language: dict[str, int] = dict(flagged.orderBy(F.desc("count"), LANGUAGE).collect())
    figures = LanguageMismatchFigures(
        rows=sum(by_language.values()),
        rows_by_language=by_language,
        judged=n_judged,
        languages=of_class,
    )
    reads = {"corpus": 1, _LANGUAGES: 2, CHECK.table: 1}
    return check_tables.report(lake, CHECK, reads, figures, _LANGUAGES)


def _tell_batches(batches: Iterable[pa.RecordBatch], min_bytes: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        told = [
            (None, None) if is_short(text, min_bytes) else identifier().classify(text)
            for text in batch.column(c.TEXT).to_pylist()
        ]
        columns = {
            c.ROW_ID: batch.column(c.ROW_ID),
            c.GIVEN_LABEL: batch.column(c.GIVEN_LABEL),
            LANGUAGE: [language for language, _ in told],
            _PROB: [None if prob is None else float(prob) for _, prob in told],
        }
        yield arrow.record_batch(_TOLD, columns)


def _languages_of_classes(told: DataFrame) -> tuple[int, dict[str, str]]:
    """Count the judged rows, and return the language of each class that has one."""
    counted = told.where(F.col(LANGUAGE).isNotNull()).groupBy(c.GIVEN_LABEL, LANGUAGE).count()
    counts: dict[str, Counter[str]] = {}
    for label, language, n in counted.collect():
        counts.setdefault(label, Counter())[language] += n
    of_class = {}
    for label in sorted(counts):
        [(language, n)] = counts[label].most_common(1)
        if 2 * n > counts[label].total():
            of_class[label] = language
    return sum(of.total() for of in counts.values()), of_class


def _judged(told: DataFrame, of_class: dict[str, str], min_prob: float) -> DataFrame:
    pairs = [part for pair in of_class.items() for part in map(F.lit, pair)]
    nothing = F.lit(None).cast("string")
    language = F.create_map(*pairs)[F.col(c.GIVEN_LABEL)] if pairs else nothing
    rows = told.withColumn(_OF_CLASS, language)
    is_other = F.col(LANGUAGE) != F.col(_OF_CLASS)  # null: it was not judged
    score = F.when(is_other, 1 - F.col(_PROB)).when(~is_other, 1.0)
    why = F.format_string(
        "language: %s (%s), where most texts of %s are %s",
        LANGUAGE,
        portable.fixed(F.col(_PROB), 2),
        c.GIVEN_LABEL,
        _OF_CLASS,
    )
    scored = rows.withColumn(SCORE, score)
    return check_tables.flagged(CHECK, scored, is_other & (F.col(_PROB) >= min_prob), why)
