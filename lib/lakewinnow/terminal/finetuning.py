"""What fine-tuning by a service would take, on stdout."""

from rich.console import Console
from rich.text import Text

from lakewinnow.stages.finetune import Estimate
from lakewinnow.terminal.tables import plain_table


def print_estimate(estimate: Estimate) -> None:
    """Print what is to be learnt from, and what that and the questions would cost."""
    out = Console(highlight=False)
    out.print(Text(f"To fine-tune {estimate.model}", style="bold"), soft_wrap=True)
    table = plain_table("")
    table.title = None
    table.add_column("trained on")
    for name in ("examples", "tokens"):
        table.add_column(name, justify="right")
    for name, n_rows in estimate.rows.items():
        table.add_row(name, f"{n_rows:,}", f"{estimate.tokens[name]:,}")
    out.print(table)
    out.print()
    usd = estimate.cost_usd
    for line in (
        f"{estimate.n_jobs:,} jobs to begin, which train on {estimate.n_trained:,} tokens in all",
        f"{estimate.n_questions:,} questions about the holdout, {estimate.n_prompt:,} tokens,"
        f" and {estimate.n_answer:,} of answers",
        "USD: unknown; set finetune.price_per_million_tokens and price_per_million_asked"
        if usd is None
        else f"USD: {usd:,.4f} at most, about; tokens are counted as a third of the bytes",
    ):
        out.print(Text(line), soft_wrap=True)
