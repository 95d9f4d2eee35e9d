"""Embed: a vector for every distinct text that the store does not have yet.

Reads    corpus/, the embedding store
Writes   the embedding store (rows added); refused/ and quarantine/ where the provider refuses texts
Passes   1 over the corpus, and over the store's keys; where the corpus is not small, or tokens cost
         something, 1 over the new texts, with to_embed/ meanwhile
Shuffle  of the texts and the store's keys: one by text key; of new texts one into a round's chunks
Memory   a task: the texts of a chunk and the requests that are under way; the driver: tokens by
         bucket, 64 Ki at most, and by batch, 64 MiB of vectors

The texts are embedded in rounds of about a minute, or by OpenAI's batches, each in the store before
the next: see `in_rounds` and `by_batch`. What a provider refuses or fails at is not raised where it
happens, but when all that was paid for until then is in the store.
"""

from dataclasses import dataclass

from lakewinnow.config.sections import EmbeddingConfig, EmbeddingIdentity, InputConfig
from lakewinnow.errors import DataError, Shown
from lakewinnow.figures.labels import Embedded
from lakewinnow.lake.corpus import refuse
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.stages.embed import in_rounds
from lakewinnow.stages.embed.todo import ReportProgress, Spent, Todo

__all__ = ["Estimate", "estimate", "run"]


@dataclass(frozen=True)
class Estimate:
    """What embedding would take, before anything is asked of the provider."""

    identity: EmbeddingIdentity
    # distinct texts
    texts: int
    stored: int
    new: int
    # of the new ones
    tokens: int
    requests: int
    cost_usd: float | None  # None where the price is not known
    # at least, by the rates that are allowed, or about, by a sample that was embedded; None where
    # there is nothing to tell it by
    seconds: float | None
    is_sampled: bool  # whether it is by a sample


def run(
    lake: Lake,
    source: InputConfig,
    config: EmbeddingConfig,
    report_progress: ReportProgress = lambda *_: None,
) -> StageReport[Embedded]:
    """Embed what is new.

    Parameters
    ----------
    report_progress : gets now and then how many of the new texts are done, how many there are, and
        what was used so far

    Raises
    ------
    ConfigError : the provider does not have the model or the dimensions, or a cost is bounded and
        the price is not known
    ProviderError : the provider is not installed, refuses the run, keeps failing, or would cost too
        much. What was embedded by then is in the store.
    DataError : "too_many_refused": more than `input.max_bad_fraction` of the rows
    """
    todo = Todo(lake, config)
    if todo.is_small:
        n_texts, spent = in_rounds.embed_at_once(todo)
    else:
        todo.cost.check(todo.counts.n_tokens)
        n_texts, spent = todo.counts.n_texts, _embed(todo, report_progress)
        todo.forget_texts()
    refused = refuse(lake, todo.store.refused(todo.identity), source, spent.refused)
    _check_refused(sum(refused.values()), lake.rows("corpus"), source.max_bad_fraction)
    return StageReport(
        rows_in=n_texts,
        rows_out=n_texts,
        reads={"corpus": 1},
        figures=Embedded(
            identity=todo.identity,
            texts=n_texts,
            embedded=spent.embedded,
            refused=refused,
            **todo.cost.figures(spent.tokens, spent.requests),
        ),
    )


def estimate(lake: Lake, config: EmbeddingConfig) -> Estimate:
    """Say what embedding would take; asks nothing of a provider that costs or is limited."""
    todo = Todo(lake, config)
    counts, limits = todo.counts, todo.limits
    n_requests = -(-counts.n_new // todo.n_inputs)
    if limits.tokens_per_request is not None:
        n_requests = max(n_requests, -(-counts.n_tokens // limits.tokens_per_request))
    seconds = None if todo.is_by_batch else todo.cost.seconds(counts.n_tokens, n_requests)
    is_sampled = seconds is None and not todo.is_paid and counts.n_new > 0
    if is_sampled:
        seconds = in_rounds.seconds_by_sample(todo)
    todo.forget_texts()
    return Estimate(
        identity=todo.identity,
        texts=counts.n_texts,
        stored=counts.n_texts - counts.n_new,
        new=counts.n_new,
        tokens=counts.n_tokens,
        requests=n_requests,
        cost_usd=todo.cost.usd(counts.n_tokens),
        seconds=seconds,
        is_sampled=is_sampled,
    )


def _embed(todo: Todo, report_progress: ReportProgress) -> Spent:
    if not todo.is_by_batch:
        return in_rounds.embed(todo, report_progress)
    from lakewinnow.stages.embed import by_batch  # OpenAI's client takes half a second to import

    return by_batch.embed(todo, report_progress)


def _check_refused(n_refused: int, n_rows: int, most: float) -> None:
    if n_refused > most * n_rows:
        expected = f"at most {most:.0%} of the rows with a text that cannot be embedded"
        got = Shown(f"{n_refused:,} of {n_rows:,}; see refused/ in the workspace")
        hint = "fix them, choose another embedding.long_texts, or raise input.max_bad_fraction"
        raise DataError("too_many_refused", "embedding", expected, got, hint)
