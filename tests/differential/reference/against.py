"""A run beside the reference, from its first table to its last."""

import math
from collections import Counter, defaultdict

import numpy as np

from . import issues, learning, noise, outcome, rows
from .comparison import SCORES, Comparison, content

_OF_LOSSES = 1e-6  # the losses that choose a temperature are sums of 2^-24ths


def compare(case, workspace):
    """Return a `Comparison` of all that a run has written with what the reference says."""
    run = Comparison(case, workspace)
    found = rows.judge(run.table, run.config)
    tables = ("clean", "review", "dropped", "quarantine")
    run.n_lost = len(found.rows) - sum(len(run.read(name)) for name in tables)
    if not _ingested(run, found):
        return run
    accepted = sorted(found.accepted, key=lambda row: row.row_id)
    index = {name: i for i, name in enumerate(found.classes)}
    labels = np.array([index[row.label] for row in accepted])
    pred_probs = _learnt(run, found, accepted, labels)
    model = _estimated(run, found.classes, labels, pred_probs)
    posteriors = noise.posteriors(labels, pred_probs, model, run.json("noise_model.json"))
    judged = issues.find(labels, pred_probs, run.config["label_issues"], model, *posteriors)
    _judged(run, accepted, found.classes, pred_probs, judged)
    cases = outcome.decided(run, accepted, found.classes, pred_probs, judged)
    outcome.published(run, accepted, cases, found.classes, judged)
    return run


def _ingested(run, found):
    """Compare corpus/ and quarantine/; return whether they are the same."""
    source = run.config["input"]
    text = source.get("text")
    corpus, quarantine = run.read("corpus"), run.read("quarantine")
    inputs = [{**row["source"], **({text: row["text"]} if text else {})} for row in corpus]
    for part, written, values in (
        (found.accepted, corpus, inputs),
        (found.rejected, quarantine, quarantine),
    ):
        if not _identified(run, part, [row["row_id"] for row in written], values):
            return False
    by_id = {row["row_id"]: row for row in corpus}
    for row in found.accepted:
        row.key = rows.content_key(row.values, source) or by_id[row.row_id]["text_key"]
    rows.deal(found, run.config["crossval"])
    index = {name: i for i, name in enumerate(found.classes)}
    for name, of in (
        ("text_key", lambda row: row.key),
        ("label", lambda row: index[row.label]),
        ("given_label", lambda row: row.label),
        ("shard", lambda row: row.shard),
        ("fold", lambda row: row.fold),
    ):
        of_run = {row_id: row[name] for row_id, row in by_id.items()}
        run.same(f"corpus.{name}", of_run, {row.row_id: of(row) for row in found.accepted})
    codes = {row["row_id"]: row["error_code"] for row in quarantine}
    run.same("quarantine", codes, {row.row_id: row.code for row in found.rejected})
    run.same_cells("classes", run.json("noise_model.json")["classes"], found.classes)
    return not run.differences


def _identified(run, part, row_ids, values):
    """Give rows the ids that a table has; return whether it has these rows and no others."""
    names, id_column = run.table.column_names, run.config["input"].get("id")
    ids = defaultdict(list)
    for row_id, row in zip(row_ids, values, strict=True):
        ids[content(row, names)].append(row_id)
    contents = [content(row.values, names) for row in part]
    run.same("rows", {key: len(of) for key, of in ids.items()}, Counter(contents))
    if run.differences:
        return False
    if id_column is None:
        _check_ids(run, ids)
    for row, key in zip(part, contents, strict=True):
        own = None if id_column is None else row.values[id_column]
        row.row_id = ids[key].pop() if own is None else str(own)
    return True


def _check_ids(run, ids):
    """See that rows of one content, and they alone, have one hash, and are numbered."""
    owners = {}
    for key, of in ids.items():
        hashes, _, numbers = zip(*(row_id.rpartition("-") for row_id in of), strict=True)
        is_numbered = sorted(map(int, numbers)) == list(range(1, len(of) + 1))
        is_one = len(set(hashes)) == 1 and owners.setdefault(hashes[0], key) == key
        if not (is_numbered and is_one):
            run.differences.append(f"row ids of equal rows: {sorted(of)}")


def _learnt(run, found, accepted, labels):
    """Return the run's probabilities, compared with the user's own or with scikit-learn's."""
    written = {row["row_id"]: row["pred_probs"] for row in run.read("pred_probs")}
    source = run.config["input"]
    if "pred_probs" in source:
        own = {row.row_id: rows.clipped(row.values[source["pred_probs"]]) for row in accepted}
        run.same("pred_probs", written, own)
    pred_probs = np.array([written[row.row_id] for row in accepted], np.float64)
    stages = {stage["name"]: stage for stage in run.json("manifest.json")["stages"]}
    chosen = stages.get("crossval", {}).get("details")
    if chosen is not None and chosen["repeats"] == 1:
        table = "vectors" if {"embedding", "features"} & source.keys() else "embeddings"
        by_key = {row["text_key"]: row["vector"] for row in run.read(table)}
        vectors = np.array([by_key[row.key] for row in accepted], np.float64)
        for held_out, probs in learning.pred_probs_of_folds(
            accepted, labels, vectors, found, run.config["crossval"], chosen
        ):
            off = np.abs(pred_probs[held_out] - probs).max(axis=1)
            run.same_cells("solver", off, np.zeros(len(off)), learning.TOLERANCE)
    return pred_probs


def _estimated(run, classes, labels, pred_probs):
    """Return the noise model, compared with the run's."""
    written, model = run.json("noise_model.json"), noise.estimate(labels, pred_probs)
    counts = np.bincount(labels, minlength=len(classes))
    run.same_cells("counts", written["counts"], counts)
    for name in ("thresholds", "joint", "py", "noise_matrix", "inverse_noise_matrix"):
        run.same_cells(name, written[name], getattr(model, name), SCORES)
    for name in ("confident_joint", "n_label_issues"):
        run.same_cells(name, written[name], getattr(model, name))
    quality = noise.class_quality(model.joint, len(labels))
    table = {row["class_index"]: row for row in run.read("label_health/classes")}
    for name in ("label_issues", "inverse_label_issues", "label_quality_score"):
        of_cleanlab = quality[name.replace("_", " ").title()].to_dict()
        of_run = {k: row[name] for k, row in table.items()}
        run.same(f"label_health.{name}", of_run, of_cleanlab, SCORES)
    shares, equal = np.maximum(counts, 1.0), np.full(len(classes), 1 / len(classes))
    is_own = "pred_probs" in run.config["input"]
    priors = [shares / shares.sum(), equal] if is_own else [equal]  # of weights that are balanced
    best = noise.calibrate(labels, pred_probs, priors)
    logs = (math.log(of) for of in (written["temperature"], best.temperature))
    run.same_cells("temperature", *logs, _OF_LOSSES)
    run.same_cells("training_prior", written["training_prior"], best.prior, SCORES)
    told = run.json("summary.json")["crossval"]["noise"]
    if told is not None:
        explained = 1 - best.loss / np.log(len(classes))
        run.same_cells("explained", told["explained"], explained, _OF_LOSSES)
    return model


def _judged(run, accepted, classes, pred_probs, judged):
    names, predicted = np.array(classes, object), pred_probs.argmax(axis=1)
    exact = {
        "predicted_label": names[predicted],
        "suggested_label": names[judged.suggested],
        "is_label_issue": judged.is_issue,
        "label_rank": np.where(judged.rank > 0, judged.rank.astype(object), None),
    }
    close = {
        "predicted_prob": pred_probs.max(axis=1),
        "suggested_prob": judged.suggested_prob,
        "given_label_prob": judged.given_prob,
        "label_score": judged.score,
    }
    written, ids = run.read("issues"), [row.row_id for row in accepted]
    for name, values in (exact | close).items():
        of_run = {row["row_id"]: row[name] for row in written}
        reference = dict(zip(ids, values.tolist(), strict=True))
        run.same(f"issues.{name}", of_run, reference, SCORES if name in close else None)
