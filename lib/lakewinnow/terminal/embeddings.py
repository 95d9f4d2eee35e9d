"""Show which embedding is the best."""

from rich.table import Table
from rich.text import Text

from lakewinnow.figures.labels import CandidateFigures
from lakewinnow.plan.words import counted
from lakewinnow.terminal.tables import PlainTable


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
