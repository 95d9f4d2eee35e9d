"""The queue: rows of which one more opinion is worth most, the best first, and no two alike.

Rows are alike that have the same text, that a check has found to be alike (near duplicates), or
whose texts are each other's nearest: one answer says what the other's would be. The first of them
is asked about, and once it has an answer, the next run thinks better of the others, too.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.lake.corpus import accepted
from lakewinnow.lake.workspace import Lake

NEIGHBORS: Final = "checks/neighbors"
_SPARE: Final = 4  # as many rows are looked at first, since some are alike
_MORE: Final = 8  # times as many, as long as these are not enough
_MOST_LOOKED_AT: Final = 200_000  # keys of rows, in this process
_ROUNDED: Final = 1e-9  # a gain below is what arithmetic has left of none


def most_valuable(
    lake: Lake, rows: DataFrame, n: int, sets: Mapping[str, str], *, has_neighbors: bool
) -> list[str]:
    """Return the ids of the rows to ask about, at most n.

    Parameters
    ----------
    rows : (row_id, gain, suggested_prob), those that may be asked about; of rows without a gain,
        those come first of whose label we are least sure
    sets : by table, its column of the set of rows alike that a row is in
    has_neighbors : whether checks/neighbors/ is this run's
    """
    gain = F.when(F.col(c.GAIN) > _ROUNDED, F.col(c.GAIN)).otherwise(0.0)
    ordered = rows.orderBy(gain.desc(), c.SUGGESTED_PROB, c.ROW_ID).select(
        c.ROW_ID, gain.alias(c.GAIN), c.SUGGESTED_PROB
    )
    n_looked_at = _SPARE * n
    while True:
        found = _with_marks(lake, ordered.limit(n_looked_at), sets, has_neighbors=has_neighbors)
        chosen = [row_id for row_id, _ in zip(first_of_each(found), range(n), strict=False)]
        if len(chosen) == n or not n_looked_at <= len(found) < _MOST_LOOKED_AT:
            return chosen
        n_looked_at *= _MORE


def first_of_each(rows: Iterable[tuple[str, set[Hashable]]]) -> Iterator[str]:
    """Yield the ids of rows that have no mark in common with one before them."""
    taken: set[Hashable] = set()
    for row_id, marks in rows:
        if taken.isdisjoint(marks):
            taken |= marks
            yield row_id


def _with_marks(
    lake: Lake, rows: DataFrame, sets: Mapping[str, str], *, has_neighbors: bool
) -> list[tuple[str, set[Hashable]]]:
    """Return rows in their order, each with what it has in common with all that are like it."""
    texts = accepted(lake).select(c.ROW_ID, c.TEXT_KEY)
    found = texts.join(F.broadcast(rows), c.ROW_ID)
    for table, set_of in sets.items():
        found = found.join(lake.read(table).select(c.ROW_ID, set_of), c.ROW_ID, "left")
    collected = sorted(found.collect(), key=lambda of: (-of[c.GAIN], of[c.SUGGESTED_PROB], of[0]))
    nearest = _nearest(lake, found) if has_neighbors else {}
    return [
        (
            row[c.ROW_ID],
            {
                bytes(row[c.TEXT_KEY]),
                *((name, row[name]) for name in sets.values() if row[name] is not None),
                *_pair(bytes(row[c.TEXT_KEY]), nearest),
            },
        )
        for row in collected
    ]


def _nearest(lake: Lake, rows: DataFrame) -> dict[bytes, bytes]:
    """Return the key of the nearest other text, by the key of each text."""
    keys = rows.select(c.TEXT_KEY).distinct()
    found = lake.read(NEIGHBORS).join(F.broadcast(keys), c.TEXT_KEY)
    first = found.where(F.size(c.NEIGHBORS) > 0).select(c.TEXT_KEY, F.get(c.NEIGHBORS, F.lit(0)))
    return {bytes(key): bytes(nearest) for key, nearest in first.collect()}


def _pair(key: bytes, nearest: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, ...]]:
    """Yield the pair of two texts that are each other's nearest."""
    other = nearest.get(key)
    if other is not None and nearest.get(other) == key:
        yield tuple(sorted((key, other)))
