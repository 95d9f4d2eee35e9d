"""A transformer a fold and seed learns from the texts, and scores the rows of its fold.

A task trains one on a sample of at most `max_train_rows` rows, and scores all rows of its fold. As
many run at once as there are cores; see `kept` for what becomes of what they say.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import CrossvalConfig
from lakewinnow.embedding.base import Keys
from lakewinnow.embedding.local import models
from lakewinnow.embedding.local.models import TransformerFiles
from lakewinnow.embedding.local.sentence_transformers import find_model, package_missing
from lakewinnow.errors import ConfigError, unknown_classes
from lakewinnow.figures.labels import FineTunedClassifier
from lakewinnow.finetuning.local import folds as tasks
from lakewinnow.finetuning.local.training import TrainingRecipe
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import duration
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.passes import pooling
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.crossval.corpus import Corpus
from lakewinnow.stages.crossval.kept import Kept

ReportProgress = Callable[[int, int, str], object]  # done, of how many, and a note

_KEYS: Final = Keys("crossval.classifier", "crossval.params.model")
_SAMPLE: Final = 64  # texts that are timed


@dataclass(frozen=True)
class Said:
    """What fine-tuned models say."""

    rows: DataFrame  # row_id, label, pred_probs
    figures: FineTunedClassifier
    cpu_seconds: float
    fingerprint: str  # that it is kept under


def check(section: CrossvalConfig) -> None:
    """Find what stands in the way, before anything runs.

    Raises
    ------
    ProviderError : "provider_missing": the extra is not installed
    ConfigError : "unknown_layers"; as `find_model`
    """
    if find_spec("sentence_transformers") is None:
        raise package_missing("none", _KEYS)
    folder, _ = find_model(section.params["model"], _KEYS)
    n_layers, wanted = TransformerFiles(folder).n_layers, section.params["layers"]
    if n_layers is not None and isinstance(wanted, int) and wanted > n_layers:
        expected = f"all, or at most {n_layers}"
        raise ConfigError("unknown_layers", "crossval.params.layers", expected, wanted)


def class_weight_of(section: CrossvalConfig, classes: Sequence[str]) -> tasks.ClassWeight:
    """Return the weights by class index.

    Raises
    ------
    ConfigError : "unknown_class"
    """
    wanted = section.params["class_weight"]
    if not isinstance(wanted, Mapping):
        return None if wanted is None else str(wanted)
    ConfigError.raise_any(unknown_classes("crossval.params.class_weight", wanted, classes))
    return {classes.index(name): float(weight) for name, weight in wanted.items()}


def score(
    lake: Lake, corpus: Corpus, classes: Sequence[str], report_progress: ReportProgress
) -> Said:
    """Train the models that are not trained yet, and return every row with its probabilities.

    Parameters
    ----------
    corpus : whose rows have texts

    Raises
    ------
    ConfigError : "unknown_class"
    """
    section, counts, spark = corpus.config, corpus.counts(), lake.spark
    n_at_once, n_seeds = cluster.parallelism(spark), section.params["seeds"]
    folds = np.flatnonzero(counts.sum(axis=1)).tolist()
    units = [(fold, seed) for seed in range(n_seeds) for fold in folds]
    fine_tune = partial(
        tasks.score_unit,
        recipe=_recipe(section),
        class_weight=class_weight_of(section, classes),
        n_classes=len(classes),
    )
    fingerprint = _fingerprint(corpus, classes)
    kept = Kept(lake, fingerprint)
    rows, n_before = _with_sample(corpus), kept.n_done
    n_left = len(units) - n_before
    note = "models trained" + (f", {n_before} by an earlier run" if n_before else "")
    if n_left > 0:
        seconds = seconds_of(corpus.rows, corpus.n_rows, len(classes), section)
        about = f"{note}, about {duration(seconds * n_left / len(units))} for all"
        report_progress(0, n_left, about)
    while (n_done := kept.n_done) < len(units):
        if n_done > n_before:
            report_progress(n_done - n_before, n_left, note)
        some = units[n_done : n_done + n_at_once]
        said = map_batches(_of_units(rows, some), partial(fine_tune, units=some), tasks.SCORED)
        kept.add(said, len(some))
    by_seed = [kept.rows(seed) for seed in range(n_seeds)]
    mean = by_seed[0]
    if n_seeds > 1:
        together = pooling.side_by_side(corpus.rows.select(c.ROW_ID, c.LABEL, c.FOLD), by_seed)
        mean = pooling.pool(together, np.full((section.folds, n_seeds), 1 / n_seeds))
    notes = kept.notes()
    learnt = next((note for note in notes.notes if note), {})
    figures = FineTunedClassifier(
        model=models.name_of(*find_model(section.params["model"], _KEYS)),
        layers=learnt.get("layers"),
        device=learnt.get("device"),
        epochs=section.params["epochs"],
        seeds=n_seeds,
        models=len(units),
        rows=min(corpus.n_rows, section.max_train_rows),
    )
    return Said(mean, figures, notes.cpu_seconds, fingerprint)


def seconds_of(texts: DataFrame, n_rows: int, n_classes: int, section: CrossvalConfig) -> float:
    """Train a little on some texts, and tell from it how long all models would take.

    Parameters
    ----------
    texts : with a column `text`
    n_rows : of the corpus, about
    """
    time_sample = partial(tasks.time_sample, recipe=_recipe(section), n_classes=n_classes)
    some = texts.select(c.TEXT).limit(_SAMPLE).coalesce(1)
    timed = map_batches(some, time_sample, tasks.TIMED).toArrow().to_pylist()
    if not timed:
        return 0.0
    once, learning, asking = (timed[0][name] for name in tasks.SECONDS)
    n_learnt, n_folds = min(n_rows, section.max_train_rows), section.folds
    passes = section.params["epochs"] * (1 - 1 / n_folds)
    a_model = passes * learning * n_learnt + asking * n_rows / n_folds
    a_model += once * (n_rows - n_learnt) / n_folds
    n_models = n_folds * section.params["seeds"]
    n_rounds = -(-n_models // cluster.parallelism(texts.sparkSession))
    return float(once * n_learnt + n_rounds * a_model)  # once a worker, which keeps it


def _recipe(section: CrossvalConfig) -> TrainingRecipe:
    names = ("model", "layers", "epochs", "learning_rate", "batch_size")
    return TrainingRecipe(**{name: section.params[name] for name in names})


def _with_sample(corpus: Corpus) -> DataFrame:
    """Return the rows, each with whether models learn from it."""
    rows = corpus.rows.select(c.ROW_ID, c.TEXT, c.LABEL, c.FOLD)
    if corpus.n_rows <= corpus.config.max_train_rows:
        return rows.withColumn(tasks.IS_LEARNT, F.lit(True))  # noqa: FBT003
    learnt = corpus.sample().select(c.ROW_ID, F.lit(True).alias("in_sample"))  # noqa: FBT003
    in_sample = F.coalesce("in_sample", F.lit(False))  # noqa: FBT003
    together = rows.join(learnt, c.ROW_ID, "left")
    return together.withColumn(tasks.IS_LEARNT, in_sample).drop("in_sample")


def _of_units(rows: DataFrame, units: Sequence[tuple[int, int]]) -> DataFrame:
    """Return for each unit, in a partition of its own, the sample and the rows of its fold."""
    numbers = F.explode(F.array(*(F.lit(i) for i in range(len(units)))))
    held = F.get(F.array(*(F.lit(fold) for fold, _ in units)), F.col(tasks.UNIT))
    dealt = rows.withColumn(tasks.UNIT, numbers)
    dealt = dealt.where(F.col(tasks.IS_LEARNT) | (F.col(c.FOLD) == held))
    return cluster.in_partitions(dealt, len(units), F.col(tasks.UNIT))


def _fingerprint(corpus: Corpus, classes: Sequence[str]) -> str:
    """Return a hash of what models learn from, are asked, and how; of more seeds it is the same."""
    section = corpus.config
    how: dict[str, Any] = {name: getattr(section, name) for name in ("folds", "seed")}
    how["params"] = {key: value for key, value in section.params.items() if key != "seeds"}
    how["sample"] = min(corpus.n_rows, section.max_train_rows)
    how["model"] = models.name_of(*find_model(section.params["model"], _KEYS))
    content = F.bit_xor(F.xxhash64(c.ROW_ID, c.TEXT, c.LABEL, c.FOLD))
    [[found]] = corpus.rows.agg(content).collect()
    said = json.dumps([how, [*classes], corpus.n_rows, found, version("lakewinnow")])
    return hashlib.sha256(said.encode()).hexdigest()[:32]
