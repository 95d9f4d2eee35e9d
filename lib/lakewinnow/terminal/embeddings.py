"""What embedding would take, which embedding is the best, what a store holds; on stdout."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.lake.vectors.store_care import FAULTS, Contents
from lakewinnow.report.words import duration
from lakewinnow.stages.embed import Estimate
from lakewinnow.terminal.tables import plain_table, short_path


def print_estimate(estimate: Estimate) -> None:
    """Print what embedding would take."""
    of = estimate.identity
    out = Console(highlight=False)
    title = f"To embed with {of.provider}, {of.model}, {of.dimensions} dimensions"
    out.print(Text(title, style="bold"), soft_wrap=True)
    table = plain_table("")
    table.title = None
    table.show_header = False
    table.add_column("", justify="right")
    table.add_column("")
    table.add_row(f"{estimate.texts:,}", "distinct texts")
    table.add_row(f"{estimate.stored:,}", "in the store already")
    table.add_row(f"{estimate.new:,}", "to embed")
    table.add_row(f"{estimate.tokens:,}", "tokens")
    table.add_row(f"{estimate.requests:,}", "requests")
    usd = estimate.cost_usd
    table.add_row("unknown" if usd is None else f"{usd:,.4f}", f"USD{_price_hint(usd)}")
    if estimate.seconds is not None:
        told_by = "about, by a sample" if estimate.is_sampled else "at least, by the rates allowed"
        table.add_row(duration(max(estimate.seconds, 1)), told_by)
    out.print(table)


def print_candidate_estimates(estimates: Sequence[tuple[Estimate, Estimate]]) -> None:
    """Print what comparing would take, and then embedding the corpus with the one that is used."""
    out = Console(highlight=False)
    sample, corpus = (sum(of.texts for of in column) for column in zip(*estimates, strict=True))
    n = len(estimates)
    table = plain_table(
        f"To compare {n} embeddings on {sample // n:,} distinct texts,"
        f" and to embed all {corpus // n:,} with one of them"
    )
    table.add_column("embedding", overflow="fold")
    for name in ("sample: new", "tokens", "USD", "time", "all: new", "tokens", "USD", "time"):
        table.add_column(name, justify="right")
    for pair in estimates:
        of = pair[0].identity
        cells = [cell for estimate in pair for cell in _takes(estimate)]
        table.add_row(Text(f"{of.provider}, {of.model}, {of.dimensions}"), *cells)
    out.print(table)
    known = [pair[0].cost_usd for pair in estimates]
    total = sum(usd or 0.0 for usd in known)
    out.print(
        f"All samples together: {total:,.4f} USD{_price_hint(None if None in known else 0.0)}"
    )


def _takes(estimate: Estimate) -> tuple[str, str, str, str]:
    usd, seconds = estimate.cost_usd, estimate.seconds
    return (
        f"{estimate.new:,}",
        f"{estimate.tokens:,}",
        "unknown" if usd is None else f"{usd:,.4f}",
        "" if seconds is None else duration(max(seconds, 1)),
    )


def print_candidates(found: Mapping[str, Any]) -> None:
    """Print how the embeddings compare, and which of them is used."""
    Console(highlight=False).print(candidates_table(found))


def candidates_table(found: Mapping[str, Any]) -> Table:
    """Return how the embeddings compare, the one that is used marked."""
    table = plain_table(
        f"Embeddings, by the log loss of held-out given labels on {found['rows']:,} rows"
    )
    table.add_column("")
    table.add_column("embedding", overflow="fold")
    for name in ("log loss", "C", "seconds", "USD"):
        table.add_column(name, justify="right")
    for i, of in enumerate(found["compared"]):
        table.add_row(
            "▸" if i == found["used"] else "",
            Text(f"{of['provider']}, {of['model']}, {of['dimensions']}"),
            f"{of['log_loss']:.4f}",
            "" if of["C"] is None else f"{of['C']:g}",
            f"{of['seconds']:,.1f}",
            "unknown" if of["cost_usd"] is None else f"{of['cost_usd']:,.4f}",
        )
    return table


def _price_hint(usd: float | None) -> str:
    return "" if usd is not None else ": set embedding.openai.price_per_million_tokens"


def print_contents(store: EmbeddingStore, contents: Sequence[Contents]) -> None:
    """Print what is in a store."""
    n_files = len(store.data_files())
    table = plain_table(
        f"{short_path(store.files.root)}: {n_files:,} files, {store.size() / 2**20:,.1f} MiB"
    )
    for name in ("provider", "model"):
        table.add_column(name)
    for name in ("dimensions", "texts", "twice", "refused"):
        table.add_column(name, justify="right")
    for of in contents:
        twice = of.rows - of.refused - of.texts
        counts = (of.dimensions, of.texts, twice, of.refused)
        table.add_row(Text(of.provider), Text(of.model), *(f"{n:,}" for n in counts))
    Console(highlight=False).print(table)


def print_faults(store: EmbeddingStore, faults: Mapping[str, int]) -> None:
    """Print what is wrong with a store's rows."""
    out = Console(highlight=False)
    if not faults:
        out.print(f"{short_path(store.files.root)}: every row is sound")
    for fault, n in faults.items():
        out.print(f"{n:>12,} rows  {FAULTS[fault]}")
