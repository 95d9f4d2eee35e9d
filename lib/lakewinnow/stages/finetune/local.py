"""Fine-tuning here: a task for each training set and seed, some at a time.

A task has all rows of the sample and of the holdout with their texts, and reads a partition, not
the workspace. What lower layers make of the texts is kept by the worker process for its next task.
What each model says of the holdout is kept in the workspace, so that a run that was killed, or
comes again with more seeds, trains what is missing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from lakewinnow import columns as c
from lakewinnow.config.sections import Config
from lakewinnow.core.evaluation.paired_comparison import Outcome
from lakewinnow.core.evaluation.variants import (
    BASELINE,
    CEILING,
    CONTROL,
    DROPPED,
    FIXED,
    ORDER,
    SOFT,
)
from lakewinnow.embedding.base import FINE_TUNING
from lakewinnow.embedding.local import models
from lakewinnow.embedding.local.sentence_transformers import find_model, package_missing
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures import models as figures
from lakewinnow.figures.rows import Ingested
from lakewinnow.finetuning.local import tasks
from lakewinnow.finetuning.local.training import TrainingRecipe
from lakewinnow.lake import redaction
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.training import training_sets
from lakewinnow.lake.training.training_sets import LEAST_ROWS, VARIANT
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.portable.unions import union
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.finetune.records import FineTuningRecords
from lakewinnow.stages.finetune.tuned import ReportProgress, Tuned

_VARIANTS: Final = (BASELINE, CONTROL, DROPPED, FIXED, SOFT, CEILING)
_SEEDS: Final = 3
_ROUNDS_AT_ONCE: Final = 2  # models of a core before what they answer is kept


def check(config: Config) -> None:
    """Find what stands in the way, before anything runs."""
    if find_spec("sentence_transformers") is None:
        raise package_missing("none", FINE_TUNING)
    find_model(_model(config), FINE_TUNING)


def run(
    lake: Lake,
    trusted: Lake,
    config: Config,
    truth: DataFrame | None,
    report_progress: ReportProgress,
) -> Tuned:
    """Train a model for each training set and seed, and ask it about the holdout.

    Parameters
    ----------
    truth : `reference.true_labels`, for the ceiling
    report_progress : is told how many models there are, of how many

    Raises
    ------
    DataError : "too_few_to_train_on"
    """
    own = config.finetune
    classes = lake.figures("ingest", Ingested).classes
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
    together = union(rows.drop(c.TEXT_KEY), test)
    units = [(name, seed) for seed in range(n_seeds) for name in variants]
    answers = _train(
        together,
        units,
        _recipe(config),
        len(classes),
        FineTuningRecords(lake.files),
        report_progress,
    )
    if not len(answers):
        expected = f"one with at least {LEAST_ROWS} rows"
        raise DataError("too_few_to_train_on", "finetune.variants", expected, Shown("none"))
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
        recipe=_trained(config, answers, n_seeds),
        left_out=[name for name in variants if name not in outcomes],
    )


def _train(
    rows: DataFrame,
    units: Sequence[tuple[str, int]],
    recipe: TrainingRecipe,
    n_classes: int,
    records: FineTuningRecords,
    report_progress: ReportProgress,
) -> pa.Table:
    """Train a model for each unit, a variant and a seed, that has none; return what all answer.

    Units whose training sets are equal share a model.

    Returns
    -------
    a row a unit, `tasks.ANSWERS`, in the order of variant and seed; none for a variant of too few
    rows
    """
    fingerprints = _fingerprints(rows, recipe, n_classes)
    names = {(of, seed): f"{fingerprints[of]}-{seed}" for of, seed in units if of in fingerprints}
    left = list(
        {name: unit for unit, name in names.items() if not records.has_model(name)}.values()
    )
    n_models = len(set(names.values()))
    fine_tune = partial(tasks.fine_tune, recipe=recipe, n_classes=n_classes)
    step = _ROUNDS_AT_ONCE * cluster.parallelism(rows.sparkSession)
    for start in range(0, len(left), step):
        report_progress(n_models - len(left) + start, n_models, "models trained")
        some = left[start : start + step]
        numbers = F.array(*(F.lit(f"{name} {seed}") for name, seed in some))
        seeds = F.explode(F.array(*(F.lit(seed) for seed in sorted({seed for _, seed in some}))))
        seeded = rows.select("*", seeds.alias(tasks.SEED))
        at = F.array_position(numbers, F.concat_ws(" ", VARIANT, tasks.SEED)) - 1
        made = cluster.in_partitions(seeded.where(at >= 0), len(some), at)
        for answer in map_batches(made, fine_tune, tasks.ANSWERS).toArrow().to_pylist():
            records.save_model(names[answer[VARIANT], answer[tasks.SEED]], answer)
    answers = [
        {**answer, VARIANT: unit[0]}
        for unit, name in names.items()
        if (answer := records.model(name)) is not None
    ]
    table = pa.Table.from_pylist(answers, to_arrow_schema(tasks.ANSWERS))
    return table.sort_by([(VARIANT, "ascending"), (tasks.SEED, "ascending")])


def _fingerprints(rows: DataFrame, recipe: TrainingRecipe, n_classes: int) -> dict[str, str]:
    """Return for each variant a hash of what its models learn from, are asked, and how."""
    model = models.name_of(*find_model(recipe.model, FINE_TUNING))
    how = json.dumps([model, asdict(recipe), n_classes, version("lakewinnow")])
    content = F.bit_xor(F.xxhash64(*(name for name in rows.columns if name != VARIANT)))
    return {
        name: hashlib.sha256(f"{n_rows} {of} {how}".encode()).hexdigest()[:32]
        for name, n_rows, of in rows.groupBy(VARIANT).agg(F.count("*"), content).collect()
    }


def _model(config: Config) -> str | None:
    """Return the body to train: the run's own encoder, where that is a transformer."""
    if config.finetune.model is None and config.embedding.provider == "sentence-transformers":
        return config.embedding.model
    return config.finetune.model


def _recipe(config: Config) -> TrainingRecipe:
    own = config.finetune
    return TrainingRecipe(_model(config), own.layers, own.epochs, own.learning_rate, own.batch_size)


def _trained(config: Config, answers: pa.Table, n_seeds: int) -> figures.Recipe:
    folder, called = find_model(_model(config), FINE_TUNING)
    return figures.Recipe(
        provider="local",
        model=models.name_of(folder, called),
        layers=answers.column(tasks.N_LAYERS)[0].as_py(),
        device=answers.column(tasks.DEVICE)[0].as_py(),
        epochs=config.finetune.epochs,
        seeds=n_seeds,
    )
