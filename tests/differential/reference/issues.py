"""Label issues: cleanlab's filters and scores, or the posterior; ties go to the smaller row id."""

from dataclasses import dataclass

import cleanlab.rank
import numpy as np

from core.reference import find_label_issues, stable_cleanlab


@dataclass
class Issues:
    """What is found of each row, in the order of row ids."""

    is_issue: np.ndarray
    score: np.ndarray
    rank: np.ndarray  # 1 = worst; 0: no issue
    suggested: np.ndarray  # positions of labels
    suggested_prob: np.ndarray
    given_prob: np.ndarray
    doubting: np.ndarray  # q, shape (n, K), that soft labels are


def find(labels, pred_probs, config, model, suggesting, doubting):
    """Judge rows that are in the order of their ids, so that a stable sort breaks ties by id."""
    rows, counts = np.arange(len(labels)), np.bincount(labels, minlength=pred_probs.shape[1])
    suggested = _likeliest(labels, suggesting)
    if config.get("method", "confident_learning") == "posterior":
        doubted = _likeliest(labels, doubting)
        is_issue = ((doubted != labels) | (suggested != labels)) & (counts[labels] > 1)
        score = doubting[rows, labels]
    else:
        is_issue = _by_cleanlab(labels, pred_probs, config, model)
        score = _scores(labels, pred_probs, config, model)
    rank = np.zeros(len(labels), int)
    flagged = np.flatnonzero(is_issue)
    rank[flagged[np.argsort(score[flagged], kind="stable")]] = np.arange(1, len(flagged) + 1)
    return Issues(
        is_issue,
        score,
        rank,
        suggested,
        suggesting[rows, suggested],
        suggesting[rows, labels],
        doubting,
    )


def _likeliest(labels, probs):
    """Return the most probable class; the given label where it is as probable."""
    best = probs.argmax(axis=1)
    rows = np.arange(len(labels))
    return np.where(probs[rows, labels] >= probs[rows, best], labels, best)


def _by_cleanlab(labels, pred_probs, config, model):
    settings = {
        key: config[key] for key in ("frac_noise", "min_examples_per_class") if key in config
    }
    filter_by = config.get("filter_by", "prune_by_noise_rate")
    if filter_by in ("prune_by_noise_rate", "prune_by_class", "both"):
        settings["confident_joint"] = model.confident_joint
    return find_label_issues(labels, pred_probs, filter_by=filter_by, **settings)


def _scores(labels, pred_probs, config, model):
    method = config.get("rank_by", "self_confidence")
    if method == "confidence_weighted_entropy":
        pred_probs = np.clip(pred_probs, 0, 1)  # cleanlab refuses what rounding leaves above 1
    if config.get("adjust_pred_probs", False):
        pred_probs = pred_probs - model.thresholds + model.thresholds.max()
        pred_probs /= pred_probs.sum(axis=1, keepdims=True)
    with stable_cleanlab():
        return cleanlab.rank.get_label_quality_scores(labels, pred_probs, method=method)
