"""Cross-validation several times over, each with other folds, and the mean of the probabilities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa

from lakewinnow.classifiers.base import (
    Classifier,
    FitReport,
    Integers,
    Probabilities,
    TrainingRows,
)
from lakewinnow.classifiers.logistic import Logistic

Repeats: TypeAlias = int | Literal["auto"]
_REPEATS: Final = 5
_ENOUGH: Final = 0.5  # share of the classes' entropy that is explained: other folds change little
_LEAST_PROB: Final = 1e-30


def of_shards(asked: Repeats, classifier: Classifier, n_shards: int) -> Repeats:
    """Return how often a shard is cross-validated; `auto` repeats where it costs little."""
    is_cheap = n_shards == 1 and isinstance(classifier, Logistic)
    return 1 if asked == "auto" and not is_cheap else asked


def repeated(
    classifier: Classifier, rows: TrainingRows, keys: pa.ChunkedArray, repeats: Repeats
) -> tuple[Probabilities, FitReport]:
    """Score every row by models of the other folds, several times; return the geometric mean.

    Parameters
    ----------
    rows : their folds are the first ones
    keys : n, of the rows; those of one key are held out together
    repeats : auto: 5, but 1 where the first time explains half of the classes' entropy

    Returns
    -------
    float32, shape (n, K), rows sum to 1; and the report of the first time, with all folds that did
    not converge, and how often it was
    """
    pred_probs, report = classifier.cross_val_predict(rows)
    if repeats == "auto":
        repeats = 1 if _explained(rows, pred_probs) >= _ENOUGH else _REPEATS
    if repeats == 1:
        return pred_probs, report
    if isinstance(classifier, Logistic):  # what was chosen by looking at all rows stays
        settings: Mapping[str, Any] = report.settings
        classifier = replace(classifier, C=settings["C"], standardize=settings["standardize"])
    texts = keys.combine_chunks().dictionary_encode().indices.to_numpy()
    logs = np.log(np.maximum(pred_probs, _LEAST_PROB), dtype=np.float64)
    failed = list(report.not_converged)
    for i in range(1, repeats):
        other_folds = _folds(texts, rows, np.random.default_rng(i))
        probs, of_repeat = classifier.cross_val_predict(rows._replace(folds=other_folds))
        logs += np.log(np.maximum(probs, _LEAST_PROB), dtype=np.float64)
        failed += of_repeat.not_converged
    means = np.exp(logs / repeats)
    means /= means.sum(axis=1, keepdims=True)
    return means.astype(np.float32), FitReport(
        tuple(sorted(set(failed))), {**report.settings, "repeats": repeats}
    )


def _folds(texts: Integers, rows: TrainingRows, rng: np.random.Generator) -> Integers:
    """Deal texts to as many folds, each class evenly, shape (n,)."""
    n_texts = int(texts.max()) + 1
    label = np.empty(n_texts, np.int64)
    label[texts[::-1]] = rows.labels[::-1]  # of a text's first row
    order = rng.permutation(n_texts)
    order = order[np.argsort(label[order], kind="stable")]
    folds = np.empty(n_texts, np.int64)
    folds[order] = np.arange(n_texts) % len(np.unique(rows.folds))
    dealt: Integers = folds[texts]
    return dealt


def _explained(rows: TrainingRows, pred_probs: Probabilities) -> float:
    """Return the share of the entropy that is explained, classes weighted equally."""
    losses = -np.log(np.maximum(pred_probs[np.arange(len(pred_probs)), rows.labels], _LEAST_PROB))
    counts = np.bincount(rows.labels, minlength=rows.n_classes)
    sums = np.bincount(rows.labels, losses, minlength=rows.n_classes)
    n_present = np.count_nonzero(counts)
    means = sums[counts > 0] / counts[counts > 0]
    return float(1 - means.mean() / np.log(n_present)) if n_present > 1 else 1.0
