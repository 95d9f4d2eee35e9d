"""Fine-tuning here: a task for each training set and seed.

A task has all rows of the sample and of the holdout with their texts, and reads a partition, not
the workspace. What lower layers make of the texts is kept by the worker process for its next task.
"""

from functools import partial
from importlib.util import find_spec
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import Config
from lakewinnow.core.comparison import Outcome
from lakewinnow.core.variants import BASELINE, CEILING, CONTROL, DROPPED, FIXED, ORDER, SOFT
from lakewinnow.embedding.local import models
from lakewinnow.embedding.local.sentence_transformers import find_model, package_missing
from lakewinnow.finetuning.local import tasks
from lakewinnow.finetuning.local.training import Recipe
from lakewinnow.lake import redaction, training_sets
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.training_sets import VARIANT
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark import arrow, cluster
from lakewinnow.stages.finetune.tuned import Tuned, named_as_here

_VARIANTS: Final = (BASELINE, CONTROL, DROPPED, FIXED, SOFT, CEILING)
_SEEDS: Final = 3


def check(config: Config) -> None:
    """Find what stands in the way, before anything runs.

    Raises
    ------
    ConfigError, ProviderError
    """
    with named_as_here():
        if find_spec("sentence_transformers") is None:
            raise package_missing("none")
        find_model(_model(config))


def run(lake: Lake, trusted: Lake, config: Config, truth: DataFrame | None) -> Tuned:
    """Train a model for each training set and seed, and ask it about the holdout.

    Parameters
    ----------
    truth : `reference.true_labels`, for the ceiling
    """
    own = config.finetune
    classes = lake.details("ingest")["classes"]
    holdout = training_sets.test_rows(trusted, config)
    sample = training_sets.sample(lake, holdout, own.max_train_rows, len(classes))
    wanted = [name for name in own.variants or _VARIANTS if name != CEILING or truth is not None]
    variants = [name for name in ORDER if name in wanted]
    n_seeds = own.seeds or _SEEDS
    training = training_sets.training_rows(lake, sample.rows, truth, classes, config, variants)
    text = redaction.text(config.clean, config.checks).alias(c.TEXT)
    texts = accepted(lake).select(c.ROW_ID, text)
    rows = training.join(texts, c.ROW_ID).withColumn(tasks.IS_TEST, F.lit(False))  # noqa: FBT003
    test = holdout.join(accepted(trusted).select(c.ROW_ID, text), c.ROW_ID).select(
        F.explode(F.array(*map(F.lit, variants))).alias(VARIANT),
        F.lit(True).alias(tasks.IS_TEST),  # noqa: FBT003
        c.ROW_ID,
        c.TEXT,
        c.LABEL,
    )
    seeds = F.explode(F.sequence(F.lit(0), F.lit(n_seeds - 1))).alias(tasks.SEED)
    together = rows.drop(c.TEXT_KEY).unionByName(test, allowMissingColumns=True).select("*", seeds)
    number = F.array_position(F.array(*map(F.lit, variants)), F.col(VARIANT)) - 1
    at = number * n_seeds + F.col(tasks.SEED)
    fine_tune = partial(tasks.fine_tune, recipe=_recipe(config), n_classes=len(classes))
    answers = (
        cluster.in_partitions(together, len(variants) * n_seeds, at)
        .mapInArrow(fine_tune, tasks.ANSWERS)
        .toArrow()
        .sort_by([(VARIANT, "ascending"), (tasks.SEED, "ascending")])
    )
    outcomes: dict[str, Outcome] = {}
    n_rows: dict[str, int] = {}
    for name in variants:
        said = answers.filter(pc.equal(answers.column(VARIANT), name))
        if len(said):
            predicted, losses = (
                arrow.matrix(said.column(of)) for of in (tasks.PREDICTED, tasks.LOSSES)
            )
            outcomes[name] = Outcome(predicted.astype(np.int64), losses.astype(np.float64))
            n_rows[name] = said.column(tasks.N_ROWS)[0].as_py()
    return Tuned(
        classes=classes,
        true_labels=np.array(answers.column(tasks.TRUE_LABELS)[0].as_py(), np.int64),
        outcomes=outcomes,
        n_rows=n_rows,
        n_leaked=sample.n_leaked,
        n_input=sample.n_input,
        how=_how(config, answers, n_seeds),
        left_out=[name for name in variants if name not in outcomes],
    )


def _model(config: Config) -> str | None:
    """Return the body to train: the run's own encoder, where that is a transformer."""
    if config.finetune.model is None and config.embedding.provider == "sentence-transformers":
        return config.embedding.model
    return config.finetune.model


def _recipe(config: Config) -> Recipe:
    own = config.finetune
    return Recipe(_model(config), own.layers, own.epochs, own.learning_rate, own.batch_size)


def _how(config: Config, answers: pa.Table, n_seeds: int) -> dict[str, object]:
    folder, called = find_model(_model(config))
    return {
        "provider": "local",
        "model": models.name_of(folder, called),
        "layers": answers.column(tasks.N_LAYERS)[0].as_py(),
        "device": answers.column(tasks.DEVICE)[0].as_py(),
        "epochs": config.finetune.epochs,
        "seeds": n_seeds,
    }
