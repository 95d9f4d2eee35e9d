"""Cross-validation several times over, each with other folds, and the mean of the probabilities."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

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

AUTO: Final = 3
_LEAST_PROB: Final = 1e-30


def n_repeats(asked: int | str, classifier: Classifier, n_shards: int) -> int:
    """Return how often to cross-validate; `auto` does so where it costs little."""
    if isinstance(asked, int):
        return asked
    is_cheap = n_shards == 1 and isinstance(classifier, Logistic)
    return AUTO if is_cheap else 1


def repeated(
    classifier: Classifier, rows: TrainingRows, keys: pa.ChunkedArray, n_repeats: int
) -> tuple[Probabilities, FitReport]:
    """Score every row by models of the other folds, n times; return the geometric mean.

    Parameters
    ----------
    rows : their folds are the first ones
    keys : n, of the rows; those of one key are held out together

    Returns
    -------
    float32, shape (n, K), rows sum to 1; and the report of the first time, with all folds that did
    not converge
    """
    pred_probs, report = classifier.cross_val_predict(rows)
    if n_repeats == 1:
        return pred_probs, report
    if isinstance(classifier, Logistic):  # what was chosen by looking at all rows stays
        settings: Mapping[str, Any] = report.settings
        classifier = replace(classifier, C=settings["C"], standardize=settings["standardize"])
    texts = keys.combine_chunks().dictionary_encode().indices.to_numpy()
    logs = np.log(np.maximum(pred_probs, _LEAST_PROB), dtype=np.float64)
    failed = list(report.not_converged)
    for i in range(1, n_repeats):
        other_folds = _folds(texts, rows, np.random.default_rng(i))
        probs, of_repeat = classifier.cross_val_predict(rows._replace(folds=other_folds))
        logs += np.log(np.maximum(probs, _LEAST_PROB), dtype=np.float64)
        failed += of_repeat.not_converged
    means = np.exp(logs / n_repeats)
    means /= means.sum(axis=1, keepdims=True)
    return means.astype(np.float32), FitReport(tuple(sorted(set(failed))), report.settings)


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
