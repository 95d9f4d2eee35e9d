"""Generated corpora of given labels and probabilities, each fixed by its seed."""

from functools import cache
from typing import NamedTuple

import numpy as np

KINDS = ("continuous", "rounded", "float32", "one_hot", "identical", "edges")


class Corpus(NamedTuple):
    labels: np.ndarray
    pred_probs: np.ndarray
    kind: str

    @property
    def n_classes(self):
        return self.pred_probs.shape[1]


@cache
def corpus(seed, n_classes=None, n_rows=None, kind=None):
    """Noisy labels and the probabilities of a classifier that is right more often than not.

    By seed: 2 to 50 classes, up to two of them empty, one perhaps of a single row; continuous
    probabilities, or some of the kinds that make rows tie.
    """
    rng = np.random.default_rng([seed, 20240229])
    kind = kind or KINDS[seed % len(KINDS)]
    k = n_classes or int(rng.choice([2, 3, 4, 5, 8, 10, 20, 50]))
    n = n_rows or int(rng.integers(20, 900))
    true = rng.integers(0, k, n)
    labels = np.where(rng.random(n) < rng.choice([0.05, 0.3]), rng.integers(0, k, n), true)
    if k > 3:
        for empty in rng.choice(k, int(rng.integers(0, 3)), replace=False):
            labels[labels == empty] = (empty + 1) % k
    if seed % 5 == 0:  # a class of one row
        labels[labels == k - 1] = 0
        labels[0] = k - 1
    labels[-2:] = [0, 1]  # cleanlab wants two classes at least
    logits = rng.normal(size=(n, k)) * rng.choice([1.0, 3.0])
    logits[np.arange(n), true] += rng.choice([1.0, 3.0])
    pred_probs = np.exp(logits)
    pred_probs /= pred_probs.sum(axis=1, keepdims=True)
    return Corpus(labels, _made(kind, pred_probs, rng), kind)


def _made(kind, pred_probs, rng):
    n, k = pred_probs.shape
    rows, predicted = np.arange(n), pred_probs.argmax(axis=1)
    match kind:
        case "rounded":  # to multiples of 0.05, the rest to the most probable class
            pred_probs = np.floor(pred_probs / 0.05) * 0.05
            pred_probs[rows, predicted] += 1 - pred_probs.sum(axis=1)
        case "float32":
            pred_probs = pred_probs.astype(np.float32).astype(np.float64)
        case "one_hot":
            pred_probs = np.eye(k)[predicted]
        case "identical":
            pred_probs[: n // 2] = pred_probs[0]
        case "edges":  # near 0 and 1, and negative zeros
            pred_probs[::3] = np.eye(k)[rng.integers(0, k, len(pred_probs[::3]))]
            pred_probs[::6][pred_probs[::6] == 0] = -0.0
            pred_probs[pred_probs == 1] = 1 - 1e-6
            pred_probs[1::6] = np.where(pred_probs[1::6] < 0.01 / k, 1e-6, pred_probs[1::6])
    return pred_probs
