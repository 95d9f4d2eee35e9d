"""Models trained on what this run makes of the labels, and asked about a trusted holdout.

The training sets are those of `core.evaluation.variants`, of rows that
`lake.training.training_sets` draws. Each trains one model on all of its rows and, for each of
`evaluate.seeds` seeds, one on all but one of `N_PARTS` parts of them, so that every row is left out
once a seed. Equal texts are in one part, which is the same in all training sets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.classifiers import registry as classifiers
from lakewinnow.classifiers.base import Classifier
from lakewinnow.classifiers.logistic import Logistic
from lakewinnow.classifiers.tasks import vectors_missing
from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.evaluation.variants import BASELINE, CEILING, CONTROL, ORDER, REVIEWED, SOFT
from lakewinnow.core.types import IntArray
from lakewinnow.embedding import registry
from lakewinnow.errors import DataError
from lakewinnow.figures.labels import Crossvalidated
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.training import training_sets
from lakewinnow.lake.training.training_sets import REPORTING, VARIANT
from lakewinnow.lake.vectors.embedding_store import VectorsOfInput, store_of
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import apply_to_groups
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.evaluate import tasks


@dataclass(frozen=True, eq=False)
class Trained:
    """What the models said."""

    classes: list[str]  # names
    true_labels: IntArray  # int64, shape (n,), of the test rows
    # by training set, one model and ``seeds · N_PARTS``
    on_all: Mapping[str, Outcome]
    on_parts: Mapping[str, Outcome]
    n_rows: Mapping[str, int]  # rows of each training set
    n_leaked: int  # rows of the input that have a text of the holdout
    # rows of the input that can be trained on, of which the training sets are a sample
    n_input: int
    n_seeds: int  # of parts
    not_converged: int  # models
    left_out: list[str]  # training sets of too few rows


def run(
    lake: Lake,
    trusted: Lake,
    config: Config,
    truth: DataFrame | None = None,
    *,
    names: Sequence[str] = ORDER,
    part: int = REPORTING,
    verdicts: str = "issues",
) -> Trained:
    """Train and ask.

    Parameters
    ----------
    trusted : the workspace of the holdout
    truth : `reference.true_labels`, for the ceiling
    names : of the training sets, where they are possible
    part, verdicts : see `training_sets.test_rows`, `training_sets.training_rows`

    Raises
    ------
    See `evaluate.run`.
    """
    classes = lake.figures("ingest", Ingested).classes
    classifier = _classifier(lake, config, classes)
    holdout = training_sets.test_rows(trusted, config, part)
    sample = training_sets.sample(lake, holdout, config.evaluate.max_train_rows, len(classes))
    impossible = {
        CONTROL: not classifier.takes_weights,
        SOFT: not classifier.takes_weights,
        REVIEWED: config.clean.decisions is None,
        CEILING: truth is None,
    }
    variants = [name for name in names if not impossible.get(name)]
    labelled = training_sets.training_rows(
        lake, sample.rows, truth, classes, config, variants, verdicts=verdicts
    )
    rows = _in_parts(labelled.where(F.col(c.LABEL).isNotNull()), config.evaluate.seeds)
    test = holdout.select(
        F.explode(F.array(*map(F.lit, variants))).alias(VARIANT),
        F.lit(True).alias(tasks.IS_TEST),  # noqa: FBT003
        c.ROW_ID,
        c.TEXT_KEY,
        c.LABEL,
    )
    together = union(rows, test)
    train = partial(
        tasks.train,
        classifier=classifier,
        n_classes=len(classes),
        n_threads=cluster.threads_per_task(lake.spark, len(variants)),
    )
    rows = together.join(_vectors(lake, trusted, together, config), c.TEXT_KEY)
    answers = apply_to_groups(rows, [VARIANT], train, tasks.ANSWERS).toArrow()
    on_all, on_parts, true_labels = _outcomes(answers)
    n_rows = dict(
        zip(*(answers.column(n).to_pylist() for n in (VARIANT, tasks.N_ROWS)), strict=True)
    )
    n_missing = holdout.count() - len(true_labels) + sample.n_rows - n_rows.get(BASELINE, 0)
    if n_missing:
        raise vectors_missing(n_missing)
    return Trained(
        classes=classes,
        true_labels=true_labels,
        on_all=on_all,
        on_parts=on_parts,
        n_rows=n_rows,
        n_leaked=sample.n_leaked,
        n_input=sample.n_input,
        n_seeds=config.evaluate.seeds,
        not_converged=answers.column(tasks.CONVERGED).to_pylist().count(False),
        left_out=[name for name in variants if name not in on_all],
    )


def _in_parts(training: DataFrame, n_seeds: int) -> DataFrame:
    parts = [
        F.pmod(F.xxhash64(c.TEXT_KEY, F.lit(f"part {seed}")), F.lit(tasks.N_PARTS)).cast("int")
        for seed in range(n_seeds)
    ]
    added = {tasks.PARTS: F.array(*parts), tasks.IS_TEST: F.lit(False)}  # noqa: FBT003
    return training.withColumns(added)


def _classifier(lake: Lake, config: Config, classes: list[str]) -> Classifier:
    """Return the run's classifier, with `evaluate.params` over its own and all else as chosen.

    Of several it is the first that sees vectors; `lakewinnow finetune` compares fine-tuned models.
    """
    own = config.crossval.on_vectors
    params = {**own.params, **config.evaluate.params}
    classifier = classifiers.load(replace(own, params=params), classes)
    if isinstance(classifier, Logistic):
        chosen = lake.figures("crossval", Crossvalidated)
        if classifier.C == "auto" and chosen.C is not None:
            classifier = replace(classifier, C=chosen.C)
        if classifier.standardize == "auto" and chosen.standardize is not None:
            classifier = replace(classifier, standardize=chosen.standardize)
    return classifier


def _vectors(lake: Lake, trusted: Lake, rows: DataFrame, config: Config) -> DataFrame:
    """Return (text_key, vector) of the rows, a text once."""
    identity = registry.identify(config.embedding)
    vectors = store_of(lake, config.embedding).vectors(identity, distinct=False)
    if config.input.has_own_vectors:
        own = VectorsOfInput(trusted).vectors(identity)
        _check_lengths(vectors, own)
        vectors = vectors.unionByName(own)
    texts = F.broadcast(rows.select(c.TEXT_KEY).distinct())
    return cluster.first_of_group(vectors.join(texts, c.TEXT_KEY, "left_semi"), [c.TEXT_KEY])


def _check_lengths(vectors: DataFrame, own: DataFrame) -> None:
    lengths = [first[0] for of in (vectors, own) if (first := of.select(F.size(c.VECTOR)).first())]
    if len(set(lengths)) > 1:
        expected = f"embeddings of {lengths[0]:,} numbers, as the input's are"
        raise DataError("other_embeddings", "evaluate.holdout", expected, lengths[1])


def _outcomes(answers: pa.Table) -> tuple[dict[str, Outcome], dict[str, Outcome], IntArray]:
    """Return what the models of all rows said, what those of parts, and the truth."""
    on_all, on_parts = {}, {}
    true_labels = np.zeros(0, np.int64)
    for name in sorted(set(answers.column(VARIANT).to_pylist()), key=ORDER.index):
        own = answers.filter(pc.equal(answers.column(VARIANT), name)).sort_by(tasks.MODEL)
        predicted = arrow.matrix(own.column(tasks.PREDICTED)).astype(np.int64)
        losses = arrow.matrix(own.column(tasks.LOSSES)).astype(np.float64)
        true_labels = np.array(own.column(tasks.TRUE_LABELS)[0].as_py(), np.int64)
        on_all[name] = Outcome(predicted[:1], losses[:1])
        on_parts[name] = Outcome(predicted[1:], losses[1:])
    return on_all, on_parts, true_labels
