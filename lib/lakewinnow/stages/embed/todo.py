"""The texts that are new to the store, and what embedding them may take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config.sections import EmbeddingConfig
from lakewinnow.core.types import IntArray
from lakewinnow.embedding import registry
from lakewinnow.embedding.cost import EmbeddingCost
from lakewinnow.lake.observed import SUM, Observed
from lakewinnow.lake.vectors.embedding_store import store_of
from lakewinnow.lake.vectors.new_texts import by_bucket, most_tokens, n_buckets, wanted_and_stored
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.embed import steps

_TO_EMBED: Final = "to_embed"
_PAYING_TASKS: Final = 8  # each has a share of the rates, so all must run at once on any cluster

ReportProgress = Callable[[int, int, str], None]


@dataclass
class Spent:
    """What a run has used up so far."""

    embedded: int = 0
    refused: int = 0
    tokens: int = 0
    requests: int = 0
    debt_s: float = 0.0  # of the rates, to the next round


@dataclass(frozen=True)
class Counts:
    """Distinct texts, and by bucket the new ones and their tokens, shape (n_buckets,)."""

    n_texts: int
    new: IntArray
    tokens: IntArray

    @property
    def n_new(self) -> int:
        """New texts."""
        return int(self.new.sum())

    @property
    def n_tokens(self) -> int:
        """Tokens of the new texts."""
        return int(self.tokens.sum())


class Todo:
    """What is to be embedded; found and counted when that is asked for.

    Parameters
    ----------
    buckets : that the texts are dealt into; default: by the rows of the corpus

    Attributes
    ----------
    n_tasks : that embed at once
    n_inputs : texts in a request
    """

    def __init__(self, lake: Lake, config: EmbeddingConfig, buckets: int | None = None) -> None:
        self.lake, self.config = lake, config
        self.limits = registry.load(config).limits
        self.identity = registry.identify(config)
        self.store = store_of(lake, config)
        self.cost = EmbeddingCost(self.limits, config.openai.max_cost_usd)
        self.is_by_batch = config.provider == "openai" and config.openai.mode == "batch"
        is_limited = bool(self.limits.requests_per_minute or self.limits.tokens_per_minute)
        # Whether tokens cost something, so that an estimate by length will not do.
        self.is_paid = is_limited or self.limits.usd_per_million_tokens != 0
        self.n_tasks = cluster.parallelism(lake.spark)
        if is_limited:
            self.n_tasks = min(self.n_tasks, _PAYING_TASKS)
        self.n_inputs = min(config.batch_size or self.limits.inputs, self.limits.inputs)
        self.n_buckets = n_buckets(lake) if buckets is None else buckets

    def wanted_and_stored(self, n: int | None = None) -> DataFrame:
        """Return what `NewTexts` takes, in n partitions."""
        return wanted_and_stored(self.lake, self.store, self.identity, n)

    @property
    def is_small(self) -> bool:
        """Whether all is one round, whatever is in the store, so that nothing need be counted."""
        most = self.limits.chunk_tokens * self.n_tasks
        return not self.is_paid and most_tokens(self.lake) <= most

    @cached_property
    def counts(self) -> Counts:
        """Count the texts; where their tokens are paid for, by the provider's own count.

        The new ones are kept in the workspace meanwhile, so that who wants some reads but those.
        """
        config = self.config if self.is_paid else None
        find = partial(steps.find, n_buckets=self.n_buckets, config=config)
        found = map_batches(self.wanted_and_stored(), find, steps.FOUND)
        seen = Observed(self.lake, found, {steps.TEXTS: SUM})
        new = seen.rows.where(F.col(c.TEXT_KEY).isNotNull()).drop(steps.TEXTS)
        self.lake.publish(_TO_EMBED, new)
        return Counts(
            seen.figures()[steps.TEXTS] or 0, *by_bucket(self.lake.files, _TO_EMBED, self.n_buckets)
        )

    @property
    def texts(self) -> DataFrame:
        """The new texts (text_key, text, bucket, tokens), once they are counted."""
        return self.lake.read(_TO_EMBED)

    def of_buckets(self, first: int, end: int) -> DataFrame:
        """Return the texts of the buckets ``first .. end - 1``."""
        bucket = F.col(c.BUCKET)
        return self.texts.where((bucket >= first) & (bucket < end))

    def forget_texts(self) -> None:
        """Delete what was kept."""
        self.lake.files.delete(_TO_EMBED)
