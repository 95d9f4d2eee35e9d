"""Models trained on what this run makes of the labels, and asked about a trusted holdout.

Every training set has the same rows of the input, a sample of `evaluate.max_train_rows` of them,
stratified by given label; they differ in the label that a row has, and in the rows left out:

baseline  the given labels
control   the same, weighted to the class mix of `fixed`: what of a gain is that mix alone (where
          the classifier takes weights)
dropped   without the label issues
fixed     label issues with their suggested label
soft      the labels that a row may have, by the posterior, weighted by their probability (likewise)
reviewed  the user's own decisions alone, where there are some
clean     what this run has published in clean/: duplicates gone, the user's decisions taken
ceiling   the reference's labels, where there is a reference

A text of the holdout is not trained on: the holdout is the smaller and the dearer of the two, and
all training sets lose the same rows.

Each is trained once on all of its rows and, for each of `evaluate.seeds` seeds, on all but one of
`N_PARTS` parts of them, so that every row is left out once a seed. Equal texts are in one part,
which is the same in all training sets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.classifiers.tasks import vectors_missing
from lakewinnow.config import Config, EvaluateConfig
from lakewinnow.core.comparison import Outcome
from lakewinnow.core.noise_model import NoiseModel
from lakewinnow.core.posterior import Posterior
from lakewinnow.core.sampling import quotas
from lakewinnow.core.types import IntArray
from lakewinnow.embedding import registry
from lakewinnow.errors import DataError
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.embedding_store import OwnVectors, store_of
from lakewinnow.lake.sample import stratified
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark import arrow, cluster
from lakewinnow.stages.evaluate import detection, tasks

BASELINE: Final = "baseline"
CONTROL: Final = "control"
DROPPED: Final = "dropped"
FIXED: Final = "fixed"
SOFT: Final = "soft"
REVIEWED: Final = "reviewed"
CLEAN: Final = "clean"
CEILING: Final = "ceiling"
ORDER: Final = (BASELINE, CONTROL, DROPPED, FIXED, SOFT, REVIEWED, CLEAN, CEILING)
MAX_TEST_ROWS: Final = 20_000
LEAST_TEST_ROWS: Final = 30


@dataclass(frozen=True, eq=False)
class Trained:
    """What the models said.

    Attributes
    ----------
    classes : names
    true_labels : int64, shape (n,), of the test rows
    on_all, on_parts : by training set, one model and ``seeds · N_PARTS``
    n_rows : rows of each training set
    n_leaked : rows of the input that have a text of the holdout
    n_input : rows of the input that can be trained on, of which the training sets are a sample
    n_seeds : of parts
    not_converged : models
    left_out : training sets of too few rows
    """

    classes: list[str]
    true_labels: IntArray
    on_all: Mapping[str, Outcome]
    on_parts: Mapping[str, Outcome]
    n_rows: Mapping[str, int]
    n_leaked: int
    n_input: int
    n_seeds: int
    not_converged: int
    left_out: list[str]


def run(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None) -> Trained:
    """Train and ask.

    Parameters
    ----------
    trusted : the workspace of the holdout
    truth : `detection.true_labels`, for the ceiling

    Raises
    ------
    See `evaluate.run`.
    """
    classes = lake.details("ingest")["classes"]
    classifier = _classifier(lake, config, classes)
    holdout = _holdout(trusted, config)
    sample, n_sampled, n_input, n_leaked = _sample(lake, holdout, config.evaluate, len(classes))
    impossible = {
        CONTROL: not classifier.takes_weights,
        SOFT: not classifier.takes_weights,
        REVIEWED: config.clean.decisions is None,
        CEILING: truth is None,
    }
    variants = [name for name in ORDER if not impossible.get(name)]
    rows = _training_rows(lake, sample, truth, classes, config, variants)
    test = holdout.select(
        F.explode(F.array(*map(F.lit, variants))).alias(tasks.VARIANT),
        F.lit(True).alias(tasks.IS_TEST),  # noqa: FBT003
        c.ROW_ID,
        c.TEXT_KEY,
        c.LABEL,
    )
    together = rows.unionByName(test, allowMissingColumns=True)
    train = partial(
        tasks.train,
        classifier=classifier,
        n_classes=len(classes),
        n_threads=cluster.threads_per_task(lake.spark, len(variants)),
    )
    answers = (
        together.join(_vectors(lake, trusted, together, config), c.TEXT_KEY)
        .groupBy(tasks.VARIANT)
        .applyInArrow(lambda table: train(table), tasks.ANSWERS)  # noqa: PLW0108
        .toArrow()
    )
    on_all, on_parts, true_labels = _outcomes(answers)
    n_rows = dict(
        zip(*(answers.column(n).to_pylist() for n in (tasks.VARIANT, tasks.N_ROWS)), strict=True)
    )
    n_missing = holdout.count() - len(true_labels) + n_sampled - n_rows.get(BASELINE, 0)
    if n_missing:
        raise vectors_missing(n_missing)
    return Trained(
        classes=classes,
        true_labels=true_labels,
        on_all=on_all,
        on_parts=on_parts,
        n_rows=n_rows,
        n_leaked=n_leaked,
        n_input=n_input,
        n_seeds=config.evaluate.seeds,
        not_converged=answers.column(tasks.CONVERGED).to_pylist().count(False),
        left_out=[name for name in variants if name not in on_all],
    )


def _holdout(trusted: Lake, config: Config) -> DataFrame:
    """Return the test rows: row_id, text_key, label."""
    n_rows = n_accepted(trusted)
    if n_rows < LEAST_TEST_ROWS:
        raise DataError(
            "holdout_too_small",
            "evaluate.holdout",
            f"at least {LEAST_TEST_ROWS} rows that can be used",
            n_rows,
            "too few rows tell nothing; see holdout/quarantine/ in the workspace",
        )
    rows = accepted(trusted).select(c.ROW_ID, c.TEXT_KEY, c.LABEL)
    if n_rows <= MAX_TEST_ROWS:
        return rows
    seed = config.crossval.seed
    return rows.orderBy(F.xxhash64(c.TEXT_KEY, F.lit(seed)), c.ROW_ID).limit(MAX_TEST_ROWS)


def _sample(
    lake: Lake, holdout: DataFrame, config: EvaluateConfig, n_classes: int
) -> tuple[DataFrame, int, int, int]:
    """Return rows to train on (row_id, text_key, label), how many, of how many, and the leaks."""
    leaks = holdout.select(c.TEXT_KEY).distinct().withColumn("is_leaked", F.lit(1))
    rows = accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL)
    rows = rows.join(F.broadcast(leaks), c.TEXT_KEY, "left")
    is_leaked = F.col("is_leaked").isNotNull()
    counted = rows.groupBy(c.LABEL).agg(F.count_if(~is_leaked), F.count_if(is_leaked)).collect()
    counts = np.zeros(n_classes, np.int64)
    for label, n, _ in counted:
        counts[label] = n
    if counts.sum() < tasks.LEAST_ROWS:
        raise DataError(
            "too_few_to_train_on",
            "evaluate.holdout",
            f"at least {tasks.LEAST_ROWS} rows of the input whose text is not in the holdout",
            int(counts.sum()),
            "a holdout is of other rows than the input",
        )
    wanted = quotas(counts[None, :], config.max_train_rows)[0]
    hash_ = F.xxhash64(c.TEXT_KEY, F.lit("evaluate"))
    sample = stratified(rows.where(~is_leaked), F.col(c.LABEL).cast("int"), hash_, counts, wanted)
    n_leaked = sum(n for _, _, n in counted)
    return sample.drop("is_leaked"), int(wanted.sum()), int(counts.sum()), n_leaked


def _training_rows(
    lake: Lake,
    sample: DataFrame,
    truth: DataFrame | None,
    classes: list[str],
    config: Config,
    variants: list[str],
) -> DataFrame:
    """Return the rows of every training set."""
    names = F.array(*map(F.lit, classes))

    def index(name: str) -> Column:
        return F.nullif(F.array_position(names, F.col(name)), F.lit(0)).cast("int") - 1

    issues = lake.read("issues").select(
        c.ROW_ID,
        c.IS_LABEL_ISSUE,
        c.DECISION,
        c.DECIDED_BY,
        index(c.SUGGESTED_LABEL).alias(c.SUGGESTED_LABEL),
        index(c.NEW_LABEL).alias(c.NEW_LABEL),
    )
    rows = issues.join(F.broadcast(sample), c.ROW_ID)
    given, suggested, is_issue = map(F.col, (c.LABEL, c.SUGGESTED_LABEL, c.IS_LABEL_ISSUE))
    fixed = F.when(is_issue, suggested).otherwise(given)
    published = F.when(F.col(c.DECISION).isin("keep", "fix"), F.coalesce(c.NEW_LABEL, given))
    labels = {
        BASELINE: given,
        CONTROL: given,
        DROPPED: F.when(~is_issue, given),
        FIXED: fixed,
        REVIEWED: F.when(F.col(c.DECIDED_BY).isNull(), given).otherwise(published),
        CLEAN: published,
    }
    if truth is not None:
        known = truth.select(detection.KEY, index(detection.TRUE_LABEL).alias(CEILING))
        rows = rows.withColumn(detection.KEY, detection.key(config.input))
        rows = rows.join(known, detection.KEY, "left")
        labels[CEILING] = F.coalesce(F.col(CEILING), given)
    sets = [
        F.struct(
            F.lit(name).alias(tasks.VARIANT),
            label.alias(c.LABEL),
            (fixed if name == CONTROL else F.lit(None).cast("int")).alias(tasks.AIM),
        )
        for name, label in labels.items()
        if name in variants
    ]
    training = rows.select(c.ROW_ID, c.TEXT_KEY, F.explode(F.array(*sets)).alias("of"))
    training = training.select("of.*", c.ROW_ID, c.TEXT_KEY).where(F.col(c.LABEL).isNotNull())
    if SOFT in variants:
        training = training.unionByName(_soft_rows(lake, sample), allowMissingColumns=True)
    else:
        training = training.withColumn(tasks.WEIGHT, F.lit(None).cast("double"))
    parts = [
        F.pmod(F.xxhash64(c.TEXT_KEY, F.lit(f"part {seed}")), F.lit(tasks.N_PARTS)).cast("int")
        for seed in range(config.evaluate.seeds)
    ]
    added = {tasks.PARTS: F.array(*parts), tasks.IS_TEST: F.lit(False)}  # noqa: FBT003
    return training.withColumns(added)


def _soft_rows(lake: Lake, sample: DataFrame) -> DataFrame:
    posterior = Posterior.of(NoiseModel.from_dict(lake.files.read_json("noise_model.json")))
    rows = lake.read("pred_probs").join(F.broadcast(sample.drop(c.LABEL)), c.ROW_ID)
    softened = rows.mapInArrow(partial(tasks.soften, posterior=posterior), tasks.SOFT_ROWS)
    return softened.withColumn(tasks.VARIANT, F.lit(SOFT))


def _classifier(lake: Lake, config: Config, classes: list[str]) -> Classifier:
    """Return the run's classifier, with `evaluate.params` over its own and all else as chosen."""
    params = {**config.crossval.params, **config.evaluate.params}
    classifier = classifiers.load(replace(config.crossval, params=params), classes)
    if isinstance(classifier, Logistic):
        chosen = lake.details("crossval")["how"]
        if classifier.C == "auto":
            classifier = replace(classifier, C=chosen["C"])
        if classifier.standardize == "auto":
            classifier = replace(classifier, standardize=chosen["standardize"])
    return classifier


def _vectors(lake: Lake, trusted: Lake, rows: DataFrame, config: Config) -> DataFrame:
    """Return (text_key, vector) of the rows, a text once."""
    identity = registry.identify(config.embedding)
    vectors = store_of(lake, config.embedding).vectors(identity, distinct=False)
    if config.input.has_own_vectors:
        own = OwnVectors(trusted).vectors(identity)
        _check_lengths(vectors, own)
        vectors = vectors.unionByName(own)
    texts = F.broadcast(rows.select(c.TEXT_KEY).distinct())
    return vectors.join(texts, c.TEXT_KEY, "left_semi").dropDuplicates([c.TEXT_KEY])


def _check_lengths(vectors: DataFrame, own: DataFrame) -> None:
    lengths = [first[0] for of in (vectors, own) if (first := of.select(F.size(c.VECTOR)).first())]
    if len(set(lengths)) > 1:
        expected = f"embeddings of {lengths[0]:,} numbers, as the input's are"
        raise DataError("other_embeddings", "evaluate.holdout", expected, lengths[1])


def _outcomes(answers: pa.Table) -> tuple[dict[str, Outcome], dict[str, Outcome], IntArray]:
    """Return what the models of all rows said, what those of parts, and the truth."""
    on_all, on_parts = {}, {}
    true_labels = np.zeros(0, np.int64)
    for name in sorted(set(answers.column(tasks.VARIANT).to_pylist()), key=ORDER.index):
        own = answers.filter(pc.equal(answers.column(tasks.VARIANT), name)).sort_by(tasks.MODEL)
        predicted = arrow.matrix(own.column(tasks.PREDICTED)).astype(np.int64)
        losses = arrow.matrix(own.column(tasks.LOSSES)).astype(np.float64)
        true_labels = np.array(own.column(tasks.TRUE_LABELS)[0].as_py(), np.int64)
        on_all[name] = Outcome(predicted[:1], losses[:1])
        on_parts[name] = Outcome(predicted[1:], losses[1:])
    return on_all, on_parts, true_labels
