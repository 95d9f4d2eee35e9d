"""What one more opinion of the language model is worth, row by row."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import LLM
from lakewinnow.core.crowd.next_opinion import NextOpinion
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.types import FloatArray
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.passes.opinions import opinions_of
from lakewinnow.spark.schemas import schema

_AS_GOOD: Final = 0.8  # share of right opinions of a model that has none yet
WORTH: Final = schema({c.ROW_ID: "string", c.GAIN: "double", c.SUGGESTED_PROB: "double"})


def language_model(model: OpinionModel | None, n_classes: int) -> NextOpinion:
    """Return the language model as who may be asked: by its opinions, or as models often are."""
    if model is not None and LLM in model.kinds:
        a = model.kinds.index(LLM)
        return NextOpinion.of(model.confusion[a], float(model.quality().share[a]))
    says: FloatArray = np.full((n_classes, n_classes), (1 - _AS_GOOD) / max(1, n_classes - 1))
    np.fill_diagonal(says, _AS_GOOD)
    return NextOpinion.of(says, _AS_GOOD)


@dataclass(frozen=True, eq=False)
class Belief:
    """How probable the classes of a row are: by text and label, and by opinions, if it has some."""

    doubting: Posterior
    model: OpinionModel | None = None

    def probs(self, batch: pa.RecordBatch) -> FloatArray:
        """Return q of rows of label, pred_probs and, with a model, opinions; shape (n, K)."""
        n_classes = self.doubting.n_classes
        (block,) = trusted_blocks([batch], n_classes)
        probs = self.doubting.probs(block.labels, block.pred_probs)
        if self.model is not None:
            # Of the others the model has learnt little: rows are asked about that are doubtful, and
            # functions say nothing of how far they are
            said = opinions_of(batch.column(c.OPINIONS), n_classes)
            by_all = self.model.probs(block.labels, block.pred_probs, said)
            is_heard = self.model.is_heard(said, len(probs))
            probs[is_heard] = by_all[is_heard]
        return probs


def worth_asking(
    lake: Lake,
    rows: DataFrame,
    belief: Belief,
    asked: NextOpinion,
    sure_at: float,
    known: Collection[bytes],
) -> DataFrame:
    """Return (row_id, gain, suggested_prob) of the rows that are unsure.

    Parameters
    ----------
    rows : as `Belief` takes them, and row_id
    sure_at : how probable the likeliest class of a row is that is not asked about
    known : keys of texts that are not asked about either
    """
    found = map_batches(rows, partial(_judge, belief=belief, asked=asked, sure_at=sure_at), WORTH)
    if not known:
        return found
    keys = pa.table({c.TEXT_KEY: pa.array(sorted(known), pa.binary())})
    is_known = F.broadcast(lake.spark.createDataFrame(keys))
    left = accepted(lake).select(c.ROW_ID, c.TEXT_KEY).join(is_known, c.TEXT_KEY, "left_anti")
    return found.join(left.select(c.ROW_ID), c.ROW_ID)


def _judge(
    batches: Iterable[pa.RecordBatch], belief: Belief, asked: NextOpinion, sure_at: float
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        probs = belief.probs(batch)
        gain, best = asked.gain(probs), probs.max(axis=1, initial=0.0)
        columns = {c.ROW_ID: batch.column(c.ROW_ID), c.GAIN: gain, c.SUGGESTED_PROB: best}
        yield arrow.record_batch(WORTH, columns).filter(pa.array(best < sure_at))
