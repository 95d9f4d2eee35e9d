"""Numbers as a person would say them."""

from collections.abc import Iterator

from lakewinnow.figures.labels import Embedded


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * share:.{digits}f}%"


def size(n_bytes: float) -> str:
    """Return a number of bytes in the unit that a person would give it in."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def verdict(n_issues: int, n_rows: int) -> str:
    """Return what a run says of the labels in a sentence."""
    if not n_issues:
        return f"None of {n_rows:,} labels looks wrong"
    return f"{n_issues:,} of {n_rows:,} labels look wrong ({n_issues / n_rows:.1%})"


def costs(found: Embedded) -> Iterator[str]:
    """Say what embedding took and cost."""
    by = found.identity
    yield (
        f"Embeddings: {found.embedded:,} of {found.texts:,} texts were new to the store. They are"
        f" from {by.provider} {by.model} and have {by.dimensions:,} dimensions."
    )
    if found.cost_usd is not None:
        yield f"They took {found.tokens:,} tokens and cost {found.cost_usd:,.4f} USD."
