"""The options of Spark's CSV reader that we serve without Spark, read as Spark reads them."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from lakewinnow.errors import ConfigError, Shown
from lakewinnow.lake.inputs.text_files.decoding import ENCODINGS

_ESCAPED_SEP: Final = {
    r"\t": "\t",
    r"\r": "\r",
    r"\b": "\b",
    r"\f": "\f",
    r"\"": '"',
    r"\'": "'",
    r"\\": "\\",
    r"\u0000": "\0",
}
_MODES: Final = ("permissive", "dropmalformed")
_OTHER_NAMES: Final = {
    "delimiter": "sep",
    "charset": "encoding",
    "ignoreleadingwhitespace": "ignoreleading",
    "ignoretrailingwhitespace": "ignoretrailing",
}

# No rows depend on these, or not at this value, which is Spark's default.
_WITHOUT_EFFECT: Final = ("maxcolumns", "inputbuffersize", "compression", "codec")
_ONLY_DEFAULT: Final = {"enforceschema": "true", "preferdate": "true", "samplingratio": "1.0"}
_HADOOP: Final = "fs."  # how Spark's file systems are reached
LISTING: Final = ("pathglobfilter", "recursivefilelookup")  # of the files: see listing.py
_NO_CHARACTER: Final = "\0"  # what Spark takes for a quote or escape character that is none


@dataclass(frozen=True)
class CsvDialect:
    """How a CSV file is written: Spark's options, at the defaults of its reader."""

    sep: str = ","
    quote: str = '"'
    escape: str = "\\"
    comment: str = ""  # empty: no comments
    header: bool = False
    multi_line: bool = False
    encoding: str = "utf-8"
    null_value: str = ""
    empty_value: str = ""
    ignore_leading: bool = False
    ignore_trailing: bool = False
    infer_schema: bool = False
    mode: str = "permissive"


def csv_dialect(options: Mapping[str, str]) -> CsvDialect:
    """Read `input.options`.

    Raises
    ------
    ConfigError : "option_of_spark", "invalid_option"
    """
    lower = {name.lower(): value for name, value in options.items()}
    given = {_OTHER_NAMES.get(name, name): value for name, value in lower.items()}
    known = {f.name.replace("_", ""): f for f in fields(CsvDialect)}
    read: dict[str, object] = {}
    for name, value in given.items():
        if name.startswith(_HADOOP):  # a secret among them, which no message should name
            continue
        if name in _WITHOUT_EFFECT or name in LISTING or _ONLY_DEFAULT.get(name) == value:
            continue
        if name not in known:
            raise unsupported(name, value)
        parse = _boolean if isinstance(known[name].default, bool) else _READERS.get(name, _same)
        read[known[name].name] = parse(name, value)
    dialect = CsvDialect(**read)  # type: ignore[arg-type]
    _check(dialect, given)
    return dialect


def has_encoding_of_spark(options: Mapping[str, str]) -> bool:
    """Whether Spark decodes the encoding of a CSV file, too."""
    named = (v.lower() for k, v in options.items() if k.lower() in ("encoding", "charset"))
    return all(value in ENCODINGS for value in named)


def unsupported(name: str, value: object) -> ConfigError:
    """Return the error of an option, or a value of it, that only Spark's reader serves."""
    expected, got = "an option that Sail's reader of text files has", Shown(repr(value))
    hint = "use `engine: spark`, or leave it out"
    return ConfigError("option_of_spark", f"input.options.{name}", expected, got, hint)


def _check(dialect: CsvDialect, given: Mapping[str, str]) -> None:
    if not dialect.multi_line and dialect.encoding.startswith(("utf-16", "utf-32")):
        raise unsupported("multiLine", given.get("multiline", "false"))
    if len(dialect.sep) != 1:
        raise unsupported("sep", dialect.sep)
    for name in ("sep", "quote", "escape", "comment"):
        character = getattr(dialect, name)
        if character in ("\n", "\r") or (name != "sep" and character == dialect.sep):
            raise unsupported(name, character)


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise _invalid(name, "true or false", value)
    return value.lower() == "true"


def _character(name: str, value: str) -> str:
    if len(value) > 1:
        raise _invalid(name, "one character", value)
    return value or ("" if name == "comment" else _NO_CHARACTER)


def _separator(name: str, value: str) -> str:
    if not value or value == "\\":
        raise _invalid(name, "one character, a backslash as two", value)
    return _ESCAPED_SEP.get(value, value)


def _encoding(name: str, value: str) -> str:
    try:
        codecs.lookup(value)
    except LookupError:
        raise _invalid(name, f"{', '.join(ENCODINGS)}, cp1252 or the like", value) from None
    return value.lower()


def _mode(name: str, value: str) -> str:
    if value.lower() not in _MODES:
        raise unsupported(name, value)
    return value.lower()


def _same(_name: str, value: str) -> str:
    return value


def _invalid(name: str, expected: str, value: str) -> ConfigError:
    return ConfigError("invalid_option", f"input.options.{name}", expected, value)


_READERS: Final = {
    **dict.fromkeys(("quote", "escape", "comment"), _character),
    "sep": _separator,
    "encoding": _encoding,
    "mode": _mode,
}
