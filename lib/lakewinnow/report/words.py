"""Numbers as a person would say them."""

from collections.abc import Iterator

from lakewinnow.figures.labels import Embedded
from lakewinnow.plan.words import counted


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * share:.{digits}f}%"


def verdict(n_issues: int, n_rows: int) -> str:
    """Return what a run says of the labels in a sentence."""
    if not n_issues:
        return f"None of {counted(n_rows, 'label')} looks wrong"
    return f"{counted(n_issues, 'label', 'looks', of=n_rows)} wrong ({n_issues / n_rows:.1%})"


def costs(found: Embedded) -> Iterator[str]:
    """Say what embedding took and cost."""
    by = found.identity
    yield (
        f"Embeddings: {counted(found.embedded, 'text', 'was', of=found.texts)} new to the store."
        f" They are from {by.provider} {by.model} and have {by.dimensions:,} dimensions."
    )
    if found.cost_usd is not None:
        yield f"They took {counted(found.tokens or 0, 'token')} and cost {found.cost_usd:,.4f} USD."
