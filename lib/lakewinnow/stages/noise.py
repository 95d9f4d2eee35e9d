"""Noise: how given labels and true labels depend on each other, over the whole corpus.

Reads    pred_probs/; of a sample of its rows the vectors, where there are some
Writes   noise_model.json; label_health/classes/ and label_health/overlaps/, the same as tables;
         of more than 1,000 classes label_health/matrices/, which the file has no room for
Passes   2: thresholds and calibration figures; confident joint and the losses that choose the
         temperature. Only integer sums leave a task. A third for a sample of at most 20,000 rows,
         which goes to one task
Shuffle  none but those sums, and the sample
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import OWN_PARAMS, CrossvalConfig, EmbeddingConfig
from lakewinnow.core.noise.calibration import prior_of
from lakewinnow.core.noise.channel import Channel
from lakewinnow.core.noise.health import find_overlapping_classes, rank_classes_by_label_quality
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.sparse import Sparse
from lakewinnow.core.types import FloatArray, IntArray
from lakewinnow.embedding import registry
from lakewinnow.figures.labels import NoiseFound, PredProbs
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, accepted_probs
from lakewinnow.lake.training.sample import smallest
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark.passes import channel as channels
from lakewinnow.spark.passes import confident_learning, posterior

_MATRICES: Final = "label_health/matrices"
# Of what there is to know of the classes: below, the classifier's errors cannot be told from the
# labels'. Chosen on the sets of tests/bench/evidence.py, as the next one.
LEAST_EXPLAINED: Final = 0.075
LEAST_EVIDENCE: Final = 8.0
# Of few rows the second look sees too little, unless the classifier is good
EVIDENCE_OF_FEW: Final = 25.0
FEW_ROWS: Final = 1_500
GOOD: Final = 0.5  # share that is explained
_SHOWN: Final = 3  # classes in a sentence
_NO_BETTER = (
    "the classifier is no better than guessing by the shares of the classes (log loss"
    " {0.log_loss:.3f}, guessing {0.prior_log_loss:.3f}), so its label issues mean little"
)


def run(
    lake: Lake,
    earlier: NoiseModel | None = None,
    crossval: CrossvalConfig | None = None,
    embedding: EmbeddingConfig | None = None,
) -> StageReport[PredProbs]:
    """Estimate the noise model and the quality of the probabilities it rests on.

    Parameters
    ----------
    earlier : the model of an earlier run, of the same classes, to judge these rows with: nothing is
        estimated then, noise_model.json is that model's with the counts of these rows
    crossval : how the probabilities were made; None: by somebody else
    embedding : of the rows' vectors, for a second look at what the classifier has missed; None:
        there are none
    """
    if earlier is None:
        model, figures = measured(lake, crossval)
        channel, found = _channel(lake, model, embedding, figures)
        model = model.with_posterior(model.calibration, channel)
        figures = replace(figures, noise=found)
    else:
        model, figures = _of_batch(lake, earlier)
    lake.publish_json("noise_model.json", model.to_dict())
    n_rows = model.n_rows
    tables = {**_health_tables(model, n_rows), **_matrices(model)}
    for name, table in tables.items():
        lake.publish_small(name, table)
    if _MATRICES not in tables:  # of an earlier run with more classes
        lake.drop(_MATRICES)
    return StageReport(
        rows_in=n_rows,
        rows_out=n_rows,
        reads={"pred_probs": 2 if figures.noise is None else 3},
        writes=("noise_model.json", *tables),
        figures=figures,
        warnings=warnings(figures),
    )


def measured(lake: Lake, crossval: CrossvalConfig | None) -> tuple[NoiseModel, PredProbs]:
    """Return the noise model without its channel, and what the probabilities are worth.

    Parameters
    ----------
    crossval : as in `run`
    """
    classes = tuple(lake.figures("ingest", Ingested).classes)
    pred_probs = accepted_probs(lake)
    threshold_state, calibration = confident_learning.thresholds(pred_probs, len(classes))
    priors = _training_priors(crossval, classes, threshold_state.counts)
    found = posterior.joint_and_losses(pred_probs, threshold_state.thresholds(), priors)
    model = NoiseModel.estimate(classes, threshold_state, found.joint)
    best = found.losses.best(priors)
    figures = PredProbs(
        **calibration.figures(),
        calibrated_balanced_log_loss=float(found.losses.balanced_losses().min()),
        temperature=best.temperature,
        noise=None,
    )
    return model.with_posterior(best, None), figures


def _of_batch(lake: Lake, earlier: NoiseModel) -> tuple[NoiseModel, PredProbs]:
    """Return an earlier model for these rows, and what their probabilities are worth."""
    pred_probs = accepted_probs(lake)
    threshold_state, calibration = confident_learning.thresholds(pred_probs, len(earlier.classes))
    joint_state = confident_learning.joint(pred_probs, earlier.thresholds)
    temperature = None if earlier.calibration is None else earlier.calibration.temperature
    figures = PredProbs(**calibration.figures(), temperature=temperature, noise=None)
    return earlier.of_batch(threshold_state, joint_state), figures


def warnings(figures: PredProbs) -> list[str]:
    """Say where the probabilities are worth nothing."""
    return [_NO_BETTER.format(figures)] if _is_no_better(figures) else []


def _channel(
    lake: Lake, model: NoiseModel, embedding: EmbeddingConfig | None, figures: PredProbs
) -> tuple[Channel | None, NoiseFound | None]:
    """Return the channel, closed where what it says cannot be relied on, and what was found."""
    if isinstance(model.noise_matrix, Sparse):  # too few rows a class to tell anything
        return None, None
    fitted = channels.fit(_sample(lake, model, embedding), model.noise_matrix)
    if fitted is None:
        return None, None
    channel, is_missed, n_rows = fitted
    n_classes, least_loss = len(model.classes), figures.calibrated_balanced_log_loss
    is_told = n_classes > 1 and least_loss is not None
    explained = float(1 - least_loss / np.log(n_classes)) if is_told else 0.0
    names = [name for name, missed in zip(model.classes, is_missed, strict=True) if missed]
    is_shown = shows_noise(channel, explained, n_rows)
    found = NoiseFound(
        is_shown=is_shown,
        explained=explained,
        evidence=channel.evidence,
        why="" if is_shown else _why_not(explained, names),
        wrong_labels=float(1 - channel.shares @ channel.noise_matrix.diagonal()),
        missed=names,
        rows=n_rows,
    )
    return channel if is_shown else channel.without_noise(), found


def shows_noise(channel: Channel, explained: float, n_rows: int) -> bool:
    """Whether a channel shows that labels are wrong, and not only that the classifier is weak.

    Parameters
    ----------
    explained : share of the classes' entropy that the classifier explains
    n_rows : that the channel is fitted to
    """
    is_unseen = n_rows < FEW_ROWS and explained < GOOD
    least = EVIDENCE_OF_FEW if is_unseen else LEAST_EVIDENCE
    return explained >= LEAST_EXPLAINED and channel.evidence >= least


def _why_not(explained: float, missed: Sequence[str]) -> str:
    """Say why nothing shows which labels are wrong."""
    if explained < LEAST_EXPLAINED:
        return (
            f"the classifier explains {max(explained, 0):.1%} of what there is to know of the"
            " classes, too little to tell its errors from the labels'"
        )
    if missed:
        names = ", ".join(map(repr, missed[:_SHOWN])) + (", …" if len(missed) > _SHOWN else "")
        return f"the classifier has not learnt all that the texts' vectors tell of {names}"
    return "a classifier that is not perfect explains the label issues as well as wrong labels do"


def _sample(lake: Lake, model: NoiseModel, embedding: EmbeddingConfig | None) -> DataFrame:
    """Return so many rows of smallest hash, with their vectors where there are some."""
    n_rows, rows = channels.sample_size(len(model.classes)), accepted_probs(lake)
    by_hash = F.xxhash64(c.ROW_ID, F.lit("channel"))
    rows = rows.select(c.ROW_ID, c.LABEL, c.PRED_PROBS)
    rows = smallest(rows, by_hash, model.n_rows, n_rows)
    if embedding is None:
        return rows
    keys = accepted(lake).select(c.ROW_ID, c.TEXT_KEY)
    vectors = store_of(lake, embedding).vectors(registry.identify(embedding), distinct=False)
    with_keys = keys.join(F.broadcast(rows), c.ROW_ID)
    return vectors.join(F.broadcast(with_keys), c.TEXT_KEY).drop(c.TEXT_KEY)


def _training_priors(
    crossval: CrossvalConfig | None, classes: Sequence[str], counts: IntArray
) -> FloatArray:
    """Class shares that the classifier may have learnt from, shape (priors, K).

    One where its weights are known. A classifier that is not ours may weigh classes without saying
    so, and of the user's own probabilities nothing is known: then the given shares and equal ones,
    and the losses tell which of them the probabilities have in them.
    """
    shares, equal = prior_of(counts), np.full(len(classes), 1 / len(classes))
    learnt = [_prior_of(of, classes, shares) for of in crossval.members] if crossval else [None]
    first = learnt[0]
    if first is None or not all(of is not None and np.array_equal(of, first) for of in learnt):
        return np.stack([shares, equal])  # of several that differ, either may be the better guess
    return np.stack([first])


def _prior_of(
    crossval: CrossvalConfig, classes: Sequence[str], shares: FloatArray
) -> FloatArray | None:
    """Return the class shares that one classifier has learnt from; None: not known."""
    weights = crossval.params.get("class_weight")
    if weights == "balanced":
        return np.full(len(classes), 1 / len(classes))
    if isinstance(weights, Mapping):
        weight = np.array([float(weights.get(name, 1.0)) for name in classes])
        weighted: FloatArray = shares * np.where(weight > 0, weight, 1.0)  # of 0: never learnt
        weighted /= weighted.sum()
        return weighted
    return shares if crossval.classifier in OWN_PARAMS else None


def _health_tables(model: NoiseModel, n_rows: int) -> dict[str, pa.Table]:
    names = pa.array(model.classes)
    quality = asdict(rank_classes_by_label_quality(model.joint, n_rows))
    overlaps = asdict(find_overlapping_classes(model.joint, n_rows))
    class_names = {"class_name": names.take(pa.array(quality["class_index"]))}
    pair_names = {
        f"class_name_{side}": names.take(pa.array(overlaps[f"class_index_{side}"])) for side in "ab"
    }
    return {
        "label_health/classes": pa.table({**class_names, **quality}),
        "label_health/overlaps": pa.table({**pair_names, **overlaps}),
    }


def _matrices(model: NoiseModel) -> dict[str, pa.Table]:
    """Return the matrices of many classes: a row for each pair that is not 0 in all of them."""
    joint, noise = model.confident_joint, model.noise_matrix
    inverse, shares = model.inverse_noise_matrix, model.joint
    if not (
        isinstance(joint, Sparse)
        and isinstance(noise, Sparse)
        and isinstance(inverse, Sparse)
        and isinstance(shares, Sparse)
    ):
        return {}
    names = pa.array(model.classes)
    columns = {
        "given_label": names.take(pa.array(joint.row)),
        "true_label": names.take(pa.array(joint.column)),
        "confident_joint": joint.value,
        "joint": shares.value,
        "noise_matrix": noise.value,
        "inverse_noise_matrix": inverse.transposed().value,
    }
    return {_MATRICES: pa.table(columns)}


def _is_no_better(figures: PredProbs) -> bool:
    """Whether neither the plain nor the class-balanced loss beats that of guessing."""
    plain = figures.log_loss >= figures.prior_log_loss
    return plain and figures.balanced_log_loss >= figures.balanced_prior_log_loss
