"""The files that Spark reads for a path: a file, those of a folder, or what a pattern fits."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

import pyarrow as pa
from pyarrow import fs

from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import Files
from lakewinnow.lake.inputs.text_files.decoding import clean_utf8

_SPECIAL = re.compile(r"[*?\[{]")
_PARTS = re.compile(r"\\.|\[[^\]]*\]|.", re.DOTALL)
_TRANSLATED = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
_HIDDEN = ("_", ".")
NULL_FOLDER: Final = "__HIVE_DEFAULT_PARTITION__"  # key=this/ is the folder of rows without a value


@dataclass(frozen=True)
class InputFile:
    """A file: the folder to open it from, its name there, its bytes."""

    folder: str
    name: str
    size: int
    keys: str = "{}"  # JSON of what folders named key=value say
    mtime_ns: int | None = None  # when it was written, where that was looked up

    @property
    def folder_values(self) -> dict[str, str | None]:
        """The values that are names of folders, by their keys."""
        values: dict[str, str | None] = json.loads(self.keys)
        return values

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

    def in_columns(self, batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
        """Return a batch of the file with the values of its folders, in the order of `names`."""
        values = self.folder_values
        for name in names:
            if name not in batch.schema.names:
                column = pa.repeat(pa.scalar(values.get(name), pa.string()), len(batch))
                batch = batch.append_column(name, column)
        return batch.select(list(names))

    def text(self, encoding: str) -> Iterator[bytes]:
        """Read it as clean UTF-8, in blocks that cut no character."""
        with self.open() as stream:
            yield from clean_utf8(stream, encoding)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open it to be read bit by bit: what is compressed, decompressed."""
        if not self.name.lower().endswith(".zip"):
            with Files(self.folder).open(self.name) as stream:
                yield stream
            return
        try:
            with Files(self.folder).open_anywhere(self.name) as file, ZipFile(file) as archive:
                yield archive.open(self._only_member(archive))
        except BadZipFile as error:
            got = Shown(f"{self.name} ({error})")
            raise DataError("cannot_read", "input.path", "a zip file", got) from error

    @property
    def member(self) -> str:
        """The name of the file in a zip file."""
        with Files(self.folder).open_anywhere(self.name) as file, ZipFile(file) as archive:
            return self._only_member(archive)

    def _only_member(self, archive: ZipFile) -> str:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        found = [name for name in names if not name.startswith(("__MACOSX/", "."))]
        if len(found) != 1:
            got, hint = Shown(f"{len(found)} in {self.name}"), "unpack it, and name the folder"
            raise DataError("cannot_read", "input.path", "one file in a zip file", got, hint)
        return found[0]


def list_files(path: str, options: Mapping[str, str]) -> list[InputFile] | None:
    """List the files of a path in the order of their names; None where there is no such path.

    Names that start with ``_`` or ``.`` are left out.
    """
    lower = {name.lower(): value for name, value in options.items()}
    is_recursive = lower.get("recursivefilelookup", "false").lower() == "true"
    wanted = re.compile(_expression(lower.get("pathglobfilter", "*")))
    root, patterns = _split(path)
    files = Files(root)
    matches = list(_matches(files, "", patterns))
    if not matches:
        return None
    found = {}
    for match in matches:
        for info in _files_of(files, match, is_recursive=is_recursive):
            if wanted.fullmatch(info.base_name):
                name = files.name_of(info)
                keys = _keys(name.removeprefix(match), is_recursive)
                found[name] = InputFile(root, name, info.size, keys, info.mtime_ns)
    return [found[name] for name in sorted(found)]


def _keys(name: str, is_recursive: bool) -> str:  # noqa: FBT001
    """Return the values that are names of folders, as JSON; told to look below, Spark sees none."""
    folders = [] if is_recursive else [part.partition("=") for part in name.split("/")[:-1]]
    values = {key: unquote(value) for key, sign, value in folders if sign}
    return json.dumps(
        {key: None if value == NULL_FOLDER else value for key, value in values.items()}
    )


def folder_keys(files: Sequence[InputFile], names: Sequence[str]) -> list[str]:
    """Return the keys of folders, but those that are columns of the files."""
    return sorted({key for file in files for key in file.folder_values} - set(names))


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
    if ":/" in path:
        n = max(n, 3)  # scheme, nothing, store
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


def _files_of(files: Files, name: str, *, is_recursive: bool) -> Iterator[fs.FileInfo]:
    if files.is_file(name):
        if not name.rpartition("/")[2].startswith(_HIDDEN):
            yield files.info(name)
        return
    for entry in files.entries(name):
        if entry.base_name.startswith(_HIDDEN):
            continue
        if entry.type == fs.FileType.File:
            yield entry
        elif is_recursive or "=" in entry.base_name:
            yield from _files_of(files, files.name_of(entry), is_recursive=is_recursive)


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
