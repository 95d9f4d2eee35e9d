"""Embed: a vector for every distinct text that the store does not have yet.

Reads    corpus/, the embedding store
Writes   the embedding store (rows added); refused/ and quarantine/ where the provider refuses texts
Passes   1 over the corpus to count its distinct texts, 1 over the new ones; 1 more, with to_embed/
         meanwhile, where they take several rounds or where tokens cost something
Shuffle  of the texts: one by text key, one into the chunks of a round
Memory   a task: the requests that are under way; the driver: tokens by bucket, 64 Ki at most

The texts are embedded in rounds of about a minute, each in the store before the next begins: see
`lakewinnow.embedding.rounds`. What a provider refuses or fails at is not raised where it happens,
but when all that was paid for until then is in the store.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.config import EmbeddingConfig, EmbeddingIdentity, InputConfig
from lakewinnow.embedding import registry, tasks
from lakewinnow.embedding.cost import Cost
from lakewinnow.embedding.rounds import Round, Rounds
from lakewinnow.errors import DataError, ProviderError, Shown
from lakewinnow.lake.corpus import refuse
from lakewinnow.lake.embedding_store import EMBEDDINGS, store_of
from lakewinnow.lake.new_texts import by_bucket, count_texts, n_buckets, new_texts
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.spark import cluster

_TO_EMBED: Final = "to_embed"
_PAYING_TASKS: Final = 8  # each has a share of the rates, so all must run at once on any cluster
_FIRST_REQUESTS: Final = 8  # of a task in the first round, whose speed is not known yet
_SHORT_TEXT: Final = 32  # tokens
_SAMPLE: Final = 256

Tell = Callable[[int, int, str], None]  # done, all, a note


@dataclass(frozen=True)
class Estimate:
    """What embedding would take, before anything is asked of the provider.

    Attributes
    ----------
    identity : EmbeddingIdentity
    texts, stored, new : distinct texts
    tokens, requests : of the new ones
    cost_usd : None where the price is not known
    seconds : at least, by the rates that are allowed, or about, by a sample that was embedded; None
        where there is nothing to tell it by
    is_sampled : whether it is by a sample
    """

    identity: EmbeddingIdentity
    texts: int
    stored: int
    new: int
    tokens: int
    requests: int
    cost_usd: float | None
    seconds: float | None
    is_sampled: bool


@dataclass
class _Spent:
    """What a run has used up so far."""

    embedded: int = 0
    refused: int = 0
    tokens: int = 0
    requests: int = 0

    def add(self, seen: dict[str, Any]) -> None:
        self.embedded += seen["embedded"]
        self.refused += seen["refused"]
        self.tokens += seen[tasks.TOKENS] or 0
        self.requests += seen[tasks.REQUESTS] or 0


def run(
    lake: Lake, source: InputConfig, config: EmbeddingConfig, tell: Tell = lambda *_: None
) -> StageReport:
    """Embed what is new.

    Raises
    ------
    ConfigError
        The provider does not have the model or the dimensions, or a cost is bounded and the price
        is not known.
    ProviderError
        The provider is not installed, refuses the run, keeps failing, or would cost too much. What
        was embedded by then is in the store.
    DataError
        ``"too_many_refused"``: more than `input.max_bad_fraction` of the rows.
    """
    work = _Work(lake, config)
    work.cost.check(work.n_tokens)
    spent = _Spent()
    for dealt in work.rounds:
        started = time.monotonic()
        stopped = work.embed(dealt, spent)
        work.rounds.took(dealt.tokens, time.monotonic() - started)
        tell(spent.embedded + spent.refused, work.n_new, work.cost.note(spent.tokens))
        if stopped is not None:
            raise ProviderError(*stopped)
    lake.files.delete(_TO_EMBED)
    refused = refuse(lake, work.store.refused(work.identity), source)
    _check_refused(sum(refused.values()), lake.rows("corpus"), source.max_bad_fraction)
    return StageReport(
        rows_in=work.n_texts,
        rows_out=work.n_texts,
        reads={"corpus": 2 if work.n_new else 1},
        details={
            "identity": vars(work.identity),
            "texts": work.n_texts,
            "embedded": spent.embedded,
            "refused": refused,
            **work.cost.details(spent.tokens, spent.requests),
        },
    )


def estimate(lake: Lake, config: EmbeddingConfig) -> Estimate:
    """Say what embedding would take; asks nothing of a provider that costs or is limited.

    Raises
    ------
    ConfigError, ProviderError
        As `run`.
    """
    work = _Work(lake, config)
    limits = work.limits
    n_requests = -(-work.n_new // work.n_inputs)
    if limits.tokens_per_request is not None:
        n_requests = max(n_requests, -(-work.n_tokens // limits.tokens_per_request))
    seconds = work.cost.seconds(work.n_tokens, n_requests)
    is_sampled = seconds is None and not work.is_counted and work.n_new > 0
    if is_sampled:
        seconds = work.seconds_by_sample()
    lake.files.delete(_TO_EMBED)
    return Estimate(
        identity=work.identity,
        texts=work.n_texts,
        stored=work.n_texts - work.n_new,
        new=work.n_new,
        tokens=work.n_tokens,
        requests=n_requests,
        cost_usd=work.cost.usd(work.n_tokens),
        seconds=seconds,
        is_sampled=is_sampled,
    )


class _Work:
    """The texts that are new to the store, and how they are embedded."""

    def __init__(self, lake: Lake, config: EmbeddingConfig) -> None:
        self._lake, self._config = lake, config
        self.limits = registry.load(config).limits
        self.identity = registry.identify(config)
        self.store = store_of(lake, config)
        self.cost = Cost(self.limits, config.openai.max_cost_usd)
        self.is_limited = bool(self.limits.requests_per_minute or self.limits.tokens_per_minute)
        # Whether an estimate by length will do.
        self.is_counted = self.is_limited or self.limits.usd_per_million_tokens != 0
        self._n_tasks = cluster.parallelism(lake.spark)
        if self.is_limited:
            self._n_tasks = min(self._n_tasks, _PAYING_TASKS)
        texts, new, tokens = count_texts(lake, self.store, self.identity)
        self.n_texts, self.n_new = int(texts.sum()), int(new.sum())
        self._texts = new_texts(lake, self.store, self.identity)
        if self.n_new and self.is_counted:
            count = partial(tasks.count_tokens, config=config)
            self._keep(self._texts.mapInArrow(count, tasks.TO_EMBED))
            counted = self._texts.groupBy(tasks.BUCKET).agg(F.sum(tasks.TOKENS))
            [tokens] = by_bucket(counted, n_buckets(lake))
        self.n_tokens = int(tokens.sum())
        self.n_inputs = min(config.batch_size or self.limits.inputs, self.limits.inputs)
        first = _FIRST_REQUESTS * self.n_inputs * _SHORT_TEXT * self._n_tasks
        most = self.limits.tokens_per_minute
        self.rounds = Rounds(tokens, self._n_tasks, first, None if most is None else int(most))
        if self.n_tokens > first and not self.is_counted:
            self._keep(self._texts)

    def _keep(self, texts: DataFrame) -> None:
        """Keep the texts in the workspace meanwhile, so that a round reads but its own."""
        self._lake.publish(_TO_EMBED, texts.sortWithinPartitions(tasks.BUCKET))
        self._texts = self._lake.read(_TO_EMBED)

    def embed(self, dealt: Round, spent: _Spent) -> list[Any] | None:
        """Embed a round into the store.

        Returns
        -------
        what a ProviderError is made of, when the provider stopped a task
        """
        embed = partial(
            tasks.embed,
            config=self._config,
            share=self.cost.share(self._n_tasks, spent.tokens),
        )
        made = self._in_chunks(dealt).mapInArrow(embed, tasks.MADE)
        seen = Observation("embed")
        made = made.observe(
            seen,
            F.count(c.VECTOR).alias("embedded"),
            F.count(c.ERROR_CODE).alias("refused"),
            F.sum(tasks.TOKENS).alias(tasks.TOKENS),
            F.sum(tasks.REQUESTS).alias(tasks.REQUESTS),
            F.max(tasks.STOPPED).alias(tasks.STOPPED),
        )
        rows = made.where(F.col(c.TEXT_KEY).isNotNull())
        identity = {name: F.lit(value) for name, value in vars(self.identity).items()}
        self.store.append(rows.withColumns(identity).select(*EMBEDDINGS.fieldNames()))
        spent.add(seen.get)
        stopped = seen.get[tasks.STOPPED]
        return None if stopped is None else list(json.loads(stopped))

    def _in_chunks(self, dealt: Round) -> DataFrame:
        """Return a round's texts, each chunk in a partition of its own."""
        bucket = F.col(tasks.BUCKET)
        texts = self._texts.where((bucket >= dealt.bounds[0]) & (bucket < dealt.bounds[-1]))
        if self._n_tasks == 1:
            return texts.coalesce(1)
        *starts, last = self._destinations
        chunk = F.lit(last)
        for destination, end in reversed(list(zip(starts, dealt.bounds[1:-1], strict=True))):
            chunk = F.when(bucket < end, destination).otherwise(chunk)
        return texts.repartition(self._n_tasks, chunk)

    @cached_property
    def _destinations(self) -> list[int]:
        """Return, for each of n_tasks partitions, a number that Spark's hash puts there."""
        n = self._n_tasks
        ids = self._lake.spark.range(64 * n)  # far more than it takes to meet each of them
        hashed = ids.groupBy(F.pmod(F.hash("id"), F.lit(n)).alias("at")).agg(F.min("id"))
        return [number for _, number in sorted(hashed.collect())]

    def seconds_by_sample(self) -> float:
        """Embed a few of the texts and tell from them how long all would take."""
        time_sample = partial(tasks.time_sample, config=self._config)
        sample = self._texts.limit(_SAMPLE).coalesce(1)
        timed = sample.mapInArrow(time_sample, tasks.TIMED)
        n_tokens, seconds = timed.agg(F.sum(tasks.TOKENS), F.sum(tasks.SECONDS)).collect()[0]
        return float(seconds * self.n_tokens / n_tokens / self._n_tasks)


def _check_refused(n_refused: int, n_rows: int, most: float) -> None:
    if n_refused > most * n_rows:
        raise DataError(
            "too_many_refused",
            "embedding",
            f"at most {most:.0%} of the rows with a text that cannot be embedded",
            Shown(f"{n_refused:,} of {n_rows:,}; see refused/ in the workspace"),
            "mend them, choose another embedding.long_texts, or raise input.max_bad_fraction",
        )
