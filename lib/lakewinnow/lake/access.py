"""Whether files may be read and folders written to, asked before a session starts.

It is asked of local paths alone: a store answers only where it is used.
"""

import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from lakewinnow.config.combinations import named
from lakewinnow.config.sections import Config
from lakewinnow.config.types import READ, WRITTEN
from lakewinnow.errors import DataError, Shown
from lakewinnow.lake.files import absolute, is_local

_FIRST_FILES: Final = 1000  # of a folder: the others are tried when they are read


def check(config: Config) -> None:
    """Try what the configuration names; nothing is left behind.

    Raises
    ------
    DataError : "not_readable", "not_writable"
    """
    DataError.raise_any(_problems(config))


def _problems(config: Config) -> Iterator[DataError]:
    for where, path in named(READ, config):
        if is_local(path):
            try:
                _try_to_read(Path(absolute(path)))
            except PermissionError as error:
                got = Shown(f"{error.filename or path} ({error.strerror})")
                hint = "`ls -l` shows who may read; chmod a+r allows everybody (a+rx for a folder)"
                yield DataError("not_readable", where, "files that can be read", got, hint)
    for where, path in named(WRITTEN, config):
        if is_local(path):
            try:
                _try_to_write(Path(absolute(path)))
            except OSError as error:
                got = Shown(f"{path} ({error.strerror})")
                hint = f"name another folder, --set {where}=…, or check who may write: ls -ld"
                expected = "a folder that can be written to"
                yield DataError("not_writable", where, expected, got, hint)


def _try_to_read(path: Path) -> None:
    for file in islice(path.iterdir(), _FIRST_FILES) if path.is_dir() else [path]:
        if file.is_file() and not os.access(file, os.R_OK):
            file.open("rb").close()  # which knows better than what a mounted store answers


def _try_to_write(path: Path) -> None:
    """Make a file that is gone at once, in the folder or in the nearest that is there."""
    while not path.exists():
        path = path.parent
    with tempfile.TemporaryFile(dir=path):
        pass
