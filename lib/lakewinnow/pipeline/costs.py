"""What stages take, before they have run here: measured on two cores, on Sail."""

from collections.abc import Mapping
from typing import Final

from lakewinnow.config.sections import Config
from lakewinnow.plan.cost import Cost, Sizes, product


def _seconds_to_embed(config: Config, sizes: Sizes) -> float | None:
    """Say how long static embeddings take; others are tried on a sample, or have rates."""
    is_static = config.embedding.provider == "static" and not config.embedding.candidates
    return product(sizes.rows, 1 / 50_000) if is_static else None


def _seconds_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    if config.crossval.classifier != "logistic":
        return None
    return product(sizes.rows, sizes.features, sizes.classes, config.crossval.folds, 1 / 8e8)


def _memory_to_cross_validate(config: Config, sizes: Sizes) -> float | None:
    crossval = config.crossval
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
    """Say how long it takes to compare with the reference alone."""
    return None if config.evaluate.has_holdout else product(sizes.rows, 1 / 50_000)


COSTS: Final[Mapping[str, Cost]] = {
    "ingest": Cost(passes=2, rows_per_second=100_000),
    "own_vectors": Cost(rows_per_second=100_000),
    "embed": Cost(seconds=_seconds_to_embed),
    "crossval": Cost(seconds=_seconds_to_cross_validate, task_memory=_memory_to_cross_validate),
    "own_probs": Cost(rows_per_second=100_000),
    "noise": Cost(passes=2, rows_per_second=80_000),
    "label_issues": Cost(passes=2, rows_per_second=120_000),
    "neighbors": Cost(passes=2, rows_per_second=15_000, task_memory=_memory_of_neighbors),
    "choose": Cost(passes=2, task_memory=_memory_to_compare),
    "decide": Cost(passes=4, rows_per_second=60_000),
    "publish": Cost(passes=3, rows_per_second=200_000),
    "report": Cost(passes=4, rows_per_second=200_000),
    "evaluate": Cost(passes=2, seconds=_seconds_to_evaluate, task_memory=_memory_to_compare),
    "finetune": Cost(passes=2, seconds=_seconds_to_fine_tune),
    "export": Cost(passes=2, rows_per_second=50_000),
}
