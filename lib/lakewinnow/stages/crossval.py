"""Crossval: the probability of every class for every row, from a model that never saw its text.

Reads    corpus/, the embedding store
Writes   pred_probs/, one row per accepted row
Passes   1 over corpus and vectors
Shuffle  one by text key (the join), one by shard (N·D·4 bytes)

Each shard cross-validates by itself in one task. A shard is a fair pseudo-random subset, so its
probabilities are pooled with those of the others; one shard is `cross_val_predict` over everything.
A class that the training folds of a model lack has probability 0 in that model.
"""

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)
from threadpoolctl import threadpool_limits

from lakewinnow import columns as c
from lakewinnow.config import CrossvalConfig, EmbeddingConfig
from lakewinnow.embedding import registry
from lakewinnow.errors import EngineError
from lakewinnow.lake.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import arrow, cluster

PRED_PROBS = StructType(
    [
        StructField(c.ROW_ID, StringType(), nullable=False),
        StructField(c.LABEL, IntegerType(), nullable=False),
        StructField(c.PRED_PROBS, ArrayType(FloatType(), containsNull=False), nullable=False),
    ]
)
_CONVERGED: Final = "converged"
_WITH_CONVERGED = StructType(
    [*PRED_PROBS.fields, StructField(_CONVERGED, BooleanType(), nullable=False)]
)

# scikit-learn's default 1e-4 leaves probabilities 0.02 to 0.05 from the optimum; this, below 0.002.
_TOLERANCE: Final = 1e-6

FloatMatrix = NDArray[np.floating]


def run(lake: Lake, embedding: EmbeddingConfig, config: CrossvalConfig) -> StageReport:
    """Cross-validate every shard.

    Raises
    ------
    EngineError
        ``"embedding_missing"``: the store has lost vectors that an earlier stage put there.
    """
    ingest = lake.details("ingest")
    n_classes, n_shards = len(ingest["classes"]), ingest["n_shards"]
    rows = lake.read("corpus").select(c.ROW_ID, c.TEXT_KEY, c.LABEL, c.FOLD, c.SHARD)
    store = store_of(lake, embedding)
    joined = rows.join(store.vectors(registry.identify(embedding)), c.TEXT_KEY, "left")
    score = partial(
        _score_shard,
        n_classes=n_classes,
        params=dict(config.params),
        threads=cluster.threads_per_task(lake.spark, n_shards),
    )
    shards = joined.drop(c.TEXT_KEY).groupBy(c.SHARD)
    # A lambda: Spark chooses tables or iterators by the signature, and misreads a partial's.
    scored = shards.applyInArrow(lambda shard: score(shard), _WITH_CONVERGED)  # noqa: PLW0108
    seen = Observation("crossval")
    scored = scored.observe(seen, F.count_if(~F.col(_CONVERGED)).alias("not_converged"))
    lake.publish("pred_probs", scored, schema=PRED_PROBS)
    n_rows, not_converged = lake.rows("pred_probs"), seen.get["not_converged"]
    return StageReport(
        rows_in=lake.rows("corpus"),
        rows_out=n_rows,
        reads={"corpus": 1},
        bytes_in=store.size(),
        writes=("pred_probs",),
        details={
            "not_converged": not_converged,
            "warnings": [
                f"the classifier of {not_converged:,} rows stopped before it converged: "
                "raise crossval.params.max_iter or lower C"
            ]
            if not_converged
            else [],
        },
    )


def _score_shard(
    shard: pa.Table, n_classes: int, params: Mapping[str, Any], threads: int
) -> pa.Table:
    """Cross-validate one shard; its rows come back in row-id order, however they arrived."""
    shard = shard.sort_by(c.ROW_ID)
    vectors = pc.drop_null(shard.column(c.VECTOR))
    if len(vectors) < len(shard):
        raise EngineError(
            "embedding_missing",
            "embedding.store",
            "a vector for every text of the corpus",
            f"{len(shard) - len(vectors)} missing",
            "run again with --restart",
        )
    labels = shard.column(c.LABEL).to_numpy()
    pred_probs, converged = cross_val_predict(
        arrow.matrix(vectors), labels, shard.column(c.FOLD).to_numpy(), n_classes, params, threads
    )
    scored = {
        c.ROW_ID: shard.column(c.ROW_ID).combine_chunks(),
        c.LABEL: labels,
        c.PRED_PROBS: arrow.list_array(pred_probs.astype(np.float32)),
        _CONVERGED: converged,
    }
    return pa.Table.from_batches([arrow.record_batch(_WITH_CONVERGED, scored)])


def cross_val_predict(
    features: FloatMatrix,
    labels: NDArray[np.integer],
    folds: NDArray[np.integer],
    n_classes: int,
    params: Mapping[str, Any],
    threads: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Out-of-sample probabilities by logistic regression, one model a fold.

    The same as scikit-learn's ``cross_val_predict(..., method="predict_proba")`` with these folds,
    but to a tighter optimum, and with a column for every class even where a fold lacks one.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,), in 0 .. n_classes - 1
    folds : ndarray of shape (n_rows,), rows of one number are held out together
    params : mapping
        C, class_weight and max_iter of ``sklearn.linear_model.LogisticRegression``.
    threads : int
        Folds fitted at once. The result does not depend on it: each fit has one BLAS thread.

    Returns
    -------
    pred_probs : ndarray of shape (n_rows, n_classes), float64
    converged : ndarray of shape (n_rows,), whether the row's model did
    """
    features = np.asarray(features, np.float64)
    pred_probs = np.zeros((len(labels), n_classes))
    converged = np.ones(len(labels), np.bool_)

    def fit(fold: int) -> None:
        held = folds == fold
        pred_probs[held], converged[held] = _fit_predict(
            features[~held], labels[~held], features[held], n_classes, params
        )

    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        warnings.simplefilter("ignore")  # non-convergence is returned; the filter is the process's
        list(pool.map(fit, np.unique(folds)))
    return pred_probs, converged


def _fit_predict(
    train: FloatMatrix,
    labels: NDArray[np.integer],
    held: FloatMatrix,
    n_classes: int,
    params: Mapping[str, Any],
) -> tuple[NDArray[np.float64], bool]:
    from sklearn.linear_model import LogisticRegression

    pred_probs = np.zeros((len(held), n_classes))
    present = np.unique(labels)
    if len(present) == 1:  # nothing to tell apart: the one class is certain
        pred_probs[:, present] = 1.0
        return pred_probs, True
    model = LogisticRegression(tol=_TOLERANCE, **params).fit(train, labels)
    pred_probs[:, present] = model.predict_proba(held)
    return pred_probs, bool((model.n_iter_ < model.max_iter).all())
