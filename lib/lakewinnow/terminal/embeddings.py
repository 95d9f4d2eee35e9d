"""What embedding would take, and what an embedding store holds, on stdout."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from lakewinnow.lake.embedding_store import EmbeddingStore
from lakewinnow.lake.store_care import FAULTS, Contents
from lakewinnow.stages.embed import Estimate
from lakewinnow.terminal.tables import duration, plain_table, short_path


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
