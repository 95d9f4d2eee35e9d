"""A second look, at whether the classifier has learnt all that the vectors tell of a class.

Where it has, the labels of the rows that it is surest are of a class depend on nothing but its own
score: those with another label are wrong at random, or hard in a way that no vector shows. Where a
second model, taught on these rows alone, foretells which of them have another label, the first has
missed something, and its errors must not be taken for errors of the labels.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lakewinnow.core.noise.channel import LEAST_PROB
from lakewinnow.core.types import BoolArray, FloatArray, IntArray

MISSED: Final = 2.0  # standard errors
_SURE_SHARE: Final = 0.6  # of a class's own rows; as sure of others' is among what is looked at
_LEAST_ROWS: Final = 20  # with the label, and without it: fewer show nothing
_MOST_ROWS: Final = 1200  # a look takes the cube of them
_PENALTY: Final = 1.0  # of the ridge; from 0.3 to 1 it makes no difference that matters


def missed(
    labels: IntArray, pred_probs: FloatArray, features: npt.NDArray[np.floating]
) -> FloatArray:
    """Return how surely the classifier has missed something of each class, in standard errors.

    The second model is kernel ridge regression with a Gaussian kernel, which sees what is not
    linear; each row is foretold by the others (leave one out, in closed form). Its score stands
    beside the first model's log-odds in a logistic regression: the weight, divided by its standard
    error (Wald).

    Parameters
    ----------
    labels : int64, shape (n,)
    pred_probs : float64, shape (n, K), out of sample
    features : shape (n, D)

    Returns
    -------
    float64, shape (K,); NaN where too few rows disagree
    """
    found = np.full(pred_probs.shape[1], np.nan)
    for k in range(len(found)):
        own = pred_probs[labels == k, k]
        if len(own) < _LEAST_ROWS:
            continue
        sure = np.flatnonzero(pred_probs[:, k] >= np.quantile(own, 1 - _SURE_SHARE))
        sure = sure[:: max(1, -(-len(sure) // _MOST_ROWS))]
        has_label = labels[sure] == k
        if min(np.count_nonzero(has_label), np.count_nonzero(~has_label)) >= _LEAST_ROWS:
            probs = np.clip(pred_probs[sure, k], LEAST_PROB, 1 - LEAST_PROB)
            second = _foretold(features[sure].astype(np.float64), has_label)
            found[k] = _wald(has_label, np.log(probs / (1 - probs)), second)
    return found


def _foretold(features: FloatArray, has_label: BoolArray) -> FloatArray:
    """Return scores of having the label, each by a model of the other rows, shape (n,).

    Both sides weigh the same. For the closed form see Rasmussen & Williams (2006), 5.4.2.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(lengths, np.finfo(np.float64).tiny)
    distances = np.maximum(2 - 2 * unit @ unit.T, 0.0)
    usual = float(np.median(distances[np.triu_indices(len(distances), 1)]))
    kernel = np.exp(-distances / max(usual, np.finfo(np.float64).tiny))
    share = has_label.mean()
    weights = np.where(has_label, 0.5 / share, 0.5 / (1 - share))
    inverse = np.linalg.inv(kernel + np.diag(_PENALTY / weights))
    signs = np.where(has_label, 1.0, -1.0)
    scores: FloatArray = signs - inverse @ signs / inverse.diagonal()
    return scores


def _wald(has_label: BoolArray, first: FloatArray, second: FloatArray) -> float:
    """Return weight / standard error of the second in a logistic regression on both (Newton)."""
    both = np.column_stack([first, second])
    scaled = (both - both.mean(axis=0)) / np.maximum(both.std(axis=0), np.finfo(np.float64).tiny)
    design = np.column_stack([np.ones(len(first)), scaled])
    weights = np.zeros(3)
    for _ in range(25):
        probs = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        information = (design * (probs * (1 - probs))[:, np.newaxis]).T @ design + 1e-3 * np.eye(3)
        step = np.linalg.solve(information, design.T @ (has_label - probs))
        weights += np.clip(step, -2, 2)
    return float(weights[2] / np.sqrt(np.linalg.inv(information)[2, 2]))
