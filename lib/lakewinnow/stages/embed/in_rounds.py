"""Embedding in rounds of about a minute, each in the store before the next begins.

See `lakewinnow.embedding.rounds`.
"""

import time
from functools import partial
from typing import Final

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.embedding import tasks
from lakewinnow.embedding.rounds import Round, Rounds
from lakewinnow.errors import ProviderError
from lakewinnow.spark import cluster
from lakewinnow.stages.embed.todo import Spent, Tell, Todo

_SAMPLE: Final = 256  # texts


def embed_at_once(todo: Todo) -> tuple[int, Spent]:
    """Embed all new texts in one job, which counts them, too.

    Returns
    -------
    distinct texts, and what was used

    Raises
    ------
    ProviderError
    """
    spent, seen = Spent(), Observation("texts")
    texts = todo.new_texts(seen)
    stopped = _embed_round(todo, texts.repartition(todo.n_tasks, c.TEXT_KEY), spent)
    if stopped is not None:
        raise stopped
    return int(seen.get["n"]), spent


def embed(todo: Todo, tell: Tell) -> Spent:
    """Embed all new texts in rounds.

    Raises
    ------
    ProviderError
    """
    spent, counts = Spent(), todo.counts
    if not counts.n_new:
        return spent
    first = todo.limits.chunk_tokens * todo.n_tasks
    if counts.n_tokens > first and not todo.is_paid:
        todo.keep_texts()  # to be read once a round
    rounds = Rounds(counts.tokens, todo.n_tasks, first, todo.limits.tokens_per_minute)
    for dealt in rounds:
        started = time.monotonic()
        stopped = _embed_round(todo, _in_chunks(todo, dealt), spent)
        rounds.took(dealt.tokens, time.monotonic() - started)
        tell(spent.embedded + spent.refused, counts.n_new, todo.cost.note(spent.tokens))
        if stopped is not None:
            raise stopped
    return spent


def _embed_round(todo: Todo, chunks: DataFrame, spent: Spent) -> ProviderError | None:
    """Embed into the store; return what a task was stopped by."""
    share = todo.cost.share(todo.n_tasks, spent.tokens, spent.debt_s)
    embed = partial(tasks.embed, config=todo.config, share=share)
    seen = Observation("embed")
    made = chunks.mapInArrow(embed, tasks.MADE).observe(
        seen,
        F.count(c.VECTOR).alias("embedded"),
        F.count(c.ERROR_CODE).alias("refused"),
        F.sum(c.TOKENS).alias(c.TOKENS),
        F.sum(tasks.REQUESTS).alias(tasks.REQUESTS),
        F.max(tasks.DEBT).alias(tasks.DEBT),
        F.max(tasks.STOPPED).alias(tasks.STOPPED),
    )
    todo.store.add(todo.identity, made.where(F.col(c.TEXT_KEY).isNotNull()))
    spent.embedded += seen.get["embedded"]
    spent.refused += seen.get["refused"]
    spent.tokens += seen.get[c.TOKENS] or 0
    spent.requests += seen.get[tasks.REQUESTS] or 0
    spent.debt_s = seen.get[tasks.DEBT] or 0.0
    stopped = seen.get[tasks.STOPPED]
    return None if stopped is None else tasks.error_of(stopped)


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
    timed = todo.texts.limit(_SAMPLE).coalesce(1).mapInArrow(time_sample, tasks.TIMED)
    n_tokens, seconds = timed.agg(F.sum(c.TOKENS), F.sum(tasks.SECONDS)).collect()[0]
    return float(seconds * todo.counts.n_tokens / n_tokens / todo.n_tasks)
