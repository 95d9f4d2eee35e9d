"""`lakewinnow init`: a first configuration, guessed from the beginning of a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import csv, dataset

from lakewinnow.configfile import bundled
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.validation import format_of

_SAMPLE_ROWS: Final = 20_000
_LABEL_NAMES: Final = ("label", "class", "category", "target", "intent", "completion", "sentiment")

_TEMPLATE: Final = """\
# Written by `lakewinnow init {path}`. Every other key, with its default: {base}
# Columns of the first {n_rows:,} rows:
{columns}
input:
  path: {path_yaml}
  format: {format}
  text: {text}
  label: {label}{label_comment}
  id: {id}{id_comment}
workspace: out/{name}            # all tables of the run
crossval:
  folds: 10
  params: {{C: 1.0, class_weight: balanced}}
clean:
  label_issues: drop            # drop | fix | review | keep
  exact_duplicates: drop        # keeps one row of each set
  max_drop_fraction: 0.5        # a run that would drop more stops before it writes
"""


@dataclass(frozen=True)
class _Guess:
    text: str
    label: str
    id: str | None


def write(path: str, output: Path) -> str:
    """Write a configuration for the table at `path` and return what to tell the user.

    Raises
    ------
    ConfigError
        `output` is there already.
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
        path=path,
        path_yaml=_yaml(path),
        base=bundled("base.yaml"),
        n_rows=len(sample),
        columns="\n".join(f"#   {line}" for line in _describe(sample)),
        format=format_,
        text=_yaml(guess.text),
        label=_yaml(guess.label),
        label_comment=f"  # {pc.count_distinct(sample[guess.label]).as_py():,} classes so far",
        id=_yaml(guess.id),
        id_comment="" if guess.id else "  # none is unique: ids are made from each row's content",
        name=Path(path).stem.split(".")[0] or "mine",
    )
    output.write_text(text, encoding="utf-8")
    return f"Wrote {output}: check input.text and input.label, then\n  lakewinnow run {output}"


def _yaml(value: str | None) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    return yaml.safe_dump(value, allow_unicode=True, width=10**6).splitlines()[0]


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
    """Take the column of the longest strings for the text, one of few values for the label."""
    lengths = {name: _mean_length(sample[name]) for name in sample.column_names}
    text = max(lengths, key=lambda name: lengths[name])
    distinct = {name: pc.count_distinct(sample[name]).as_py() for name in sample.column_names}
    labels = [
        name
        for name in sample.column_names
        if name != text and _can_be_label(sample[name]) and 2 <= distinct[name] <= len(sample) / 2
    ]
    if lengths[text] <= 0 or not labels:
        missing = "text (strings)" if lengths[text] <= 0 else "label (few distinct values)"
        got = Shown(", ".join(sample.column_names))
        hint = "write the configuration by hand; conf/base.yaml has every key"
        raise DataError("no_such_column", path, f"a column that can be the {missing}", got, hint)
    named = [name for name in labels if any(word in name.lower() for word in _LABEL_NAMES)]
    label = min(named or labels, key=lambda name: distinct[name])
    ids = [n for n in sample.column_names if n not in (text, label) and distinct[n] == len(sample)]
    return _Guess(text, label, next(islice(ids, 1), None))


def _mean_length(column: pa.ChunkedArray) -> float:
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return (pc.mean(pc.utf8_length(column)).as_py() or 0.0) if is_text else -1.0


def _can_be_label(column: pa.ChunkedArray) -> bool:
    kind = column.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
    )


def _describe(sample: pa.Table) -> Iterator[str]:
    width = max(map(len, sample.column_names))
    for name in sample.column_names:
        column = sample[name]
        yield (
            f"{name:<{width}}  {column.type!s:<10} {pc.count_distinct(column).as_py():>6,} distinct"
            f"{f', {column.null_count:,} null' if column.null_count else ''}"
        )
