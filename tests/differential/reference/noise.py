"""The noise model: cleanlab's estimates, and how the probabilities are calibrated."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from cleanlab import count, dataset

from core.reference import stable_cleanlab

GRID = 2.0 ** np.arange(-3, 5, 0.5)  # of 1 / temperature
_TICK = 2.0**-24
_LEAST_PROB = np.finfo(np.float64).eps
_DOUBT = 1e-9  # weight of cleanlab's noise matrix beside the channel's


@dataclass
class NoiseModel:
    """What is estimated of given labels (rows) and true ones (columns)."""

    thresholds: np.ndarray
    confident_joint: np.ndarray
    joint: np.ndarray
    py: np.ndarray
    noise_matrix: np.ndarray
    inverse_noise_matrix: np.ndarray
    n_label_issues: int


def estimate(labels, pred_probs):
    """Estimate the model of rows in any order."""
    n_classes = pred_probs.shape[1]
    thresholds = np.full(n_classes, 2.0)  # a class without rows is never confident
    for k in np.unique(labels):
        own = pred_probs[labels == k, k].tolist()
        thresholds[k] = max(float(sum(map(Fraction, own)) / len(own)), 2e-6)
    with stable_cleanlab():
        joint = count.compute_confident_joint(labels, pred_probs, thresholds=thresholds)
        py, noise, inverse = count.estimate_latent(joint, labels)
        n_issues = count.num_label_issues(labels, pred_probs)
    return NoiseModel(thresholds, joint, joint / joint.sum(), py, noise, inverse, int(n_issues))


def class_quality(joint, n_rows):
    """Return cleanlab's table of classes, by class index."""
    found = dataset.rank_classes_by_label_quality(joint=joint, num_examples=n_rows)
    return found.set_index("Class Index")


@dataclass
class Calibration:
    """How probabilities become those of classes that are equally frequent."""

    temperature: float
    prior: np.ndarray
    loss: float  # the least on the grid


def calibrate(labels, pred_probs, priors):
    """Return the calibration of least log loss of the given labels, classes weighted equally."""
    present = np.unique(labels)
    losses = np.zeros((len(priors), len(GRID)))
    for at, prior in enumerate(priors):
        ratios = np.maximum(pred_probs, 0) / prior
        ratios /= ratios.max(axis=1, keepdims=True)
        own = np.clip(ratios[np.arange(len(labels)), labels], _LEAST_PROB, 1)
        for i, power in enumerate(GRID):
            of_rows = np.log((ratios**power).sum(axis=1)) - power * np.log(own)
            ticks = np.rint(of_rows / _TICK)
            losses[at, i] = np.mean([ticks[labels == k].mean() for k in present]) * _TICK
    best = int(losses.min(axis=1).argmin())
    at = min(range(len(GRID)), key=lambda i: (losses[best, i], abs(np.log(GRID[i]))))
    shift = 0.0
    if 0 < at < len(GRID) - 1:  # the least point of the parabola through three
        before, here, after = losses[best, at - 1 : at + 2]
        bend = before - 2 * here + after
        shift = (before - after) / (2 * bend) if bend > 0 else 0.0
    temperature = 1 / (GRID[at] * 2.0 ** (shift / 2))
    return Calibration(float(temperature), priors[best], float(losses.min()))


def posterior(labels, pred_probs, scale, prior, weights):
    """Return q of the guide: P^scale / prior^scale · weights[given label], rows sum to 1.

    A row of which that leaves nothing keeps its own probabilities.
    """
    by_text = np.maximum(pred_probs, 0) / prior
    by_text = (by_text / by_text.max(axis=1, keepdims=True)) ** scale
    by_text /= by_text.sum(axis=1, keepdims=True)
    both = by_text * weights[labels]
    total = both.sum(axis=1, keepdims=True)
    return np.where(total > 0, both / np.where(total > 0, total, 1), by_text)


def posteriors(labels, pred_probs, model, written):
    """Return q of suggestions, and that of doubts, which rests on confident learning's matrix.

    Parameters
    ----------
    written : noise_model.json, of which temperature, prior and channel are taken
    """
    scale, prior = 1 / written["temperature"], np.array(written["training_prior"])
    doubting = posterior(labels, pred_probs, scale, prior, model.py * model.noise_matrix)
    channel = written.get("channel")
    if channel is None:
        return doubting, doubting
    noise = np.zeros_like(model.noise_matrix)
    for given, true, share in channel["noise_matrix_cells"]:
        noise[given, true] = share
    weights = np.array(channel["shares"]) * ((1 - _DOUBT) * noise + _DOUBT * model.noise_matrix)
    equal = np.full(len(prior), 1 / len(prior))
    return posterior(labels, pred_probs, channel["scale"], equal, weights), doubting
