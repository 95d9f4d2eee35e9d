"""Rows of pred_probs/ judged: doubtful or not, and which label is the likeliest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.core.crowd.next_opinion import NextOpinion
from lakewinnow.core.crowd.opinions import NONE, OpinionModel, Opinions
from lakewinnow.core.noise.posterior import Posterior, Suggestions
from lakewinnow.core.types import Block, BoolArray, FloatArray, IntArray
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import Judge, trusted_blocks
from lakewinnow.spark.passes.opinions import opinions_of
from lakewinnow.spark.schemas import schema

JUDGED: Final = schema(
    {
        c.ROW_ID: "string",
        c.GIVEN_LABEL: "string",
        c.PREDICTED_LABEL: "string",
        c.PREDICTED_PROB: "double",
        c.SUGGESTED_LABEL: "string",
        c.SUGGESTED_PROB: "double",
        c.GIVEN_LABEL_PROB: "double",
        c.IS_LABEL_ISSUE: "boolean",
        c.LABEL_SCORE: "double",
        c.GAIN: "double",
    }
)
SAID: Final = schema({c.N_OPINIONS: "int", c.MOST_SAID: "string?", c.N_SAYING: "int"})
_CELLS: Final = 2**18  # probabilities at once


@dataclass(frozen=True, eq=False)
class Advice:
    """What says which label a row should have, and what one more opinion on it is worth."""

    posterior: Posterior  # for the suggested label of rows that no annotator has an opinion on
    doubting: Posterior  # for the gain, where there are no annotators but functions
    next_opinion: NextOpinion
    annotators: OpinionModel | None = None

    def is_heard(self, opinions: Opinions, n_rows: int) -> BoolArray:
        """Return which rows others than functions have an opinion on, shape (n,)."""
        if self.annotators is None:
            return np.zeros(n_rows, bool)
        return self.annotators.is_heard(opinions, n_rows)

    def of_block(self, block: Block, opinions: Opinions) -> tuple[Suggestions, FloatArray]:
        """Return suggestions, and the gain of one more opinion, float64, shape (n,)."""
        n_rows, n_classes = block.pred_probs.shape
        step = max(1, _CELLS // n_classes)
        found = []
        for start in range(0, max(1, n_rows), step):
            rows = slice(start, start + step)
            labels, pred_probs = block.labels[rows], block.pred_probs[rows]
            probs = self.posterior.probs(labels, pred_probs)
            doubting = self.doubting.probs(labels, pred_probs)
            if self.annotators is not None:
                said = opinions.of_rows(start, start + step)
                by_all, suggesting = self.annotators.both_probs(labels, pred_probs, said)
                probs[said.row] = suggesting[said.row]
                doubting = by_all if self.annotators.has_others else doubting
            found.append((*Suggestions.of(labels, probs), self.next_opinion.gain(doubting)))
        *suggested, gain = map(np.concatenate, zip(*found, strict=True))
        return Suggestions(*suggested), gain


def judged(
    rows: DataFrame,
    classes: Sequence[str],
    counts: IntArray,
    advice: Advice,
    judge: Judge | Posterior,
) -> DataFrame:
    """Flag and score every row; a lazy frame of the schema `JUDGED`, and of `SAID` with opinions.

    Parameters
    ----------
    rows : (row_id, label, pred_probs) that this package wrote, and where there are some, opinions
    classes : names of the labels 0 .. K-1
    counts : int64, shape (K,), rows per given label
    advice : for the suggested label
    judge : what flags and scores; a posterior flags where it or the other suggests another label
        for a row that is not alone in its class, as `prune_by_noise_rate` leaves such rows, too.
        A row with opinions, not of functions alone, is flagged where another label is suggested,
        and scored by the probability of the given one: opinions know what no classifier does
    """
    judge_batches = partial(
        _judge_batches, classes=classes, counts=counts, advice=advice, judge=judge
    )
    has_opinions = c.OPINIONS in rows.columns
    wanted = [c.ROW_ID, c.LABEL, c.PRED_PROBS, *([c.OPINIONS] if has_opinions else [])]
    made = StructType([*JUDGED, *(SAID if has_opinions else ())])
    return map_batches(rows.select(*wanted), judge_batches, made)


def _judge_batches(
    batches: Iterable[pa.RecordBatch],
    classes: Sequence[str],
    counts: IntArray,
    advice: Advice,
    judge: Judge | Posterior,
) -> Iterator[pa.RecordBatch]:
    names = pa.array(classes)
    for batch in batches:
        (block,) = trusted_blocks([batch], len(classes))
        has_opinions = c.OPINIONS in batch.schema.names
        said = opinions_of(batch.column(c.OPINIONS), len(classes)) if has_opinions else NONE
        labels, (suggested, gain) = block.labels, advice.of_block(block, said)
        found = {
            c.ROW_ID: batch.column(c.ROW_ID),
            c.GIVEN_LABEL: names.take(pa.array(labels)),
            c.SUGGESTED_LABEL: names.take(pa.array(suggested.labels)),
            c.SUGGESTED_PROB: suggested.probs,
            c.GIVEN_LABEL_PROB: suggested.given_probs,
            c.GAIN: gain,
        }
        is_alone, differs = counts[labels] <= 1, suggested.labels != labels
        if isinstance(judge, Judge):
            found |= judge.of_block(block)
        else:
            doubted = judge.suggestions(labels, block.pred_probs)
            predicted = block.pred_probs.argmax(axis=1)
            found |= {
                c.PREDICTED_LABEL: names.take(pa.array(predicted)),
                c.PREDICTED_PROB: block.pred_probs[np.arange(len(labels)), predicted],
                c.IS_LABEL_ISSUE: ((doubted.labels != labels) | differs) & ~is_alone,
                c.LABEL_SCORE: doubted.given_probs,
            }
        made = JUDGED
        if has_opinions:
            is_heard = advice.is_heard(said, len(labels))
            found[c.IS_LABEL_ISSUE] = np.where(
                is_heard, differs & ~is_alone, found[c.IS_LABEL_ISSUE]
            )
            found[c.LABEL_SCORE] = np.where(is_heard, suggested.given_probs, found[c.LABEL_SCORE])
            n_opinions = np.bincount(said.row, minlength=len(labels))
            most_said, n_saying = said.most_said(suggested.labels)
            found |= {
                c.N_OPINIONS: n_opinions,
                c.MOST_SAID: names.take(pa.array(most_said, mask=n_opinions == 0)),
                c.N_SAYING: n_saying,
            }
            made = StructType([*JUDGED, *SAID])
        yield arrow.record_batch(made, found)
