"""Functions: which labels the user's labelling functions give to the texts.

Reads    corpus/
Writes   opinions/functions/, a row for each row and function that gives it a label
Passes   1
Shuffle  none: equal texts are neighbours in the corpus, so a task asks once about most of them
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow import columns as c
from lakewinnow.config.sections import FUNCTION, OPINION_TABLES, InputConfig, OpinionsConfig
from lakewinnow.errors import ConfigError, EngineError, Shown, did_you_mean
from lakewinnow.figures.rows import Ingested
from lakewinnow.lake.corpus import accepted, n_accepted
from lakewinnow.lake.opinions import OPINIONS, ClassNames
from lakewinnow.lake.workspace import Lake, StageReport
from lakewinnow.plan.registry import load
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches

TABLE: Final = OPINION_TABLES[FUNCTION]
_KEY: Final = "opinions.functions"
_TRIED: Final = "Hello, this is a text."


@dataclass(frozen=True)
class LabellingFunction:
    """A function of the user's as an annotator."""

    path: str
    name: str  # of the annotator
    function: Callable[[str], Any]

    def label(self, text: str) -> str | None:
        """Return the label that the function gives a text, or that it gives none.

        Raises
        ------
        EngineError : "function_failed"
        """
        try:
            said = self.function(text)
        except Exception as error:
            got = Shown(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            raise EngineError("function_failed", self.path, "a class or None", got) from error
        return None if said is None else str(said)


def check(config: OpinionsConfig) -> None:
    """See whether the functions can be imported, and do something with a text.

    Raises
    ------
    ConfigError : "not_importable", "function_failed": of every one
    """
    ConfigError.raise_any(_problems(config.functions))


def _problems(paths: Sequence[str]) -> Iterator[ConfigError]:
    for i, path in enumerate(paths):
        where = f"{_KEY}[{i}]"
        try:
            LabellingFunction(path, path, load(path)).label(_TRIED)
        except (ImportError, AttributeError, SyntaxError, OSError, ValueError) as error:
            expected, hint = "the import path of a function", f"{type(error).__name__}: {error}"
            yield ConfigError("not_importable", where, expected, path, hint)
        except EngineError as error:
            code, _, expected, got, _ = error.args
            yield ConfigError(code, where, f"{expected} of {path}", got, f"tried with {_TRIED!r}")


def run(lake: Lake, functions: Sequence[str], config: InputConfig) -> StageReport[None]:
    """Ask all functions about all texts.

    Raises
    ------
    EngineError : in a task: "function_failed", "unknown_label", with the function and the row
    """
    names = [path.replace(":", ".").rpartition(".")[2] for path in functions]
    is_clear = len({*names}) == len(names)
    asked = [
        LabellingFunction(path, name if is_clear else path, load(path))
        for path, name in zip(functions, names, strict=True)
    ]
    classes = tuple(lake.figures("ingest", Ingested).classes)
    named = ClassNames(classes, is_normalized=config.normalize_labels)
    texts = accepted(lake).select(c.ROW_ID, c.TEXT)
    ask = partial(_ask_batches, functions=asked, named=named)
    lake.publish(TABLE, map_batches(texts, ask, OPINIONS))
    speaking = {name for (name,) in lake.read(TABLE).select(c.ANNOTATOR).distinct().collect()}
    return StageReport(
        rows_in=n_accepted(lake),
        rows_out=lake.rows(TABLE),
        reads={"corpus": 1},
        writes=(TABLE,),
        warnings=[
            f"{_KEY}: {function.path} gives no text a label"
            for function in asked
            if function.name not in speaking
        ],
    )


def _ask_batches(
    batches: Iterable[pa.RecordBatch], functions: Sequence[LabellingFunction], named: ClassNames
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        row_ids, texts = batch.column(c.ROW_ID), batch.column(c.TEXT).dictionary_encode()
        for function in functions:
            found = [
                _index(function, text, named, partial(_row_of, row_ids, texts.indices, at))
                for at, text in enumerate(texts.dictionary.to_pylist())
            ]
            labels = pa.array(found, pa.int32()).take(texts.indices)
            has_one = labels.is_valid()
            ids = row_ids.filter(has_one)
            columns = {
                c.ROW_ID: ids,
                c.ANNOTATOR: [function.name] * len(ids),
                c.LABEL: labels.filter(has_one),
            }
            yield arrow.record_batch(OPINIONS, columns)


def _index(
    function: LabellingFunction, text: str, named: ClassNames, row_id: Callable[[], str]
) -> int | None:
    """Return the class that a function says a text has; `row_id`: for an error."""
    try:
        label = function.label(text)
    except EngineError as error:
        raise error.at(f"{_KEY}, {function.path}, row {row_id()}") from error
    index = named.index(label)
    if index is None and label is not None:
        where, expected = (
            f"{_KEY}, {function.path}, row {row_id()}",
            "a class of the input, or None",
        )
        hint = did_you_mean(label, named.classes) or "None says that it has no opinion"
        raise EngineError("unknown_label", where, expected, label, hint)
    return index


def _row_of(row_ids: pa.Array, indices: pa.Array, at: int) -> str:
    """Return the first row that has a text, by the text's place in the dictionary."""
    return str(row_ids[pc.index(indices, pa.scalar(at, indices.type)).as_py()])
