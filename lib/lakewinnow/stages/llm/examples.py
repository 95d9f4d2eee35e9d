"""Rows that the model is shown with their label: of each class those that are believed most.

Which rows they are decides the question, and so what an opinion is filed under. So they are chosen
once, and kept with the store by their text keys: new rows in the input ask no other question.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import LLMConfig
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.lake.corpus import accepted, accepted_probs
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.lake.workspace import Lake
from lakewinnow.opinions.llm.question import Example
from lakewinnow.opinions.llm.suspicion import is_suspicious
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.schemas import schema
from lakewinnow.spark.sessions import cluster

_RECORD: Final = "_examples.json"
_CHARACTERS: Final = (8, 600)  # of an example's text
_LOOKED_AT: Final = 20  # rows for each that is wanted, as some texts are suspicious
_PROB: Final = "prob"
_BELIEVED: Final = schema({c.ROW_ID: "string", c.LABEL: "int", _PROB: "double"})

Kept = list[list[Any]]  # text key in hexadecimal, and class, of each


def chosen(
    lake: Lake,
    config: LLMConfig,
    store: EmbeddingStore,
    classes: Sequence[str],
    posterior: Posterior,
) -> tuple[tuple[Example, ...], frozenset[bytes]]:
    """Return the examples, and the keys of their texts."""
    if not config.examples:
        return (), frozenset()
    asked = [config.model, config.instruction, dict(config.describe), config.examples, [*classes]]
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    records: dict[str, list[Kept]] = store.files.read_json(_RECORD) or {}
    for kept in records.get(name, []):
        texts = _texts(lake, [key for key, _ in kept])
        if len(texts) == len(kept):
            break
    else:
        rows = _most_believed(lake, posterior, config.examples, classes)
        kept = [[key.hex(), label] for key, label, _ in rows]
        texts = {key.hex(): text for key, _, text in rows}
        records[name] = [*records.get(name, []), kept]
        store.files.write_json(_RECORD, records)
    found = tuple(Example(texts[key], classes[label]) for key, label in kept)
    return found, frozenset(bytes.fromhex(key) for key in texts)


def _texts(lake: Lake, keys: Sequence[str]) -> dict[str, str]:
    """Return the texts of the corpus that have these keys."""
    wanted = [bytes.fromhex(key) for key in keys]
    rows = accepted(lake).select(c.TEXT_KEY, c.TEXT)
    asked = lake.spark.createDataFrame(pa.table({c.TEXT_KEY: pa.array(wanted, pa.binary())}))
    once = cluster.first_of_group(rows.join(F.broadcast(asked), c.TEXT_KEY), [c.TEXT_KEY], [c.TEXT])
    return {bytes(key).hex(): text for key, text in once.collect()}


def _most_believed(
    lake: Lake, posterior: Posterior, n: int, classes: Sequence[str]
) -> list[tuple[bytes, int, str]]:
    """Return key, class and text of n rows of each class, or of as many as there are."""
    pred_probs = accepted_probs(lake).select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    believed = map_batches(pred_probs, partial(_believed, posterior=posterior), _BELIEVED)
    length = F.length(c.TEXT)
    rows = accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.TEXT)
    rows = rows.where((length >= _CHARACTERS[0]) & (length <= _CHARACTERS[1]))
    surest = [F.col(_PROB).desc(), F.col(c.ROW_ID)]
    of_class = believed.join(rows, c.ROW_ID)
    candidates = cluster.first_of_group(of_class, [c.LABEL], surest, n * _LOOKED_AT)
    found: list[tuple[bytes, int, str]] = []
    taken: set[bytes] = set()
    for row in sorted(candidates.collect(), key=lambda of: (of[c.LABEL], -of[_PROB], of[c.ROW_ID])):
        key, label, text = bytes(row[c.TEXT_KEY]), row[c.LABEL], row[c.TEXT]
        n_of_class = sum(label == other for _, other, _ in found)
        if n_of_class < n and key not in taken and not is_suspicious(text, classes):
            taken.add(key)
            found.append((key, label, text))
    return found


def _believed(batches: Iterable[pa.RecordBatch], posterior: Posterior) -> Iterator[pa.RecordBatch]:
    """Yield the rows whose given label is the likeliest, and how likely it is."""
    for batch in batches:
        (block,) = trusted_blocks([batch], posterior.n_classes)
        probs = posterior.probs(block.labels, block.pred_probs)
        is_likeliest = probs.argmax(axis=1) == block.labels
        own = probs[np.arange(len(probs)), block.labels].round(6)  # sums differ in the last bits
        columns = {c.ROW_ID: batch.column(c.ROW_ID), c.LABEL: block.labels, _PROB: own}
        yield arrow.record_batch(_BELIEVED, columns).filter(pa.array(is_likeliest))
