"""Out-of-sample probabilities, by scikit-learn's logistic regression run to a tight tolerance."""

import warnings
from collections import defaultdict

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .hashing import xxhash64

TOLERANCE = 2e-3  # the solver promises 1e-3 of its own optimum; this one is near it, not at it
_MOST_WORK = 4e8  # multiplications of a step of the models that are compared: a second or two
_POOLED = 10
_ALL_BUT_CONSTANT = 1e-4


def pred_probs_of_folds(rows, labels, vectors, found, crossval, chosen):
    """Yield positions of rows that were held out together, and their probabilities.

    Folds are left out of which a column is all but constant without them: by how much a coefficient
    that hardly matters in training counts for them, float32 does not tell.

    Parameters
    ----------
    rows : the accepted ones, in the order of their ids
    labels : int64, shape (n,)
    vectors : shape (n, D)
    found : the input, of which shards and classes are counted
    crossval : the configuration's
    chosen : `C` and `standardize`, as the run has chosen them
    """
    shards, folds = (np.array([getattr(row, name) for row in rows]) for name in ("shard", "fold"))
    is_global, n_classes = crossval.get("mode") == "global", len(found.classes)
    if is_global:
        shards[:] = 0
    n_shards = 1 if is_global else found.n_shards
    pool = _pool(rows, labels, folds, n_shards, n_classes, crossval)
    work = 0.0
    for shard in range(n_shards):
        learnt_from = (shards == shard) | pool
        for fold in np.unique(folds[shards == shard]):
            held_out = np.flatnonzero((shards == shard) & (folds == fold))
            trained = np.flatnonzero(learnt_from & (folds != fold))
            spread = vectors[trained].std(axis=0)
            of_all = vectors[np.union1d(trained, held_out)].std(axis=0)
            if chosen["standardize"] and (spread < _ALL_BUT_CONSTANT * of_all).any():
                continue
            work += len(trained) * vectors.shape[1] * len(np.unique(labels[trained])) * 100
            if work > _MOST_WORK:
                return
            probs = np.zeros((len(held_out), n_classes))
            known = np.unique(labels[trained])
            probs[:, known] = _predict(vectors[trained], labels[trained], vectors[held_out], chosen)
            yield held_out, probs


def _pool(rows, labels, folds, n_shards, n_classes, crossval):
    """Return which rows every shard learns from: those of classes with few rows in a fold."""
    cells = defaultdict(list)
    for at, (fold, label) in enumerate(zip(folds.tolist(), labels.tolist(), strict=True)):
        cells[fold, label].append(at)
    n_cells = crossval.get("folds", 10) * n_classes
    most = min(_POOLED, max(1, crossval.get("rows_per_shard", 50_000) // (2 * n_cells)))
    pool = np.zeros(len(rows), bool)
    for of_cell in cells.values():
        if n_shards > 1 and len(of_cell) < 2 * n_shards:
            seed = crossval.get("seed", 0) + 2
            by_hash = sorted(
                of_cell, key=lambda at: (xxhash64(rows[at].key, seed), rows[at].row_id)
            )
            pool[by_hash[:most]] = True
    return pool


def _predict(vectors, labels, held_out, chosen):
    """Return the probabilities of the classes that there are; one alone is certain."""
    if len(np.unique(labels)) == 1:
        return 1.0
    model = LogisticRegression(C=chosen["C"], class_weight="balanced", tol=1e-7, max_iter=10_000)
    if chosen["standardize"]:
        model = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(vectors, labels).predict_proba(held_out)
