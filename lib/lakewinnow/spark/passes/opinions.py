"""Opinions where the rows are: together by row, and the model fitted to a sample of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType
from threadpoolctl import threadpool_limits

from lakewinnow import columns as c
from lakewinnow.core.crowd.confusion import FUNCTION
from lakewinnow.core.crowd.opinions import OpinionModel, Opinions
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow import lists, udf
from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.schemas import schema

OTHERS: Final = ""  # the name of those of a kind that have said little, together
IS_CHOSEN: Final = "is_chosen"  # whether not functions alone, asked of all, speak
BY_ROW: Final = schema({c.ROW_ID: "string", c.OPINIONS: "array<bigint>", IS_CHOSEN: "boolean"})
_FOUND: Final = schema({"found": "string"})


@dataclass(frozen=True)
class Annotators:
    """Who is told apart, in the order of their numbers."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def keys(self) -> list[str]:
        """What tells annotators of all kinds apart."""
        return [f"{kind}:{name}" for kind, name in zip(self.kinds, self.names, strict=True)]


def by_row(opinions: DataFrame, annotators: Annotators, n_classes: int) -> DataFrame:
    """Return the opinions of each row as whole numbers, annotator · K + label, ascending.

    Parameters
    ----------
    opinions : (row_id, annotator, label, annotator_kind)
    """
    number = udf.on_arrow(partial(_numbers, keys=annotators.keys, n_classes=n_classes), LongType())
    kind = F.col(c.ANNOTATOR_KIND)
    numbered = opinions.select(
        c.ROW_ID,
        number(kind, c.ANNOTATOR, c.LABEL).alias(c.OPINIONS),
        (kind != FUNCTION).alias(IS_CHOSEN),
    )
    return numbered.groupBy(c.ROW_ID).agg(
        F.sort_array(F.collect_list(c.OPINIONS)).alias(c.OPINIONS),
        F.max(IS_CHOSEN).alias(IS_CHOSEN),
    )


def _numbers(
    kinds: pa.Array, names: pa.Array, labels: pa.Array, keys: Sequence[str], n_classes: int
) -> pa.Array:
    known = pa.array(keys, pa.string())
    own = pc.index_in(pc.binary_join_element_wise(kinds, names, ":"), value_set=known)
    shared = pc.index_in(pc.binary_join_element_wise(kinds, OTHERS, ":"), value_set=known)
    annotator = pc.coalesce(own, shared).cast(pa.int64())
    return pc.add(pc.multiply(annotator, n_classes), labels.cast(pa.int64()))


def opinions_of(column: pa.ListArray, n_classes: int) -> Opinions:
    """Return the opinions on the rows of a batch; a row without any may be null."""
    row, values = lists.entries(column)
    numbers = np.asarray(values, np.int64)
    return Opinions.of(row, numbers // n_classes, numbers % n_classes)


def fit(rows: DataFrame, annotators: Annotators, noise_model: NoiseModel) -> OpinionModel:
    """Fit the model in one task.

    Parameters
    ----------
    rows : row_id, label, pred_probs and opinions, as of `by_row`
    """
    posterior, doubting = Posterior.of(noise_model), Posterior.doubting(noise_model)
    task = partial(_fit, annotators=annotators, posterior=posterior, doubting=doubting)
    found = apply_to_groups(rows, (), task, _FOUND).collect()
    if not found:
        return OpinionModel.without_opinions(posterior)
    return OpinionModel.from_dict(json.loads(found[0][0]))


def _fit(
    rows: pa.Table, annotators: Annotators, posterior: Posterior, doubting: Posterior
) -> pa.Table:
    if not rows.num_rows:  # Sail calls for a group without rows
        return pa.table({"found": pa.array([], pa.string())})
    order = arrow.order_of_ids(rows.column(c.ROW_ID))
    labels = rows.column(c.LABEL).to_numpy()[order].astype(np.int64)
    pred_probs = arrow.matrix_in_order(rows.column(c.PRED_PROBS), order).astype(np.float64)
    said = rows.column(c.OPINIONS).take(pa.array(order)).combine_chunks()
    opinions = opinions_of(said, posterior.n_classes)
    with threadpool_limits(1, user_api="blas"):  # sums of BLAS depend on the number of its threads
        model = OpinionModel.fit(
            labels,
            pred_probs,
            opinions,
            annotators.names,
            annotators.kinds,
            posterior,
            doubting,
        )
    return pa.table({"found": [json.dumps(model.to_dict())]})
