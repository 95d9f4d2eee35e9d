"""The files that Spark reads for a path: a file, those of a folder, or what a pattern fits."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pyarrow import fs

from lakewinnow.errors import ConfigError
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.text_files.decoding import clean_utf8

_SPECIAL = re.compile(r"[*?\[{]")
_PARTS = re.compile(r"\\.|\[[^\]]*\]|.", re.DOTALL)
_TRANSLATED = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
_HIDDEN = ("_", ".")
_UNKNOWN_CODECS = (".deflate", ".snappy", ".lz4")  # Hadoop writes these its own way


@dataclass(frozen=True)
class InputFile:
    """A file: the folder to open it from, its name there, its bytes."""

    folder: str
    name: str
    size: int

    @property
    def uri(self) -> str:
        """Where it is, as engines say it."""
        path = f"{self.folder.rstrip('/')}/{self.name}"
        return Path(path).as_uri() if path.startswith("/") else path

    @classmethod
    def at(cls, uri: str) -> "InputFile":
        """Return the file of a URI, as engines say it; its size is not looked up."""
        folder, _, name = unquote(uri).removeprefix("file://").rpartition("/")
        return cls(folder, name, 0)

    def text(self, encoding: str) -> Iterator[bytes]:
        """Read it as clean UTF-8, in blocks that cut no character."""
        with Files(self.folder).open(self.name) as stream:
            yield from clean_utf8(stream, encoding)


def list_files(path: str, options: Mapping[str, str]) -> list[InputFile] | None:
    """List the files of a path in the order of their names; None where there is no such path.

    Names that start with ``_`` or ``.`` are left out.

    Raises
    ------
    ConfigError : "partitioned_folder", for folders named key=value, which Spark makes a column of;
        "codec_of_spark", for files that Hadoop compressed
    """
    lower = {name.lower(): value for name, value in options.items()}
    is_recursive = lower.get("recursivefilelookup", "false").lower() == "true"
    wanted = re.compile(_expression(lower.get("pathglobfilter", "*")))
    root, patterns = _split(path)
    files = Files(root)
    matches = list(_matches(files, "", patterns))
    if not matches:
        return None
    sizes = {
        name: size
        for match in matches
        for name, size in _files_of(files, match, is_recursive=is_recursive)
        if wanted.fullmatch(name.rpartition("/")[2])
    }
    for name in sizes:
        if name.endswith(_UNKNOWN_CODECS):
            expected = "files without compression, or .gz, .bz2 or .zst"
            hint = "use `engine: spark`"
            raise ConfigError("codec_of_spark", "input.path", expected, name, hint)
    return [InputFile(root, name, size) for name, size in sorted(sizes.items())]


def matches(pattern: str, name: str) -> bool:
    """Whether the name of a file or folder is one that a pattern means."""
    try:
        return bool(_SPECIAL.search(pattern) and re.fullmatch(_expression(pattern), name))
    except re.error:  # no pattern after all: who reads it says so
        return False


def _split(path: str) -> tuple[str, list[str]]:
    """Return the folder above what may vary, and a pattern for each name below it."""
    parts = path.rstrip("/").split("/")
    n = next((i for i, part in enumerate(parts) if _SPECIAL.search(part)), len(parts) - 1)
    return "/".join(parts[:n]) or "/", parts[n:]


def _matches(files: Files, folder: str, patterns: list[str]) -> Iterator[str]:
    if not patterns:
        yield folder
        return
    first, *rest = patterns
    if not _SPECIAL.search(first):
        name = f"{folder}/{first}".lstrip("/")
        if files.exists(name):
            yield from _matches(files, name, rest)
        return
    pattern = re.compile(_expression(first))
    for entry in files.entries(folder):
        if pattern.fullmatch(entry.base_name):
            yield from _matches(files, files.name_of(entry), rest)


def _files_of(files: Files, name: str, *, is_recursive: bool) -> Iterator[tuple[str, int]]:
    if files.is_file(name):
        if not name.rpartition("/")[2].startswith(_HIDDEN):
            yield name, files.size(name)
        return
    for entry in files.entries(name):
        if entry.base_name.startswith(_HIDDEN):
            continue
        if entry.type == fs.FileType.File:
            yield files.name_of(entry), entry.size
        elif is_recursive:
            yield from _files_of(files, files.name_of(entry), is_recursive=True)
        elif "=" in entry.base_name:
            raise ConfigError(
                "partitioned_folder",
                "input.path",
                "a folder of files: Sail's reader makes no column from key=value",
                entry.base_name,
                "use `engine: spark`; options: {recursiveFileLookup: true} leaves out the key",
            )


def _expression(pattern: str) -> str:
    """Translate a pattern of Hadoop's file systems: ``*``, ``?``, ``[a-z]``, ``{a,b}``."""
    depth, out = 0, []
    for part in _PARTS.findall(pattern):
        depth += (part == "{") - (part == "}")
        if len(part) > 1:
            is_set = part.startswith("[")
            out.append(part.replace("[!", "[^", 1) if is_set else re.escape(part[1]))
        elif part in _TRANSLATED and (part != "," or depth):
            out.append(_TRANSLATED[part])
        else:
            out.append(re.escape(part))
    return "".join(out)
