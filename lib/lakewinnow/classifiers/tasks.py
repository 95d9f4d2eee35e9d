"""What the crossval stage runs on executors: Arrow tables in, Arrow tables out.

A task takes rows in the order of their ids, so that nothing depends on how they were spread. What
it has to tell besides (what did not converge, what was chosen) it tells as JSON, in one row.
"""

import json
import pickle
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import cloudpickle
from pyspark.sql.types import StructType

from lakewinnow import columns as c
from lakewinnow.classifiers.base import (
    Classifier,
    Features,
    FitReport,
    Integers,
    Models,
    TrainingRows,
)
from lakewinnow.classifiers.repeats import Repeats, repeated
from lakewinnow.errors import EngineError, LakewinnowError
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.schemas import schema

IS_POOLED: Final = "is_pooled"  # learnt from here, scored in its own shard
GROUP: Final = "group"  # of folds, that one task trains models for
CPU_SECONDS: Final = "cpu_seconds"
NOTE: Final = "note"
MADE: Final = "made"

_FIGURES: Final = {CPU_SECONDS: "double", NOTE: "string?"}
SCORED = schema({c.ROW_ID: "string", c.LABEL: "int?", c.PRED_PROBS: "array<float>", **_FIGURES})
MADE_OF_ROWS = schema({MADE: "binary", **_FIGURES})


def score_shard(
    rows: pa.Table,
    vectors: pa.Table,
    classifier: Classifier,
    n_classes: int,
    n_threads: int,
    repeats: Repeats = 1,
) -> pa.Table:
    """Cross-validate one shard; its own rows come back, in the order of their ids.

    Parameters
    ----------
    rows : those of the shard, and those of the pool
    vectors : by text key; more than the rows', and in twice or more, do no harm
    repeats : see `repeats.repeated`
    """
    started = time.process_time()
    rows = rows.take(pc.sort_indices(rows.column(c.ROW_ID)))
    labels, folds = (rows.column(name).to_numpy() for name in (c.LABEL, c.FOLD))
    own = ~rows.column(IS_POOLED).to_numpy()
    if not own.any():
        return pa.Table.from_batches([], to_schema(SCORED))
    number = rows.column(c.SHARD)[0].as_py()
    at = pc.index_in(rows.column(c.TEXT_KEY), value_set=vectors.column(c.TEXT_KEY))
    if at.null_count:
        raise vectors_missing(at.null_count)
    features = _features(vectors.column(c.VECTOR), at.to_numpy())
    try:
        scored = TrainingRows(features, labels, folds, n_classes, n_threads)
        pred_probs, fit = repeated(classifier, scored, rows.column(c.TEXT_KEY), repeats)
    except LakewinnowError as error:
        raise error.at(f"{error.where}, shard {number}") from error
    return _scored(
        rows.column(c.ROW_ID).combine_chunks().filter(pa.array(own)),
        labels[own],
        pred_probs[own],
        started,
        _note(fit, shard=number),
    )


def settle(sample: pa.Table, classifier: Classifier, n_classes: int, n_threads: int) -> pa.Table:
    """Choose what is left to be chosen; returns the classifier, or nothing where no row came."""
    if not sample.num_rows:  # Spark does not call for a group without rows, Sail does
        return to_schema(MADE_OF_ROWS).empty_table()
    started = time.process_time()
    rows = _training_rows(sample, n_classes, n_threads)
    settled, fit = classifier.settle(rows)
    return _made(settled, started, _note(fit, rows=len(rows.labels)))


def fit_models(
    sample: pa.Table,
    classifier: Classifier,
    n_classes: int,
    n_folds: int,
    n_groups: int,
    n_threads: int,
) -> pa.Table:
    """Train the models of a group of folds; returns them."""
    started = time.process_time()
    group = sample.column(GROUP)[0].as_py()
    rows = _training_rows(sample, n_classes, n_threads)
    wanted = list(range(group, n_folds, n_groups))
    models, fit = classifier.fit_folds(rows, wanted)
    return _made((wanted, models), started, _note(fit, rows=len(rows.labels)))


def apply_models(
    batches: Iterable[pa.RecordBatch], packed: list[bytes], n_classes: int
) -> Iterator[pa.RecordBatch]:
    """Score rows, each by the model of its fold."""
    models: dict[int, Models] = {}
    for one in packed:
        wanted, trained = pickle.loads(one)  # noqa: S301 - made by `fit_models` in this run
        models |= dict.fromkeys(wanted, trained)
    for batch in batches:
        started = time.process_time()
        features = arrow.matrix(batch.column(c.VECTOR))
        folds, labels = batch.column(c.FOLD).to_numpy(), batch.column(c.LABEL)  # or null
        pred_probs = np.zeros((len(folds), n_classes), np.float32)
        for fold in np.unique(folds).tolist():
            held = folds == fold
            pred_probs[held] = models[fold].predict(features[held], fold)
        yield from _scored(batch.column(c.ROW_ID), labels, pred_probs, started, None).to_batches()


def to_schema(schema: StructType) -> pa.Schema:
    """Return a Spark schema as Arrow's."""
    return arrow.record_batch(schema, {name: [] for name in schema.names}).schema


def vectors_missing(n_missing: int) -> EngineError:
    """Return the error of a store that has lost what an earlier stage put there."""
    expected, got = "a vector for every text of the corpus", f"{n_missing} missing"
    hint = "run again with --restart"
    return EngineError("embedding_missing", "embedding.store", expected, got, hint)


def _training_rows(table: pa.Table, n_classes: int, n_threads: int) -> TrainingRows:
    """Return rows in the order of their ids, of which each counts once."""
    order = arrow.order_of_ids(table.column(c.ROW_ID))
    labels, folds = (table.column(name).to_numpy()[order] for name in (c.LABEL, c.FOLD))
    features = _features(table.column(c.VECTOR), order)
    return TrainingRows(features, labels, folds, n_classes, n_threads)


def _features(vectors: pa.ChunkedArray, at: Integers) -> Features:
    """Return some of the vectors as a matrix, with no other copy of them."""
    chunks = [arrow.matrix(chunk) for chunk in vectors.chunks if len(chunk)]
    features = np.empty((len(at), chunks[0].shape[1]), chunks[0].dtype)
    start = 0
    for chunk in chunks:
        (here,) = np.nonzero((start <= at) & (at < start + len(chunk)))
        features[here] = chunk[at[here] - start]
        start += len(chunk)
    return features


def _note(fit: FitReport, **where: int) -> str:
    return json.dumps({**where, "not_converged": fit.not_converged, **fit.settings})


def _scored(
    row_ids: pa.Array,
    labels: Integers | pa.Array,
    pred_probs: Features,
    started: float,
    note: str | None,
) -> pa.Table:
    n_rows = len(labels)
    cpu_seconds = np.zeros(n_rows)
    cpu_seconds[:1] = time.process_time() - started
    scored = {
        c.ROW_ID: row_ids,
        c.LABEL: labels,
        c.PRED_PROBS: arrow.list_array(pred_probs),
        CPU_SECONDS: cpu_seconds,
        NOTE: pa.array([note, *[None] * (n_rows - 1)][:n_rows], pa.string()),
    }
    return arrow.table(SCORED, scored)


def _dumps(made: object) -> bytes:
    packed: bytes = cloudpickle.dumps(made)  # type: ignore[no-untyped-call]
    return packed


def _made(made: object, started: float, note: str) -> pa.Table:
    row: Mapping[str, list[object]] = {
        MADE: [_dumps(made)],  # pickle cannot do a user's lambda
        CPU_SECONDS: [time.process_time() - started],
        NOTE: [note],
    }
    return arrow.table(MADE_OF_ROWS, row)
