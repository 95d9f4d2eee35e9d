"""Figures and sentences that several checks share, and numbers as a person would say them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final


@dataclass(frozen=True, kw_only=True)
class AlikeRows:
    """Rows that are alike, in sets."""

    sets: int
    rows: Annotated[int, "rows in them"]
    sets_whose_labels_differ: Annotated[int, "sets of rows with several labels"]


_PLURALS: Final = {"is": "are", "has": "have", "was": "were", "does": "do", "stratum": "strata"}


def counted(n: int, noun: str, verb: str = "", *, of: int | None = None) -> str:
    """Return a number and what it counts, as one says it.

    Parameters
    ----------
    noun, verb : of one: row, has
    of : how many there are of which these are some

    Examples
    --------
    >>> counted(1, "row"), counted(2_000, "class"), counted(1, "row", "is", of=3)
    ('1 row', '2,000 classes', '1 of 3 rows is')
    """
    counting = noun if (n if of is None else of) == 1 else _plural(noun)
    doing = verb if n == 1 else _PLURALS.get(verb, verb.removesuffix("s"))
    return f"{n:,} {'' if of is None else f'of {of:,} '}{counting} {doing}".rstrip()


def _plural(noun: str) -> str:
    return _PLURALS.get(noun) or noun + ("es" if noun.endswith(("s", "tch")) else "s")


def size(n_bytes: float) -> str:
    """Return a number of bytes in the unit that a person would give it in."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.1f} GB"


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would give it in."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def rows_in_groups(found: AlikeRows, _: int) -> Iterator[str]:
    """Say how many rows a check has found to be alike, and how many groups have several labels."""
    if found.sets:
        n_differ = found.sets_whose_labels_differ
        labels = f"; in {counted(n_differ, 'group')} the labels differ" if n_differ else ""
        yield f"{counted(found.rows, 'row')} in {counted(found.sets, 'group')}{labels}"
