"""`lakewinnow init`: a first configuration, guessed from the beginning of a table."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import csv, dataset, types

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
{input}
workspace: out/{name}            # all tables of the run
crossval:
  folds: 10
  params: {{C: auto, class_weight: balanced}}
clean:
  label_issues: drop            # drop | fix | review | keep | auto
  exact_duplicates: drop        # keeps one row of each set
  max_drop_fraction: 0.5        # a run that would drop more stops before it writes
"""


def write(path: str, output: Path) -> str:
    """Write a configuration for the table at `path` and return what to tell the user.

    The JSON Schema for editors goes beside it: it is found without a network, by colleagues who get
    the folder, too, and has the checks that are installed here.

    Raises
    ------
    ConfigError : `output` is there already, or cannot be written
    DataError : there is no table at `path`, or no column that can be a text or a label
    """
    if output.exists():
        hint = "choose another file with -o FILE"
        raise ConfigError(
            "file_exists",
            str(output),
            "a file that does not exist yet",
            Shown("one that exists"),
            hint,
        )
    format_ = format_of(path) or "parquet"
    sample = _sample(Path(path).expanduser(), format_)
    guessed = _guess(sample, path)
    n_classes = _n_distinct(sample[guessed["label"]])
    comments = {"label": f"{n_classes:,} classes so far"}
    if guessed["id"] is None:
        comments["id"] = "no column is unique: ids are made from each row's content"
    lines = [
        f"  {key}: {_yaml(value)}" + (f"  # {comments[key]}" if key in comments else "")
        for key, value in {"path": path, "format": format_, **guessed}.items()
    ]
    text = _TEMPLATE.format(
        schema=schema.FILE,
        path=path,
        base=bundled("base.yaml"),
        n_rows=len(sample),
        columns="\n".join(f"#   {line}" for line in _describe(sample)),
        input="\n".join(["input:", *lines]),
        name=Path(path).stem.split(".")[0] or "mine",
    )
    try:
        output.write_text(text, encoding="utf-8")
        output.with_name(schema.FILE).write_text(schema.written(), encoding="utf-8")
    except OSError as error:
        got, hint = Shown(error.strerror or str(error)), "choose another file with -o FILE"
        raise ConfigError(
            "cannot_write", str(output), "a file that can be written", got, hint
        ) from error
    return (
        f"Wrote {output}, and {schema.FILE} beside it, for editors. Check its input section, then\n"
        f"  lakewinnow run {output}"
    )


def _yaml(value: str | list[str] | None) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    flow = isinstance(value, list)
    dumped = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_flow_style=flow)
    return str(dumped.splitlines()[0])


def _sample(path: Path, format_: str) -> pa.Table:
    if not path.exists():
        raise DataError("input_not_found", "PATH", "a file or folder that exists", str(path))
    parse = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    kind = dataset.CsvFileFormat(parse_options=parse) if format_ == "csv" else format_
    try:
        table = dataset.dataset(path, format=kind).head(_SAMPLE_ROWS)
    except (pa.ArrowInvalid, OSError) as error:
        reason = Shown(str(error).splitlines()[0] if str(error) else "nothing")
        raise DataError("cannot_read", "PATH", f"a {format_} table", reason) from error
    if not len(table):
        raise DataError("empty_input", "PATH", "a table with rows", str(path))
    return table


def _guess(sample: pa.Table, path: str) -> dict[str, str | list[str] | None]:
    """Guess keys of section `input`: the text, the embedding or the features; label and id."""
    n_rows, names = len(sample), sample.column_names
    distinct = {name: _n_distinct(sample[name]) for name in names}
    can_be_key = [n for n in names if _is_string(sample[n]) or types.is_integer(sample[n].type)]
    text = _text(sample, distinct)
    labels = [n for n in can_be_key if n != text and 2 <= distinct[n] <= n_rows / 2]
    named = [name for name in labels if any(word in name.lower() for word in _LABEL_NAMES)]
    label = min(named or labels, key=lambda name: distinct[name], default=None)
    others = [name for name in names if name not in (text, label)]
    id_ = next((n for n in others if n in can_be_key and distinct[n] == n_rows), None)
    vectors = [name for name in others if _is_vector(sample[name].type)]
    features = [n for n in others if n != id_ and _is_feature(sample[n], distinct[n], n_rows)]
    strings = [name for name in others if _is_string(sample[name])]
    content: dict[str, str | list[str] | None] = {}
    if text is not None:
        content["text"] = text
    if vectors:
        content["embedding"] = vectors[0]
    elif text is None and features:
        content["features"] = features
    if not content and strings:  # names, say: short, but there is nothing else
        content["text"] = strings[0]
    if not content or label is None:
        missing = "label (few distinct values)" if content else "text (strings)"
        hint = "write the configuration by hand; conf/base.yaml has every key"
        expected, got = f"a column that can be the {missing}", Shown(", ".join(names))
        raise DataError("no_such_column", path, expected, got, hint)
    return {**content, "label": label, "id": id_}


def _text(sample: pa.Table, distinct: Mapping[str, int]) -> str | None:
    """Return the column of the longest strings, unless they are short, and few or one word each."""
    strings = [name for name in sample.column_names if _is_string(sample[name])]
    lengths = {name: pc.mean(pc.utf8_length(sample[name])).as_py() or 0.0 for name in strings}
    longest = max(lengths, key=lambda name: lengths[name], default="")
    if not lengths.get(longest):
        return None
    has_spaces = pc.mean(pc.match_substring(sample[longest], " ").cast(pa.int8())).as_py() > 0.5
    is_varied = distinct[longest] > len(sample) / 2
    is_text = lengths[longest] >= _TEXT_LENGTH or (has_spaces and is_varied)
    return longest if is_text else None


def _n_distinct(column: pa.ChunkedArray) -> int:
    """Count distinct values; of lists and the like, which Arrow does not compare, the rows."""
    return len(column) if types.is_nested(column.type) else pc.count_distinct(column).as_py()


def _is_string(column: pa.ChunkedArray) -> bool:
    return bool(types.is_string(column.type) or types.is_large_string(column.type))


def _is_vector(kind: pa.DataType) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and types.is_floating(kind.value_type))


def _is_feature(column: pa.ChunkedArray, n_distinct: int, n_rows: int) -> bool:
    """Whether a column is of numbers, or of strings that are few enough to be categories."""
    kind = column.type
    if _is_string(column):
        return n_distinct <= n_rows / 2
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(is_number or types.is_boolean(kind))


def _describe(sample: pa.Table) -> Iterator[str]:
    width = max(map(len, sample.column_names))
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        nulls = f", {column.null_count:,} null" if column.null_count else ""
        yield f"{name:<{width}}  {column.type!s:<10} {_n_distinct(column):>6,} distinct{nulls}"
