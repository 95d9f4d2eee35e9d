"""`lakewinnow init`: a first configuration, guessed from the beginning of a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import csv, dataset

from lakewinnow.config import schema
from lakewinnow.config.file import bundled
from lakewinnow.config.formats import format_of
from lakewinnow.errors import ConfigError, DataError, Shown

_SAMPLE_ROWS: Final = 20_000
_TEXT_LENGTH: Final = 20  # characters, on average: less is a name or a category
_LABEL_NAMES: Final = ("label", "class", "category", "target", "intent", "completion", "sentiment")

_TEMPLATE: Final = """\
# yaml-language-server: $schema={schema}
# Written by `lakewinnow init {path}`. Every other key, with its default: {base}
# Columns of the first {n_rows:,} rows:
{columns}
input:
  path: {path_yaml}
  format: {format}
{content}
  label: {label}{label_comment}
  id: {id}{id_comment}
workspace: out/{name}            # all tables of the run
crossval:
  folds: 10
  params: {{C: auto, class_weight: balanced}}
clean:
  label_issues: drop            # drop | fix | review | keep | auto
  exact_duplicates: drop        # keeps one row of each set
  max_drop_fraction: 0.5        # a run that would drop more stops before it writes
"""


@dataclass(frozen=True)
class _Guess:
    content: Mapping[str, str | list[str]]  # text, embedding or features, of section input
    label: str
    id: str | None


def write(path: str, output: Path) -> str:
    """Write a configuration for the table at `path` and return what to tell the user.

    The JSON Schema for editors goes beside it: it is found without a network, by colleagues who get
    the folder, too, and has the checks that are installed here.

    Raises
    ------
    ConfigError
        `output` is there already, or cannot be written.
    DataError
        There is no table at `path`, or no column that can be a text or a label.
    """
    if output.exists():
        hint = "name another with -o FILE"
        raise ConfigError("file_exists", str(output), "a file that is not there yet", "one", hint)
    format_ = format_of(path) or "parquet"
    sample = _sample(Path(path).expanduser(), format_)
    guess = _guess(sample, path)
    text = _TEMPLATE.format(
        schema=schema.FILE,
        path=path,
        path_yaml=_yaml(path),
        base=bundled("base.yaml"),
        n_rows=len(sample),
        columns="\n".join(f"#   {line}" for line in _describe(sample)),
        format=format_,
        content="\n".join(f"  {key}: {_yaml(value)}" for key, value in guess.content.items()),
        label=_yaml(guess.label),
        label_comment=f"  # {_n_distinct(sample[guess.label]):,} classes so far",
        id=_yaml(guess.id),
        id_comment="" if guess.id else "  # none is unique: ids are made from each row's content",
        name=Path(path).stem.split(".")[0] or "mine",
    )
    try:
        output.write_text(text, encoding="utf-8")
        output.with_name(schema.FILE).write_text(schema.written(), encoding="utf-8")
    except OSError as error:
        got, hint = Shown(error.strerror or str(error)), "name another with -o FILE"
        raise ConfigError("cannot_write", str(output), "a place to write to", got, hint) from error
    keys = ", ".join(f"input.{key}" for key in guess.content)
    return f"Wrote {output}: check {keys} and input.label, then\n  lakewinnow run {output}"


def _yaml(value: str | list[str] | None) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    flow = isinstance(value, list)
    dumped = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_flow_style=flow)
    return str(dumped.splitlines()[0])


def _sample(path: Path, format_: str) -> pa.Table:
    if not path.exists():
        raise DataError("input_not_found", "PATH", "a file or folder that exists", str(path))
    try:
        table = pa.Table.from_batches(list(_first_batches(path, format_)))
    except (pa.ArrowInvalid, OSError, StopIteration) as error:
        reason = Shown(str(error).splitlines()[0] if str(error) else "nothing")
        raise DataError("cannot_read", "PATH", f"a {format_} table", reason) from error
    if not len(table):
        raise DataError("empty_input", "PATH", "a table with rows", str(path))
    return table.slice(0, _SAMPLE_ROWS)


def _first_batches(path: Path, format_: str) -> Iterator[pa.RecordBatch]:
    if format_ == "csv":
        parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        kinds: object = dataset.CsvFileFormat(parse_options=parse)
    else:
        kinds = format_
    n_rows = 0
    for batch in dataset.dataset(path, format=kinds).to_batches(batch_size=_SAMPLE_ROWS):
        yield batch
        n_rows += len(batch)
        if n_rows >= _SAMPLE_ROWS:
            return


def _guess(sample: pa.Table, path: str) -> _Guess:
    """Guess the text (or the embedding, or the features), the label and the id."""
    distinct = {name: _n_distinct(sample[name]) for name in sample.column_names}
    text = _text(sample, distinct)
    labels = [
        name
        for name in sample.column_names
        if name != text and _can_be_label(sample[name]) and 2 <= distinct[name] <= len(sample) / 2
    ]
    named = [name for name in labels if any(word in name.lower() for word in _LABEL_NAMES)]
    label = min(named or labels, key=lambda name: distinct[name], default="")
    others = [name for name in sample.column_names if name not in (text, label)]
    id_ = next((n for n in others if _can_be_label(sample[n]) and distinct[n] == len(sample)), None)
    vectors = [name for name in others if _is_vector(sample[name])]
    features = [n for n in others if n != id_ and _is_feature(sample[n], distinct[n], len(sample))]
    content: dict[str, str | list[str]] = {}
    if text is not None:
        content["text"] = text
    if vectors:
        content["embedding"] = vectors[0]
    elif text is None and features:
        content["features"] = features
    strings = [name for name in others if _is_string(sample[name])]
    if not content and strings:  # names, say: short, but there is nothing else
        content["text"] = strings[0]
    if not content or not label:
        missing = "label (few distinct values)" if content else "text (strings)"
        got = Shown(", ".join(sample.column_names))
        hint = "write the configuration by hand; conf/base.yaml has every key"
        raise DataError("no_such_column", path, f"a column that can be the {missing}", got, hint)
    return _Guess(content, label, id_)


def _text(sample: pa.Table, distinct: Mapping[str, int]) -> str | None:
    """Return the column of the longest strings, unless they are short, and few or one word each."""
    lengths = {name: _mean_length(sample[name]) for name in sample.column_names}
    longest = max(lengths, key=lambda name: lengths[name])
    if lengths[longest] <= 0:
        return None
    has_spaces = pc.mean(pc.match_substring(sample[longest], " ").cast(pa.int8())).as_py() > 0.5
    is_varied = distinct[longest] > len(sample) / 2
    is_text = lengths[longest] >= _TEXT_LENGTH or (has_spaces and is_varied)
    return longest if is_text else None


def _n_distinct(column: pa.ChunkedArray) -> int:
    """Count distinct values; of lists and the like, which Arrow does not compare, the rows."""
    return len(column) if pa.types.is_nested(column.type) else pc.count_distinct(column).as_py()


def _mean_length(column: pa.ChunkedArray) -> float:
    return (pc.mean(pc.utf8_length(column)).as_py() or 0.0) if _is_string(column) else -1.0


def _is_string(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _is_vector(column: pa.ChunkedArray) -> bool:
    kind = column.type
    is_list = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    return bool(is_list and pa.types.is_floating(kind.value_type))


def _is_feature(column: pa.ChunkedArray, n_distinct: int, n_rows: int) -> bool:
    """Whether a column is of numbers, or of strings that are few enough to be categories."""
    kind = column.type
    if _is_string(column):
        return n_distinct <= n_rows / 2
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return bool(is_number or pa.types.is_decimal(kind) or pa.types.is_boolean(kind))


def _can_be_label(column: pa.ChunkedArray) -> bool:
    return _is_string(column) or bool(pa.types.is_integer(column.type))


def _describe(sample: pa.Table) -> Iterator[str]:
    width = max(map(len, sample.column_names))
    for name in sample.column_names:
        column = sample[name]
        yield (
            f"{name:<{width}}  {column.type!s:<10} {_n_distinct(column):>6,} distinct"
            f"{f', {column.null_count:,} null' if column.null_count else ''}"
        )
