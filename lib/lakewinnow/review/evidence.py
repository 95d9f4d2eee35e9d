"""What a person sees of a row beside its label: its text, and what speaks for which label.

Reads    corpus/, pred_probs/, noise_model.json; where they are there checks/neighbors/, and what
         annotators say: opinions/*, opinions_by_row/, annotators.json
Passes   1 over each; with neighbours one more over the corpus
Shuffle  none but of the nearest rows, as the rows are few and broadcast
Memory   the driver: K probabilities a row
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.crowd.opinions import OpinionModel
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.opinions import read_opinions
from lakewinnow.lake.queue import NEIGHBORS
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.passes.opinions import opinions_of

MAX_TEXT: Final = 10_000  # characters of a row that are kept
_MAX_NEAR_TEXT: Final = 150
_N_LIKELY: Final = 5
_N_NEAREST: Final = 3  # with the row's label, and as many with others
_PLACE, _OF = "place", "of"
_LIKELY: Final = pa.list_(pa.struct({"label": pa.string(), "prob": pa.float64()}))
_OPINIONS: Final = pa.list_(
    pa.struct({"annotator": pa.string(), "label": pa.string(), "quality": pa.float64()})
)
_NEAREST: Final = pa.list_(pa.struct({"label": pa.string(), "text": pa.string()}))


@dataclass(frozen=True)
class Sources:
    """What there is to show of a run's rows."""

    # what people see of a row of corpus/, `lake.redaction`'s; None: the text
    text: Column | None = None
    kinds: Sequence[str] = ()  # of annotators that have opinions
    has_neighbors: bool = False  # whether checks/neighbors/ is this run's


TEXTS_ALONE: Final = Sources()


def evidence(lake: Lake, rows: pa.Table, classes: Sequence[str], sources: Sources) -> pa.Table:
    """Return text, text_length, likely_labels, opinions and nearest of rows, in their order.

    Parameters
    ----------
    rows : row_id and given_label, of few rows
    """
    text = F.col(c.TEXT) if sources.text is None else sources.text
    kinds = sources.kinds
    ids = rows[c.ROW_ID].to_pylist()
    wanted = F.broadcast(lake.spark.createDataFrame(rows.select([c.ROW_ID])))
    found = (
        accepted(lake)
        .join(wanted, c.ROW_ID)
        .withColumn(c.TEXT, text)
        .select(
            c.ROW_ID,
            c.TEXT_KEY,
            F.substring(c.TEXT, 1, MAX_TEXT).alias(c.TEXT),
            F.char_length(c.TEXT).alias(c.TEXT_LENGTH),
        )
        .collect()
    )
    by_id = {row[c.ROW_ID]: row for row in found}
    texts = [by_id[row_id] for row_id in ids]
    model = OpinionModel.from_dict(lake.files.read_json("annotators.json")) if kinds else None
    likely = dict(_likely(lake, wanted, classes, model))
    said = {} if model is None else _said(lake, wanted, classes, kinds, model)
    keys = {bytes(row[c.TEXT_KEY]) for row in texts}
    near = _near(lake, keys, text) if sources.has_neighbors else {}
    nearest = [
        _of_both_sides(near.get(bytes(row[c.TEXT_KEY]), ()), given)
        for row, given in zip(texts, rows[c.GIVEN_LABEL].to_pylist(), strict=True)
    ]
    return pa.table(
        {
            c.TEXT: pa.array([row[c.TEXT] for row in texts], pa.string()),
            c.TEXT_LENGTH: pa.array([row[c.TEXT_LENGTH] for row in texts], pa.int64()),
            c.LIKELY_LABELS: pa.array([likely[row_id] for row_id in ids], _LIKELY),
            c.OPINIONS: pa.array([said.get(row_id, []) for row_id in ids], _OPINIONS),
            c.NEAREST: pa.array(nearest, _NEAREST),
        }
    )


def _likely(
    lake: Lake, wanted: DataFrame, classes: Sequence[str], model: OpinionModel | None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the likeliest labels of each row, by text, given label and opinions."""
    probs_of = lake.read("pred_probs").join(wanted, c.ROW_ID)
    if model is not None:
        said = lake.read("opinions_by_row").select(c.ROW_ID, c.OPINIONS)
        probs_of = probs_of.join(said, c.ROW_ID, "left")
    rows = probs_of.toArrow()
    labels = rows[c.LABEL].to_numpy().astype(np.int64)
    pred_probs = arrow.matrix(rows[c.PRED_PROBS], len(classes)).astype(np.float64)
    noise_model = NoiseModel.from_dict(lake.files.read_json("noise_model.json"))
    probs = Posterior.of(noise_model).probs(labels, pred_probs)
    if model is not None:
        opinions = opinions_of(rows[c.OPINIONS].combine_chunks(), len(classes))
        _, suggesting = model.both_probs(labels, pred_probs, opinions)
        probs[opinions.row] = suggesting[opinions.row]
    best = np.argsort(-probs, axis=1, kind="stable")[:, :_N_LIKELY]
    for row_id, own, places in zip(rows[c.ROW_ID].to_pylist(), probs, best, strict=True):
        yield row_id, [{"label": classes[k], "prob": float(own[k])} for k in places]


def _said(
    lake: Lake,
    wanted: DataFrame,
    classes: Sequence[str],
    kinds: Sequence[str],
    model: OpinionModel,
) -> Mapping[str, list[dict[str, Any]]]:
    """Return who says what of a row, and how often that annotator is right, if that is known."""
    annotators = zip(model.kinds, model.annotators, strict=True)
    quality = dict(zip(annotators, model.quality().share.tolist(), strict=True))
    found: dict[str, list[dict[str, Any]]] = {}
    for row_id, name, k, kind in sorted(
        read_opinions(lake, kinds).join(wanted, c.ROW_ID).collect()
    ):
        opinion = {"annotator": name, "label": classes[k], "quality": quality.get((kind, name))}
        found.setdefault(row_id, []).append(opinion)
    return found


def _near(lake: Lake, keys: set[bytes], text: Column) -> Mapping[bytes, list[dict[str, Any]]]:
    """Return the nearest texts of each text, itself first, once for each label that they have."""
    wanted = lake.spark.createDataFrame(pa.table({c.TEXT_KEY: sorted(keys)}))
    both = F.concat(F.array(c.TEXT_KEY), c.NEIGHBORS)
    links = (
        lake.read(NEIGHBORS)
        .join(F.broadcast(wanted), c.TEXT_KEY)
        .select(F.col(c.TEXT_KEY).alias(_OF), F.posexplode(both).alias(_PLACE, c.TEXT_KEY))
    )
    rows = (
        accepted(lake)
        .join(F.broadcast(links), c.TEXT_KEY)
        .withColumn(c.TEXT, text)
        .groupBy(_OF, _PLACE, c.GIVEN_LABEL)
        .agg(F.min(F.substring(c.TEXT, 1, _MAX_NEAR_TEXT)).alias(c.TEXT))
        .collect()
    )
    found: dict[bytes, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda of: (of[_PLACE], of[c.GIVEN_LABEL])):
        near = {"label": row[c.GIVEN_LABEL], "text": row[c.TEXT], _PLACE: row[_PLACE]}
        found.setdefault(bytes(row[_OF]), []).append(near)
    return found


def _of_both_sides(near: Sequence[Mapping[str, Any]], given: str) -> list[dict[str, Any]]:
    """Return the nearest with a label, and with others; the row itself is not among them."""
    agreeing = [of for of in near if of["label"] == given and of[_PLACE]][:_N_NEAREST]
    contradicting = [of for of in near if of["label"] != given][:_N_NEAREST]
    both = sorted([*agreeing, *contradicting], key=lambda of: of[_PLACE])
    return [{"label": of["label"], "text": of["text"]} for of in both]
