"""What stages take, before they have run here: measured on two cores, on Sail."""

from collections.abc import Mapping
from typing import Final

from lakewinnow.config.sections import FINETUNE, Config
from lakewinnow.plan.cost import Cost, Sizes, product

_TEXTS_PER_SECOND: Final = {"static": 50_000, "sentence-transformers": 340}  # default models
_MODELS_COMPARED: Final = 24  # of seven training sets, by their seeds
_BYTES_TO_FINE_TUNE: Final = 3e9  # measured: all-MiniLM-L6-v2, after eight models of 3,000 rows
_NUMBERS_PER_SECOND: Final = 8e8  # rows × features × classes × models


def _seconds_to_embed(config: Config, sizes: Sizes) -> float | None:
    """Say how long default models take; others are tried on a sample, or have rates."""
    rate = _TEXTS_PER_SECOND.get(config.embedding.provider)
    is_known = config.embedding.provider == "static" or config.embedding.model is None
    if rate is None or not is_known or config.embedding.candidates:
        return None
    return product(sizes.rows, 1 / rate)


def _seconds_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    if config.crossval.classifier != "logistic":
        return None
    return _seconds_to_train(sizes, config.crossval.folds)


def _seconds_to_train(sizes: Sizes, n_models: int) -> float | None:
    numbers = product(sizes.rows, sizes.features, sizes.classes, n_models)
    return None if numbers is None else numbers / _NUMBERS_PER_SECOND


def _memory_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    crossval = config.crossval
    if any(member.classifier == FINETUNE for member in crossval.members):
        return _BYTES_TO_FINE_TUNE
    most = crossval.rows_per_shard if crossval.mode == "shard" else crossval.max_train_rows
    if sizes.rows is None or sizes.features is None or sizes.classes is None:
        return None
    return min(sizes.rows, most) * (20 * sizes.features + 12 * sizes.classes)


def _memory_of_neighbors(config: Config, sizes: Sizes) -> float | None:
    if sizes.rows is None:
        return None
    reference = min(sizes.rows, config.checks.neighbors.max_reference_rows)
    return product(14 * 2 * reference, sizes.features)


def _memory_to_compare(config: Config, sizes: Sizes) -> float | None:
    if not config.evaluate.has_holdout:
        return None
    most = config.evaluate.max_train_rows
    return product(5 * 4, most if sizes.rows is None else min(most, sizes.rows), sizes.features)


def _seconds_to_fine_tune(config: Config, sizes: Sizes) -> float | None:
    """Say how long models take here, all-MiniLM-L6-v2 on two cores: 800 rows took 40 s."""
    wanted = config.finetune
    if wanted.provider != "local" or sizes.rows is None:
        return None
    n_models = len(wanted.variants or range(5)) * (wanted.seeds or 3)  # local.py has the defaults
    return n_models * wanted.epochs * min(sizes.rows, wanted.max_train_rows) / 20


def _seconds_to_evaluate(config: Config, sizes: Sizes) -> float | None:
    """Say how long the comparison with a reference takes, and that of models."""
    return _seconds_to_train(sizes, _MODELS_COMPARED * config.evaluate.has_holdout)


COSTS: Final[Mapping[str, Cost]] = {
    "ingest": Cost(passes=2, rows_per_second=100_000),
    "own_vectors": Cost(rows_per_second=100_000),
    "embed": Cost(seconds=_seconds_to_embed),
    "crossval": Cost(seconds=_seconds_to_cross_validate, task_memory=_memory_to_cross_validate),
    "own_probs": Cost(rows_per_second=100_000),
    "noise": Cost(passes=2, rows_per_second=80_000),
    "label_issues": Cost(passes=2, rows_per_second=120_000),
    "annotations": Cost(passes=3, rows_per_second=50_000),
    "functions": Cost(rows_per_second=20_000),
    "annotators": Cost(passes=2, rows_per_second=10_000),
    "ask": Cost(rows_per_second=200_000),
    "neighbors": Cost(passes=2, rows_per_second=15_000, task_memory=_memory_of_neighbors),
    "holdout": Cost(seconds=_seconds_to_embed),
    "unlabelled": Cost(seconds=_seconds_to_cross_validate, task_memory=_memory_to_cross_validate),
    "choose": Cost(passes=2, task_memory=_memory_to_compare),
    "decide": Cost(passes=4, rows_per_second=60_000),
    "publish": Cost(passes=3, rows_per_second=200_000),
    "report": Cost(passes=4, rows_per_second=200_000),
    "evaluate": Cost(passes=2, seconds=_seconds_to_evaluate, task_memory=_memory_to_compare),
    "finetune": Cost(passes=2, seconds=_seconds_to_fine_tune),
    "export": Cost(passes=2, rows_per_second=50_000),
}
