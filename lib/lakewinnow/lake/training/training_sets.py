"""The rows that models are trained on, to be compared with each other, and those they are asked.

Every training set has the same rows of the input, a stratified sample of them by given label; they
differ in the label that a row has, and in the rows left out (see `core.evaluation.variants`). A
text of the holdout is not trained on: the holdout is the smaller and the dearer of the two, and all
training sets lose the same rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation.sampling import quotas
from lakewinnow.core.evaluation.variants import (
    BASELINE,
    CEILING,
    CLEAN,
    CONTROL,
    DROPPED,
    FIXED,
    REVIEWED,
    SOFT,
)
from lakewinnow.core.noise.noise_model import NoiseModel
from lakewinnow.core.noise.posterior import Posterior
from lakewinnow.core.types import FloatArray
from lakewinnow.errors import DataError
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.inputs import reference
from lakewinnow.lake.training.sample import stratified
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import counted
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes.confident_learning import trusted_blocks
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.schemas import schema

# Of the rows of training sets, beside row_id, text_key and label
VARIANT: Final = "variant"  # the training set
WEIGHT: Final = "weight"  # of a label that is one of several of its row; null: 1
AIM: Final = "aim"  # a label of the class mix that the rows are weighted to, or null

MAX_TEST_ROWS: Final = 20_000
LEAST_TEST_ROWS: Final = 30
LEAST_TO_CHOOSE: Final = 100  # fewer test rows could not show a gain below about 6 points
# Halves of a holdout that something is chosen by, which are the folds that it was taken in with
CHOOSING: Final = 0
REPORTING: Final = 1
LEAST_ROWS: Final = 50  # to train on
LEAST_SHARE: Final = 0.01  # of a row, that a label is worth learning for
MOST_LABELS: Final = 5  # of a row
SOFT_ROWS = schema({c.ROW_ID: "string", c.TEXT_KEY: "binary", c.LABEL: "int", WEIGHT: "double"})


def is_halved(trusted: Lake) -> bool:
    """Whether a half of the holdout is to choose by, so that the other alone is reported on."""
    return trusted.figures("ingest", Ingested).is_halved


def test_rows(
    trusted: Lake,
    config: Config,
    part: int = REPORTING,  # noqa: PT028 - this is no test
) -> DataFrame:
    """Return the rows of the holdout that models are asked about: row_id, text_key, label.

    Parameters
    ----------
    part : of a holdout that `is_halved`, the half

    Raises
    ------
    DataError : "holdout_too_small"
    """
    rows, n_rows = accepted(trusted), n_accepted(trusted)
    if is_halved(trusted):
        rows = rows.where(F.col(c.FOLD) == part)
        n_rows = rows.count()
    if n_rows < LEAST_TEST_ROWS:
        expected = f"at least {LEAST_TEST_ROWS} rows that can be used"
        hint = "so few rows show nothing; see holdout/quarantine/ in the workspace"
        raise DataError("holdout_too_small", "evaluate.holdout", expected, n_rows, hint)
    rows = rows.select(c.ROW_ID, c.TEXT_KEY, c.LABEL)
    if n_rows <= MAX_TEST_ROWS:
        return rows
    seed = config.crossval.seed
    return rows.orderBy(F.xxhash64(c.TEXT_KEY, F.lit(seed)), c.ROW_ID).limit(MAX_TEST_ROWS)


@dataclass(frozen=True)
class TrainingSample:
    """Rows to train on."""

    rows: DataFrame  # row_id, text_key, label as given
    n_rows: int  # of the sample
    n_input: int  # rows of the input that it is of
    n_leaked: int  # rows of the input that have a text of the holdout


def sample(lake: Lake, holdout: DataFrame, max_rows: int, n_classes: int) -> TrainingSample:
    """Draw the rows that all training sets are made of.

    Raises
    ------
    DataError : "too_few_to_train_on"
    """
    leaks = holdout.select(c.TEXT_KEY).distinct().withColumn("is_leaked", F.lit(1))
    rows = accepted(lake).select(c.ROW_ID, c.TEXT_KEY, c.LABEL)
    rows = rows.join(F.broadcast(leaks), c.TEXT_KEY, "left")
    is_leaked = F.col("is_leaked").isNotNull()
    counted = rows.groupBy(c.LABEL).agg(F.count_if(~is_leaked), F.count_if(is_leaked)).collect()
    counts = np.zeros(n_classes, np.int64)
    for label, n, _ in counted:
        counts[label] = n
    if counts.sum() < LEAST_ROWS:
        expected = f"at least {LEAST_ROWS} rows of the input whose text is not in the holdout"
        got, hint = int(counts.sum()), "the holdout must not repeat the input's rows"
        raise DataError("too_few_to_train_on", "evaluate.holdout", expected, got, hint)
    wanted = quotas(counts[None, :], max_rows)[0]
    hash_ = F.xxhash64(c.TEXT_KEY, F.lit("evaluate"))
    drawn = stratified(rows.where(~is_leaked), F.col(c.LABEL).cast("int"), hash_, counts, wanted)
    n_leaked = sum(n for _, _, n in counted)
    return TrainingSample(drawn.drop("is_leaked"), int(wanted.sum()), int(counts.sum()), n_leaked)


def training_rows(
    lake: Lake,
    sample: DataFrame,
    truth: DataFrame | None,
    classes: Sequence[str],
    config: Config,
    variants: Sequence[str],
    *,
    verdicts: str = "issues",
) -> DataFrame:
    """Return the rows of every training set; null is the label of one that it leaves out.

    Parameters
    ----------
    sample : `TrainingSample.rows`
    truth : `reference.true_labels`, for the ceiling
    verdicts : the table that has the label issues; before anything is decided checks/label_issues,
        which does for what needs no decisions

    Returns
    -------
    variant, row_id, text_key, label, weight, aim
    """
    names = F.array(*map(F.lit, classes))

    def index(name: str) -> Column:
        return F.nullif(F.array_position(names, F.col(name)), F.lit(0)).cast("int") - 1

    issues = lake.read(verdicts)
    for name in {c.DECISION, c.DECIDED_BY, c.NEW_LABEL} - set(issues.columns):
        issues = issues.withColumn(name, F.lit(None).cast("string"))
    issues = issues.select(
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
        known = truth.select(reference.KEY, index(reference.TRUE_LABEL).alias(CEILING))
        rows = rows.withColumn(reference.KEY, reference.key(config.input))
        rows = rows.join(known, reference.KEY, "left")
        labels[CEILING] = F.coalesce(F.col(CEILING), given)
    sets = [
        F.struct(
            F.lit(name).alias(VARIANT),
            label.alias(c.LABEL),
            (fixed if name == CONTROL else F.lit(None).cast("int")).alias(AIM),
        )
        for name, label in labels.items()
        if name in variants
    ]
    training = rows.select(c.ROW_ID, c.TEXT_KEY, F.explode(F.array(*sets)).alias("of"))
    training = training.select("of.*", c.ROW_ID, c.TEXT_KEY)
    if SOFT in variants:
        return union(training, _soft_rows(lake, sample))
    return training.withColumn(WEIGHT, F.lit(None).cast("double"))


def _soft_rows(lake: Lake, sample: DataFrame) -> DataFrame:
    posterior = Posterior.doubting(NoiseModel.from_dict(lake.files.read_json("noise_model.json")))
    rows = lake.read("pred_probs").join(F.broadcast(sample.drop(c.LABEL)), c.ROW_ID)
    softened = map_batches(rows, partial(soften, posterior=posterior), SOFT_ROWS)
    return softened.withColumn(VARIANT, F.lit(SOFT))


def soften(batches: Iterable[pa.RecordBatch], posterior: Posterior) -> Iterator[pa.RecordBatch]:
    """Give each row the labels that it may have, weighted by how probable they are."""
    for batch in batches:
        (block,) = trusted_blocks([batch], posterior.n_classes)
        shares = posterior.probs(block.labels, block.pred_probs)
        likeliest = np.argsort(-shares, axis=1, kind="stable")[:, :MOST_LABELS]
        shares = np.take_along_axis(shares, likeliest, axis=1)
        shares[shares < LEAST_SHARE] = 0
        rows, places = np.nonzero(shares)
        weights = shares[rows, places] / shares.sum(axis=1)[rows]
        of_rows = {name: batch.column(name).take(pa.array(rows)) for name in (c.ROW_ID, c.TEXT_KEY)}
        yield arrow.record_batch(
            SOFT_ROWS, {**of_rows, c.LABEL: likeliest[rows, places], WEIGHT: weights}
        )


def weights_of(rows: pa.Table, n_classes: int) -> FloatArray | None:
    """Return the rows' own weights, or those that give labels the class mix of `AIM`."""
    own, aim = rows.column(WEIGHT), rows.column(AIM)
    if aim.null_count:
        return None if own.null_count else own.to_numpy()
    labels = rows.column(c.LABEL).to_numpy()
    n_given, n_aimed = (np.bincount(of, minlength=n_classes) for of in (labels, aim.to_numpy()))
    weights: FloatArray = (n_aimed / np.maximum(n_given, 1))[labels]
    return weights


def warnings(n_leaked: int, left_out: Sequence[str]) -> list[str]:
    """Say which rows and which training sets have no part in a comparison."""
    found = []
    if n_leaked:
        found.append(
            f"no model was trained on {counted(n_leaked, 'row')} of the input, as trusted rows have"
            " the same texts"
        )
    return found + [
        f"{name} has no model, because fewer than {LEAST_ROWS} rows are left to train on"
        for name in left_out
    ]
