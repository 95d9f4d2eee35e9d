"""Embedding in rounds of about a minute, each in the store before the next begins.

So a killed run loses at most a chunk a task, and between two rounds the driver knows what was
spent. Texts are counted by bucket (a hash of their key), and a round is a run of buckets, cut into
chunks of equal tokens rather than of equal rows: a few long texts do not keep one task busy while
the others wait.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.embedding import tasks
from lakewinnow.errors import ProviderError
from lakewinnow.lake.observed import MAX, SUM, Observed
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.sessions import cluster
from lakewinnow.stages.embed import steps
from lakewinnow.stages.embed.todo import ReportProgress, Spent, Todo

SECONDS: Final = 60.0  # that a round should take
_GROWTH: Final = 8.0  # at most, from one round to the next: the first ones are slow to start

_SAMPLE: Final = 256  # texts


@dataclass(frozen=True)
class Round:
    """Buckets ``bounds[i] .. bounds[i + 1] - 1`` for task i, and the tokens of all of them."""

    bounds: tuple[int, ...]
    tokens: int


class Rounds:
    """Deals out the buckets, as many at a time as take about a minute.

    Parameters
    ----------
    tokens : ndarray of int, shape (n_buckets,)
    first : tokens of the first round, whose rate is not known
    most : tokens of any round: what the provider takes in a minute
    """

    def __init__(
        self, tokens: NDArray[np.int64], n_tasks: int, first: int, most: float | None = None
    ) -> None:
        self._before = np.concatenate([[0], np.cumsum(tokens)])
        self._n_tasks, self._most = n_tasks, most
        self._wanted: float = first
        self._at = 0

    def __iter__(self) -> Iterator[Round]:
        """Deal out rounds until no bucket with a text is left."""
        while self._before[self._at] < self._before[-1]:
            yield self._next()

    def _next(self) -> Round:
        before, start = self._before, self._at
        reach = before[start] + min(self._wanted, self._most or np.inf)
        one_at_least = int(np.searchsorted(before, before[start], side="right"))
        end = max(int(np.searchsorted(before, reach, side="right")) - 1, one_at_least)
        shares = np.linspace(before[start], before[end], self._n_tasks + 1)[1:-1]
        inner = np.searchsorted(before, shares).clip(start, end)
        self._at = end
        return Round((start, *inner.tolist(), end), int(before[end] - before[start]))

    def took(self, n_tokens: int, seconds: float) -> None:
        """Learn from a round how much the next one should hold."""
        fitting = SECONDS * n_tokens / max(seconds, 1e-3)
        self._wanted = float(np.clip(fitting, self._wanted / 2, self._wanted * _GROWTH))


def embed_at_once(todo: Todo) -> tuple[int, Spent]:
    """Embed all new texts in one job, which counts them, too.

    Returns
    -------
    distinct texts, and what was used
    """
    spent = Spent()
    chunks = todo.wanted_and_stored(todo.n_tasks)
    n_texts, stopped = _embed_round(todo, chunks, spent, steps.embed_new)
    if stopped is not None:
        raise stopped
    return n_texts, spent


def embed(todo: Todo, report_progress: ReportProgress) -> Spent:
    """Embed all new texts in rounds."""
    spent, counts = Spent(), todo.counts
    if not counts.n_new:
        return spent
    first = todo.limits.chunk_tokens * todo.n_tasks
    rounds = Rounds(counts.tokens, todo.n_tasks, first, todo.limits.tokens_per_minute)
    for dealt in rounds:
        started = time.monotonic()
        _, stopped = _embed_round(todo, _in_chunks(todo, dealt), spent, steps.embed)
        rounds.took(dealt.tokens, time.monotonic() - started)
        report_progress(spent.embedded + spent.refused, counts.n_new, todo.cost.note(spent.tokens))
        if stopped is not None:
            raise stopped
    return spent


def _embed_round(
    todo: Todo, chunks: DataFrame, spent: Spent, embed: steps.Embed
) -> tuple[int, ProviderError | None]:
    """Embed into the store.

    Returns
    -------
    distinct texts, 0 unless `embed` tells, and what a task was stopped by
    """
    share = todo.cost.share(todo.n_tasks, spent.tokens, spent.debt_s)
    figures = dict.fromkeys((*tasks.COUNTS, steps.TEXTS), SUM)
    figures |= dict.fromkeys((tasks.DEBT, tasks.STOPPED), MAX)
    with todo.store.appending() as folder:
        into = (todo.identity, folder) if todo.store.takes_files else None
        make = partial(embed, config=todo.config, share=share, into=into)
        seen = Observed(todo.lake, map_batches(chunks, make, steps.MADE), figures)
        if into is None:
            todo.store.write(todo.identity, seen.rows.where(F.col(c.TEXT_KEY).isNotNull()), folder)
        else:
            seen.rows.write.format("noop").mode("overwrite").save()
    found = seen.figures()
    spent.embedded += found[tasks.EMBEDDED] or 0
    spent.refused += found[tasks.REFUSED] or 0
    spent.tokens += found[c.TOKENS] or 0
    spent.requests += found[tasks.REQUESTS] or 0
    spent.debt_s = found[tasks.DEBT] or 0.0
    stopped = found[tasks.STOPPED]
    return found[steps.TEXTS] or 0, None if stopped is None else tasks.error_of(stopped)


def _in_chunks(todo: Todo, dealt: Round) -> DataFrame:
    """Return a round's texts, each chunk in a partition of its own."""
    chunk = F.lit(todo.n_tasks - 1)
    for i, end in reversed(list(enumerate(dealt.bounds[1:-1]))):
        chunk = F.when(F.col(c.BUCKET) < end, i).otherwise(chunk)
    texts = todo.of_buckets(dealt.bounds[0], dealt.bounds[-1])
    return cluster.in_partitions(texts, todo.n_tasks, chunk)


def seconds_by_sample(todo: Todo) -> float:
    """Embed a few of the texts, and tell from them how long all would take."""
    time_sample = partial(tasks.time_sample, config=todo.config)
    timed = map_batches(todo.texts.limit(_SAMPLE).coalesce(1), time_sample, tasks.TIMED)
    n_tokens, seconds = timed.agg(F.sum(c.TOKENS), F.sum(tasks.SECONDS)).collect()[0]
    return float(seconds * todo.counts.n_tokens / n_tokens / todo.n_tasks)
