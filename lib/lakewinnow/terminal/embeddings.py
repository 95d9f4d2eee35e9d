"""Which embedding is the best, and what an embedding store holds; on stdout."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from lakewinnow.figures.labels import CandidateFigures
from lakewinnow.lake.vectors.embedding_store import EmbeddingStore
from lakewinnow.lake.vectors.store_care import FAULTS, Contents
from lakewinnow.plan.words import counted, size
from lakewinnow.terminal.console import Console
from lakewinnow.terminal.tables import PlainTable, short_path


def candidates_table(found: CandidateFigures) -> Table:
    """Return how the embeddings compare, with a mark at the one that is used."""
    table = PlainTable(
        f"Embeddings compared on {counted(found.rows, 'row')} (a lower log loss is better)"
    )
    table.add_column("")
    table.add_column("embedding", overflow="fold")
    for name in ("log loss", "C", "seconds", "USD"):
        table.add_column(name, justify="right")
    for i, of in enumerate(found.compared):
        table.add_row(
            "▸" if i == found.used else "",
            Text(f"{of.provider}, {of.model}, {of.dimensions}"),
            f"{of.log_loss:.4f}",
            "" if of.C is None else f"{of.C:g}",
            f"{of.seconds:,.1f}",
            "unknown" if of.cost_usd is None else f"{of.cost_usd:,.4f}",
        )
    return table


def print_contents(store: EmbeddingStore, contents: Sequence[Contents]) -> None:
    """Print what is in a store."""
    n_files = len(store.data_files())
    table = PlainTable(
        f"{short_path(store.files.root)}: {counted(n_files, 'file')}, {size(store.size())}"
    )
    for name in ("provider", "model"):
        table.add_column(name)
    for name in ("dimensions", "texts", "duplicates", "refused"):
        table.add_column(name, justify="right")
    for of in contents:
        duplicates = of.rows - of.refused - of.texts
        counts = (of.dimensions, of.texts, duplicates, of.refused)
        table.add_row(Text(of.provider), Text(of.model), *(f"{n:,}" for n in counts))
    Console().print(table)


def print_faults(store: EmbeddingStore, faults: Mapping[str, int]) -> None:
    """Print what is wrong with a store's rows."""
    out = Console()
    if not faults:
        out.print(f"{short_path(store.files.root)}: no faulty rows")
    for fault, n in faults.items():
        out.print(f"{counted(n, 'row'):>17}  {FAULTS[fault]}")
