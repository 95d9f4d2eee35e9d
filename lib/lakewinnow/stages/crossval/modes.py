"""Whether shards or global models: by N, D and K, and why."""

from typing import Final

from lakewinnow.config.sections import CrossvalConfig

_FEW_ROWS: Final = 500  # of a class in a shard, to learn from
_TRAINING_BYTES: Final = 20  # a feature, at the peak
_MAX_TRAINING_BYTES: Final = 8 * 2**30
MAX_MODEL_BYTES: Final = 100 * 2**20  # that a plan carries; Connect takes no more than 128 MiB


def choose_mode(
    n_rows: int, n_features: int, n_classes: int, config: CrossvalConfig
) -> tuple[str, str]:
    """Choose between shard and global, and say why.

    Parameters
    ----------
    n_rows, n_features, n_classes : N, D, K

    Returns
    -------
    the mode, and the reason
    """
    in_shard = config.rows_per_shard // n_classes
    if n_rows <= config.rows_per_shard:
        return "shard", f"{n_rows:,} rows are one shard, which learns from all of them"
    if in_shard >= _FEW_ROWS or config.max_train_rows <= config.rows_per_shard:
        return "shard", f"a shard has {in_shard:,} rows a class to learn from"
    model_bytes = 4 * config.folds * n_classes * (n_features + 1)
    if model_bytes > MAX_MODEL_BYTES:
        return "shard", f"global models of {model_bytes / 2**20:,.0f} MiB are too large to send"
    training = _TRAINING_BYTES * min(n_rows, config.max_train_rows) * n_features
    if training > _MAX_TRAINING_BYTES:
        return "shard", f"global models would take {training / 2**30:,.0f} GiB to train"
    return "global", f"a shard has but {in_shard:,} rows a class to learn from"
