"""Whether shards or global models: by N, D and K, and why."""

from collections.abc import Mapping
from typing import Any, Final

from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import FINETUNE, Config, CrossvalConfig
from lakewinnow.figures.labels import Embedded
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import n_accepted
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import counted

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
        return "shard", f"{counted(n_rows, 'row', 'is')} one shard, which learns from every row"
    if in_shard >= _FEW_ROWS or config.max_train_rows <= config.rows_per_shard:
        return "shard", f"a shard has {counted(in_shard, 'row')} a class to learn from"
    model_bytes = 4 * config.folds * n_classes * (n_features + 1)
    if model_bytes > MAX_MODEL_BYTES:
        return "shard", f"global models of {model_bytes / 2**20:,.0f} MiB are too large to send"
    training = _TRAINING_BYTES * min(n_rows, config.max_train_rows) * n_features
    if training > _MAX_TRAINING_BYTES:
        return "shard", f"global models would take {training / 2**30:,.0f} GiB to train"
    return "global", f"a shard has but {counted(in_shard, 'row')} a class to learn from"


def resolved(config: Config, lake: Lake) -> Mapping[str, Any]:
    """Return the mode that `auto` chooses; of models of shards, `max_train_rows` decides nothing.

    So a run that is done in one mode is done in the other where both come to the same.
    """
    crossval = config.crossval
    names = {member.classifier for member in crossval.members}
    if names == {FINETUNE}:
        return {"crossval.mode": "global"}
    mode = str(crossval.mode)
    if mode == "auto":
        n_classes = len(lake.figures("ingest", Ingested).classes)
        mode, _ = choose_mode(n_accepted(lake), _n_features(lake), n_classes, crossval)
    decides_nothing = mode == "shard" and FINETUNE not in names
    return {"crossval.mode": mode} | ({"crossval.max_train_rows": 0} if decides_nothing else {})


def _n_features(lake: Lake) -> int:
    if not lake.figures("ingest", Ingested).own_vectors:
        return lake.figures("embed", Embedded).identity.dimensions
    first = lake.read("vectors").select(F.size(c.VECTOR)).first()
    return int(first[0]) if first else 0
