"""Draw a sample of a finished run for people to review.

Reads    issues/, corpus/, pred_probs/, noise_model.json
Writes   review_sample/: sample.parquet, sample.csv, review.html, and sample.json, written last
Passes   3 over the issues (score histograms; rows by class and band; the sample), 1 over the corpus
         and the pred_probs
Shuffle  none but of the rows that are candidates for the sample; the sample itself broadcasts
Memory   the driver: the sample, and 811 x 101 counts twice at the most, and K x bands
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import reduce
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType

from lakewinnow import columns as c
from lakewinnow.core.evaluation import strata
from lakewinnow.core.evaluation.strata import SCORE_EDGES, StrataOfRows
from lakewinnow.core.types import IntArray
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.training.sample import stratified
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import counted
from lakewinnow.review import files
from lakewinnow.review.evidence import TEXTS_ALONE, Sources, evidence
from lakewinnow.review.files import SAID, SAMPLE, Sample, Stratum
from lakewinnow.spark.arrow import udf

# What makes it another sample
_DECIDES: Final = [c.ROW_ID, c.GIVEN_LABEL, c.SUGGESTED_LABEL, c.STRATUM, c.STRATUM_ROWS]
MAX_ROWS: Final = 2000  # that the page takes, with 300 characters of each at the least
_HASH, _BAND, _SCORE_BIN, _PROB_BIN, _IS_FIX = "hash", "band", "score_bin", "prob_bin", "is_fix"


def draw(
    lake: Lake,
    n: int,
    share_of_others: float,
    sources: Sources = TEXTS_ALONE,
    *,
    redraw: bool = False,
) -> Sample:
    """Draw a sample, and write it and its page.

    The same run gives the same sample; of more rows it is one that has most of these. Rows that the
    user has decided already are left out.

    Parameters
    ----------
    n : rows to draw
    share_of_others : of these, that are not flagged; 0: no such row is drawn
    redraw : replace another sample that is there

    Raises
    ------
    DataError : "no_issues": the workspace has no finished run; "nothing_to_review";
        "another_sample" is there
    """
    files.check(lake.files, is_drawn=False)
    classes = lake.figures("ingest", Ingested).classes
    frame = lake.read("issues").where(
        F.col(c.DECIDED_BY).isNull() & F.col(c.GIVEN_LABEL).isNotNull()
    )
    by_score, by_prob = _histograms(frame)
    n_rows = by_score.sum(axis=1).tolist()
    numbers = strata.split(n, share_of_others, n_rows[1], n_rows[0])[::-1]
    if not sum(numbers):
        got = "none" if not sum(n_rows) else f"{counted(n_rows[0], 'row')}, none of them flagged"
        hint = "all rows are decided, or none is flagged: --unflagged 1 draws other rows"
        raise DataError("nothing_to_review", "issues/", "rows to review", Shown(got), hint)
    sides = _sides(frame, by_score, numbers, classes)
    drawn = _drawn(frame, sides, classes)
    all_strata = list(_strata(sides, classes))
    rows = _with_evidence(drawn, all_strata, evidence(lake, drawn, classes, sources))
    found = Sample(
        id=files.id_of(classes, rows.select(_DECIDES)),
        rows=rows.num_rows,
        decided=lake.rows("issues") - sum(n_rows),
        classes=classes,
        strata=all_strata,
        flagged_by_score=_histogram_of(SCORE_EDGES.tolist(), by_score[1]),
        fixes_by_prob=_histogram_of(strata.PROB_EDGES.tolist(), by_prob),
    )
    files.write(lake.files, SAMPLE, asdict(found), rows, redraw=redraw)
    return found


# --- strata -------------------------------------------------------------------------------------


def _histograms(frame: DataFrame) -> tuple[IntArray, IntArray]:
    """Count rows by score bin, of the others and the flagged, and fixes by probability bin."""
    is_flagged = F.col(c.IS_LABEL_ISSUE)
    is_fix = is_flagged & (F.col(c.SUGGESTED_LABEL) != F.col(c.GIVEN_LABEL))
    prob_bin = udf.on_arrow(_prob_bins, IntegerType())(F.col(c.SUGGESTED_PROB))
    counted = (
        frame.select(
            is_flagged,
            is_fix.alias(_IS_FIX),
            udf.on_arrow(_score_bins, IntegerType())(F.col(c.LABEL_SCORE)).alias(_SCORE_BIN),
            F.when(is_fix, prob_bin).otherwise(0).alias(_PROB_BIN),
        )
        .groupBy(c.IS_LABEL_ISSUE, _IS_FIX, _SCORE_BIN, _PROB_BIN)
        .count()
        .toPandas()
    )
    flagged, fix, score, prob, n = (counted[name].to_numpy(np.int64) for name in counted)
    by_score = np.zeros((2, len(SCORE_EDGES)), np.int64)
    np.add.at(by_score, (flagged, score), n)
    by_prob = np.zeros(len(strata.PROB_EDGES), np.int64)
    np.add.at(by_prob, prob, n * fix)
    return by_score, by_prob


def _score_bins(scores: pa.Array) -> pa.Array:
    return pa.array(strata.score_bins(scores.to_numpy(zero_copy_only=False)), pa.int32())


def _prob_bins(probs: pa.Array) -> pa.Array:
    return pa.array(strata.prob_bins(probs.to_numpy(zero_copy_only=False)), pa.int32())


def _sides(
    frame: DataFrame, by_score: IntArray, numbers: Sequence[int], classes: Sequence[str]
) -> list[StrataOfRows]:
    """Choose the strata, of the others and of the flagged, and how many rows of each to draw."""
    shares = (strata.OTHER_BANDS, strata.FLAGGED_BANDS)
    cuts = [strata.band_cuts(*of) for of in zip(by_score, shares, numbers, strict=True)]
    counts = zip(_class_counts(frame, cuts, classes), cuts, numbers, strict=True)
    return [strata.side(*of, in_proportion=bool(flagged)) for flagged, of in enumerate(counts)]


def _class_counts(
    frame: DataFrame, cuts: Sequence[IntArray], classes: Sequence[str]
) -> list[IntArray]:
    """Count the rows of each class and band, of the others and of the flagged."""
    band = F.when(F.col(c.IS_LABEL_ISSUE), _band(cuts[1])).otherwise(_band(cuts[0])).alias(_BAND)
    counted = frame.groupBy(c.IS_LABEL_ISSUE, c.GIVEN_LABEL, band).count().toPandas()
    counts = [np.zeros((len(classes), len(cut) + 1), np.int64) for cut in cuts]
    index = {name: k for k, name in enumerate(classes)}
    for flagged, name, at, n in counted.itertuples(index=False):
        counts[int(flagged)][index[name], at] = n
    return counts


def _band(cuts: IntArray) -> Column:
    """Return the band of a row: bins below a cut are those of scores up to the edge before it."""
    edges = SCORE_EDGES[cuts - 1].tolist()
    beyond = ((F.col(c.LABEL_SCORE) > edge).cast("int") for edge in edges)
    return reduce(Column.__add__, beyond, F.lit(0))


def _drawn(frame: DataFrame, sides: Sequence[StrataOfRows], classes: Sequence[str]) -> pa.Table:
    """Return the rows of the sample in the order of their hash."""
    first = sides[0].rows.size
    stratum = (
        F.when(F.col(c.IS_LABEL_ISSUE), first + _stratum(sides[1], classes))
        .otherwise(_stratum(sides[0], classes))
        .cast("int")
    )
    hash_ = F.xxhash64(c.ROW_ID, F.lit("review"))
    said = (*SAID, c.IS_LABEL_ISSUE, c.LABEL_SCORE)
    rows = frame.select(*said, stratum.alias(c.STRATUM), hash_.alias(_HASH))
    counts, wanted = (
        np.concatenate([getattr(side, name).reshape(-1) for side in sides])
        for name in ("rows", "drawn")
    )
    sample = stratified(rows, F.col(c.STRATUM), F.col(_HASH), counts, wanted)
    ordered: pa.Table = sample.toArrow().sort_by([(_HASH, "ascending"), (c.ROW_ID, "ascending")])
    return ordered


def _stratum(side: StrataOfRows, classes: Sequence[str]) -> Column:
    own = [F.lit(classes[k]) for k in side.own]
    at = F.array_position(F.array(*own), F.col(c.GIVEN_LABEL)) if own else F.lit(0)
    group = F.when(at == 0, len(own)).otherwise(at - 1)
    stratum: Column = group * side.rows.shape[1] + _band(side.cuts)
    return stratum


def _strata(sides: Sequence[StrataOfRows], classes: Sequence[str]) -> Iterator[Stratum]:
    for flagged, side in enumerate(sides):
        edges = [0.0, *SCORE_EDGES[side.cuts - 1].tolist(), 1.0]
        for group, (rows, drawn) in enumerate(zip(side.rows, side.drawn, strict=True)):
            name = classes[side.own[group]] if group < len(side.own) else None
            for band, (n, n_drawn) in enumerate(zip(rows.tolist(), drawn.tolist(), strict=True)):
                above, to = edges[band : band + 2]
                yield Stratum(bool(flagged), name, above, to, n, n_drawn)


# --- rows ---------------------------------------------------------------------------------------


def _with_evidence(drawn: pa.Table, all_strata: Sequence[Stratum], seen: pa.Table) -> pa.Table:
    """Add the order, what speaks for which label, and what the strata say."""
    own = drawn.drop_columns([c.ROW_ID, _HASH])
    strata_of = [all_strata[at] for at in own[c.STRATUM].to_pylist()]
    before = {c.REVIEW_ORDER: pa.array(range(1, len(own) + 1), pa.int64())}
    after = {
        c.STRATUM_ROWS: [of.rows for of in strata_of],
        c.STRATUM_DRAWN: [of.drawn for of in strata_of],
        c.INCLUSION_PROB: [of.drawn / of.rows for of in strata_of],
    }
    return pa.table(
        {
            **before,
            c.ROW_ID: drawn[c.ROW_ID],
            **{name: seen[name] for name in (c.TEXT, c.TEXT_LENGTH)},
            **{name: own[name] for name in own.column_names},
            **{name: seen[name] for name in (c.LIKELY_LABELS, c.OPINIONS, c.NEAREST)},
            **after,
        }
    )


def _histogram_of(edges: Sequence[float], counts: IntArray) -> list[tuple[float, int]]:
    return [(edge, n) for edge, n in zip(edges, counts.tolist(), strict=True) if n]
