"""Figures of a frame's rows, gathered while something else is done with them.

Spark has `DataFrame.observe` for that. Sail has not: there each task adds up what passes through it
and leaves its part in a file of the workspace, and `Observed.figures` adds up the parts.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from lakewinnow.lake.files import Files
from lakewinnow.lake.workspace import Lake
from lakewinnow.spark.sessions.engines import is_sail

_FOLDER: Final = "_observed"


class _Figure(NamedTuple):
    """One figure of a column: by Spark, of a batch, and of the figures of batches."""

    of_column: Callable[[str], Column]
    of_batch: Callable[[pa.Array], Any]
    of_parts: Callable[[Iterable[Any]], Any]
    of_nothing: Any = None


SUM: Final = _Figure(F.sum, lambda values: pc.sum(values).as_py(), sum)
MAX: Final = _Figure(F.max, lambda values: pc.max(values).as_py(), max)
# Texts, one below the other in no order; as text, as of an observed array Spark 4.0 gives a Java
# object.
LINES: Final = _Figure(
    lambda name: F.concat_ws("\n", F.collect_list(name)),
    lambda values: "\n".join(values.drop_null().to_pylist()) or None,
    "\n".join,
    of_nothing="",
)
_BY_NAME: Final[Mapping[str, _Figure]] = {"sum": SUM, "max": MAX, "lines": LINES}


class Observed:
    """A frame whose figures are gathered when it is written, once.

    Parameters
    ----------
    lake : the workspace that tasks can leave files in
    figures : what to gather of a column; nulls are left out

    Attributes
    ----------
    rows : the same rows; to be written in place of those given
    """

    def __init__(self, lake: Lake, rows: DataFrame, figures: Mapping[str, _Figure]) -> None:
        self._names = list(figures)
        self._files: Files | None = None
        if is_sail(lake.spark):
            self._files, self._folder = lake.files, f"{_FOLDER}/{uuid.uuid4().hex}"
            names = {figure: name for name, figure in _BY_NAME.items()}
            self._wanted = {column: names[figure] for column, figure in figures.items()}
            gather = partial(
                _gather, root=lake.files.root, folder=self._folder, wanted=self._wanted
            )
            # In the server's process: to send the rows to another would take longer than this does
            self.rows = rows.mapInArrow(gather, rows.schema)
        else:
            self._seen = Observation()
            columns = (figure.of_column(name).alias(name) for name, figure in figures.items())
            self.rows = rows.observe(self._seen, *columns)

    def figures(self) -> dict[str, Any]:
        """Return the figures by column, once the rows are written.

        Where all were null, that is None, and of lines an empty text.
        """
        if self._files is None:
            return dict(self._seen.get)
        names = [info.base_name for info in self._files.entries(self._folder)]
        parts = [self._files.read_json(f"{self._folder}/{name}") for name in names]
        self._files.delete(self._folder)
        found = {}
        for column, name in self._wanted.items():
            figure = _BY_NAME[name]
            known = _together(figure, (part[column] for part in parts))
            found[column] = figure.of_nothing if known is None else known
        return found


def _gather(
    batches: Iterable[pa.RecordBatch], root: str, folder: str, wanted: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """Give every batch on as it is; leave the figures of the task in a file."""
    seen: dict[str, Any] = dict.fromkeys(wanted)
    for batch in batches:
        for column, name in wanted.items():
            figure = _BY_NAME[name]
            found = figure.of_batch(batch.column(column))
            seen[column] = _together(figure, (seen[column], found))
        yield batch
    Files(root).write_json(f"{folder}/{uuid.uuid4().hex}.json", seen)


def _together(figure: _Figure, parts: Iterable[Any]) -> Any:
    known = [part for part in parts if part is not None]
    return figure.of_parts(known) if known else None
