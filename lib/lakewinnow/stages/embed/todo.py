"""The texts that are new to the store, and what embedding them may take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow.config import EmbeddingConfig
from lakewinnow.embedding import registry, tasks
from lakewinnow.embedding.cost import Cost
from lakewinnow.lake.embedding_store import store_of
from lakewinnow.lake.new_texts import by_bucket, count_texts, n_buckets, new_texts
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark import cluster

_TO_EMBED: Final = "to_embed"
_PAYING_TASKS: Final = 8  # each has a share of the rates, so all must run at once on any cluster

Tell = Callable[[int, int, str], None]


@dataclass
class Spent:
    """What a run has used up so far."""

    embedded: int = 0
    refused: int = 0
    tokens: int = 0
    requests: int = 0


class Todo:
    """What is to be embedded.

    Parameters
    ----------
    lake : Lake
    config : EmbeddingConfig
    buckets : int, optional
        That the texts are dealt into; default: by the rows of the corpus.

    Attributes
    ----------
    limits : Limits
    identity : EmbeddingIdentity
    store : EmbeddingStore
    cost : Cost
    n_tasks : int
        That embed at once.
    n_inputs : int
        Texts in a request.
    n_texts, n_new : int
        Distinct texts, and those that are not in the store.
    counts, tokens : ndarray of int64, shape (n_buckets,)
        New texts, and their tokens.
    texts : DataFrame
        text_key, text, bucket, tokens.
    """

    def __init__(self, lake: Lake, config: EmbeddingConfig, buckets: int | None = None) -> None:
        self.lake, self.config = lake, config
        self.limits = registry.load(config).limits
        self.identity = registry.identify(config)
        self.store = store_of(lake, config)
        self.cost = Cost(self.limits, config.openai.max_cost_usd)
        self.is_by_batch = config.provider == "openai" and config.openai.mode == "batch"
        is_limited = bool(self.limits.requests_per_minute or self.limits.tokens_per_minute)
        # Whether tokens cost something, so that an estimate by length will not do.
        self.is_counted = is_limited or self.limits.usd_per_million_tokens != 0
        self.n_tasks = cluster.parallelism(lake.spark)
        if is_limited:
            self.n_tasks = min(self.n_tasks, _PAYING_TASKS)
        self.n_inputs = min(config.batch_size or self.limits.inputs, self.limits.inputs)
        n = n_buckets(lake) if buckets is None else buckets
        texts, self.counts, self.tokens = count_texts(lake, self.store, self.identity, n)
        self.n_texts, self.n_new = int(texts.sum()), int(self.counts.sum())
        self.texts = new_texts(lake, self.store, self.identity, n)
        if self.n_new and self.is_counted:
            count = partial(tasks.count_tokens, config=config)
            self.texts = self.texts.mapInArrow(count, tasks.TO_EMBED)
            self.keep_texts()
            counted = self.texts.groupBy(tasks.BUCKET).agg(F.sum(tasks.TOKENS))
            [self.tokens] = by_bucket(counted, n)

    @property
    def n_tokens(self) -> int:
        """Tokens of all new texts."""
        return int(self.tokens.sum())

    def of_buckets(self, first: int, end: int) -> DataFrame:
        """Return the texts of the buckets ``first .. end - 1``."""
        bucket = F.col(tasks.BUCKET)
        return self.texts.where((bucket >= first) & (bucket < end))

    def keep_texts(self) -> None:
        """Keep the texts in the workspace meanwhile, so that who wants some reads but those."""
        self.lake.publish(_TO_EMBED, self.texts.sortWithinPartitions(tasks.BUCKET))
        self.texts = self.lake.read(_TO_EMBED)

    def forget_texts(self) -> None:
        """Delete what was kept."""
        self.lake.files.delete(_TO_EMBED)
