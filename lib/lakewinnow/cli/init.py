"""`lakewinnow init`: a first configuration, guessed from the beginning of a table."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import types

from lakewinnow.config import schema
from lakewinnow.config.file import bundled
from lakewinnow.errors import ConfigError, DataError, Shown
from lakewinnow.lake.inputs.sniffing import sniff
from lakewinnow.plan.words import counted

_TEXT_LENGTH: Final = 20  # characters, on average: less is a name or a category
_LABEL_NAMES: Final = ("label", "class", "category", "target", "intent", "completion", "sentiment")
_ID_NAME: Final = r"(?i)(^|[_ .-])(ids?|uid|uuid|guid|key|hash|sha\d*|index|unnamed: 0)$|level_0__$"
# A code of letters and digits, not a word: 4711, T-00042, 3f2b-…
_ID_VALUE: Final = r"^(?i:[a-z]{0,6}[-_#]?\d+|[0-9a-f]{8}[0-9a-f-]*)$"
_NO_ID: Final = r"\s|^[-+]?\d*[.,]\d+$"  # words, and quantities
_HAS_WORDS: Final = r"\s|[^\x00-\x7f]"  # scripts without blanks between words, too

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
  label_issues: safe            # safe | drop | fix | review | keep | auto
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
    found = sniff(path)
    sample = found.sample
    guessed = _guess(sample, path, found.folder_keys)
    options = {"options": found.options} if found.options else {}
    n_classes = _n_distinct(sample[guessed["label"]])
    comments = {"label": f"{counted(n_classes, 'class')} so far"}
    if guessed["id"] is None:
        comments["id"] = "no column is unique: ids are made from each row's content"
    lines = [
        f"  {key}: {_yaml(value)}" + (f"  # {comments[key]}" if key in comments else "")
        for key, value in {"path": path, "format": found.format, **options, **guessed}.items()
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
        f"{_why(sample, guessed)}\n"
        f"Wrote {output}, and {schema.FILE} beside it, for editors. Check its input section, then\n"
        f"  lakewinnow run {output}"
    )


def _why(sample: pa.Table, guessed: Mapping[str, Any]) -> str:
    """Say in one line why these columns."""
    reasons = []
    if (text := guessed.get("text")) is not None:
        n_characters = pc.mean(pc.utf8_length(sample[text])).as_py() or 0.0
        reasons.append(f"text {text!r}: strings of {n_characters:.0f} characters on average")
    if (vector := guessed.get("embedding")) is not None:
        reasons.append(f"embedding {vector!r}: lists of numbers")
    if (features := guessed.get("features")) is not None:
        reasons.append(
            f"features: {counted(len(features), 'column')} of numbers or few values, and no text"
        )
    label, id_ = guessed["label"], guessed["id"]
    by_name = " and a name like one" if _is_named(label) else ""
    reasons.append(f"label {label!r}: {_n_distinct(sample[label]):,} distinct values{by_name}")
    if id_ is not None:
        reasons.append(f"id {id_!r}: no value twice")
    return "Took " + "; ".join(reasons) + "."


def _is_named(label: str) -> bool:
    return any(word in label.lower() for word in _LABEL_NAMES)


def _yaml(value: object) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    flow = isinstance(value, list | dict)
    dumped = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_flow_style=flow)
    return str(dumped.splitlines()[0])


def _guess(
    sample: pa.Table, path: str, folder_keys: Sequence[str]
) -> dict[str, str | list[str] | None]:
    """Guess keys of section `input`: the text, the embedding or the features; label and id."""
    n_rows, names = len(sample), sample.column_names
    distinct = {name: _n_distinct(sample[name]) for name in names}
    can_be_key = [n for n in names if _is_string(sample[n]) or types.is_integer(sample[n].type)]
    text = _text(sample, distinct)
    labels = [
        n
        for n in names
        if n != text
        and (n in can_be_key or (_is_label(sample[n].type) and _is_named(n)))
        and 2 <= distinct[n] <= n_rows / 2
        and not _is_id_name(n)
    ] + [n for n in names if types.is_boolean(sample[n].type) and distinct[n] == 2]
    labels = [name for name in labels if name not in folder_keys] or labels
    named = list(filter(_is_named, labels))
    label = min(named or labels, key=lambda name: distinct[name], default=None)
    others = [name for name in names if name not in (text, label)]
    unique = [n for n in others if n in can_be_key and distinct[n] == n_rows]
    ids = [
        n
        for n in unique
        if not _is_string(sample[n]) or _is_id_name(n) or not _share(sample[n], _NO_ID)
    ]
    id_ = min(ids, key=lambda name: not _is_id_name(name), default=None)
    vectors = [name for name in others if _is_vector(sample[name].type)]
    features = [n for n in others if n != id_ and _is_feature(sample[n], distinct[n], n_rows)]
    strings = [n for n in others if _is_string(sample[n]) and not _is_id(sample, n)]
    content: dict[str, str | list[str] | None] = {}
    if text is not None:
        content["text"] = text
    if vectors:
        content["embedding"] = vectors[0]
    elif text is None and features:
        content["features"] = features
    if not content and strings:  # names, say: short, but there is nothing else
        content["text"] = strings[0]
        id_ = None if id_ == strings[0] else id_
    if not content or label is None:
        missing = "label (few distinct values)" if content else "text (strings)"
        hint = "write the configuration by hand; conf/base.yaml has every key"
        expected, got = f"a column that can be the {missing}", Shown(", ".join(names))
        raise DataError("no_such_column", path, expected, got, hint)
    return {**content, "label": label, "id": id_}


def _text(sample: pa.Table, distinct: Mapping[str, int]) -> str | None:
    """Return the column of the longest texts, unless they are short, and few or one word each."""
    lengths = {
        name: pc.mean(pc.utf8_length(sample[name])).as_py() or 0.0
        for name in sample.column_names
        if _is_string(sample[name])
        and not _is_id(sample, name)
        and _share(sample[name], _HAS_WORDS)
    }
    longest = max(lengths, key=lambda name: lengths[name], default="")
    if not lengths.get(longest):
        return None
    is_varied = distinct[longest] > len(sample) / 2
    is_text = lengths[longest] >= _TEXT_LENGTH or (
        is_varied and _share(sample[longest], _HAS_WORDS) > 0.5
    )
    return longest if is_text else None


def _share(column: pa.ChunkedArray, pattern: str) -> float:
    """Return the share of strings that a pattern is found in; 0 for less than a tenth."""
    found = pc.mean(pc.match_substring_regex(column, pattern).cast(pa.int8())).as_py() or 0.0
    return found if found >= 0.1 else 0.0


def _is_id_name(name: str) -> bool:
    return bool(re.search(_ID_NAME, name))


def _is_id(sample: pa.Table, name: str) -> bool:
    """Whether a column of strings is an id by its name or by its values."""
    return _is_id_name(name) or _share(sample[name], _ID_VALUE) > 0.95


def _is_label(kind: pa.DataType) -> bool:
    return bool(types.is_boolean(kind) or types.is_floating(kind) or types.is_date(kind))


def _n_distinct(column: pa.ChunkedArray) -> int:
    """Count distinct values; of lists and the like, which Arrow does not compare, the rows."""
    return len(column) if types.is_nested(column.type) else len(pc.unique(column.drop_null()))


def _is_string(column: pa.ChunkedArray) -> bool:
    return bool(types.is_string(column.type))


def _is_vector(kind: pa.DataType) -> bool:
    return bool(types.is_list(kind) and types.is_floating(kind.value_type))


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
