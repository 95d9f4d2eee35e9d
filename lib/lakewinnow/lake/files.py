"""Small files and folders of a workspace, on any file system that Arrow knows.

Tables are read and written by Spark; this module is for what Spark has no call for: a JSON record
under its own name, the size of a folder, the rename that publishes a table.
"""

import ctypes
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pyarrow import NativeFile, RecordBatch, Table, dataset, fs, parquet
from pyspark.sql.types import StructType

from lakewinnow.errors import ConfigError, Shown
from lakewinnow.spark.sessions.object_stores import arrow_uri

_SCHEME = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]+):/")
_ARROW_SCHEME = {"s3a": "s3", "s3n": "s3", "wasbs": "abfss"}
_OF_URIS: Final = "%:/?#[]@!$&'()*+,;="
_DBFS: Final = "/dbfs"  # where Databricks mounts what Spark calls dbfs:/
_SPARK_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"  # of a footer, as JSON
_ROWS_AT_ONCE: Final = 65_536  # read to be written elsewhere
_BYTES_AT_ONCE: Final = 2**22
LIST: Final = "_files.json"  # in a table's folder: the files that it consists of
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
_RENAMES_FOLDERS = (
    "file",
    "hdfs",
    "viewfs",
    "dbfs",
)  # elsewhere a folder "rename" copies object by object


def as_json(content: object) -> bytes:
    """Return the content of a JSON file that people may read, too."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def is_local(path: str) -> bool:
    """Whether a path has no scheme (``s3a://…``)."""
    return _SCHEME.match(path) is None


def absolute(path: str) -> str:
    """Return a local path as an absolute one; leave another as it is."""
    return path if not is_local(path) else str(Path(path).expanduser().absolute())


def as_uri(path: str) -> str:
    """Return a path with a scheme as a URI: Spark and Sail take blanks and the like as they are."""
    return quote(path, safe=_OF_URIS)


def content_of(path: str) -> bytes | None:
    """Return the content of a file; None when it is not there."""
    folder, _, name = absolute(path).rpartition("/")
    return Files(folder or "/").read_bytes(name)


class Files:
    """The files below one root folder.

    Parameters
    ----------
    root : a local path, or a URI of a scheme that pyarrow serves (hdfs, s3a, gs, abfss)
    """

    def __init__(self, root: str) -> None:
        self.root = absolute(root)
        match = _SCHEME.match(self.root)
        scheme = match.group(1).lower() if match else "file"
        self.renames_folders = scheme in _RENAMES_FOLDERS
        self._fs, self._base = _open(self.root, scheme)
        self.is_local = is_local(self.root)

    def path(self, name: str) -> str:
        """Return the path of a file or folder below the root, as Spark takes it."""
        return f"{self.root.rstrip('/')}/{name}"

    def exists(self, name: str = "") -> bool:
        """Whether a file or folder is there."""
        return bool(self.info(name).type != fs.FileType.NotFound)

    def is_file(self, name: str = "") -> bool:
        """Whether this is a file."""
        return bool(self.info(name).type == fs.FileType.File)

    def name_of(self, entry: fs.FileInfo) -> str:
        """Return where an entry is below the root."""
        return str(entry.path).removeprefix(self._base.rstrip("/")).lstrip("/")

    def entries(self, name: str = "", *, recursive: bool = False) -> list[fs.FileInfo]:
        """List what is below a folder; nothing when it is not there, or is a file."""
        selector = fs.FileSelector(self._at(name), recursive=recursive, allow_not_found=True)
        try:
            found = self._fs.get_file_info(selector)
        except NotADirectoryError:
            return []
        return sorted(found, key=lambda info: info.path)

    def listing(self) -> list[fs.FileInfo]:
        """List the file that the root is, or all files below it."""
        root = self.info("")
        if root.type == fs.FileType.File:
            return [root]
        return [info for info in self.entries(recursive=True) if info.type == fs.FileType.File]

    def size(self, name: str) -> int:
        """Total bytes of a file, or of the data files below a folder."""
        info = self.info(name)
        if info.type == fs.FileType.File:
            return int(info.size)
        return sum(i.size for i in self.entries(name, recursive=True) if _is_data(i))

    def data_files(self, name: str) -> dict[str, int]:
        """Return the bytes of each data file that is below a folder, by its path there."""
        found = filter(_is_data, self.entries(name, recursive=True))
        return {self.name_of(info).removeprefix(f"{name}/"): info.size for info in found}

    def listed(self, name: str) -> list[str] | None:
        """Return the paths of a table's files by its own list; None: it has none."""
        content = self.read_json(f"{name}/{LIST}")
        return None if content is None else [of["path"] for of in content["files"]]

    def count_rows(self, name: str) -> int:
        """Rows of a Parquet folder, from its footers."""
        if not self.data_files(name):
            return 0
        return int(self._dataset(name).count_rows())

    def rows_and_sha256(self, name: str) -> tuple[int, str]:
        """Return the rows of a Parquet file, from its footer, and its checksum."""
        with self._fs.open_input_file(self._at(name)) as file:
            checksum = _sha256(file)
            return int(parquet.read_metadata(file).num_rows), checksum

    def sha256(self, name: str) -> str:
        """Return a file's checksum."""
        with self._fs.open_input_stream(self._at(name)) as stream:
            return _sha256(stream)

    def count_true(self, name: str, column: str) -> int:
        """Rows of a Parquet folder that have true in a column; a bit a row is all that is read."""
        return int(self._dataset(name).count_rows(filter=dataset.field(column)))

    def spark_schema(self, name: str, own: Sequence[str] | None = None) -> StructType | None:
        """Return the columns of a Parquet folder as the Spark that wrote it left them in a footer.

        To find them by itself is a job for Spark. None: some other writer's, or it is not there.

        Parameters
        ----------
        own : the table's files, if it has a list of them
        """
        files = sorted(self.data_files(name)) if own is None else own
        first = next((path for path in files if path.endswith(".parquet")), None)
        if first is None:
            return None
        found = parquet.read_metadata(self._at(f"{name}/{first}"), filesystem=self._fs)
        footer = found.metadata or {}
        described = footer.get(_SPARK_SCHEMA)
        return None if described is None else StructType.fromJson(json.loads(described))

    def column_bytes(self, name: str, column: str) -> int:
        """Bytes of a column of a Parquet folder before compression, from its footers."""
        total = 0
        for fragment in self._dataset(name).get_fragments():
            groups = map(fragment.metadata.row_group, range(fragment.metadata.num_row_groups))
            columns = (group.column(i) for group in groups for i in range(group.num_columns))
            total += sum(c.total_uncompressed_size for c in columns if c.path_in_schema == column)
        return total

    def batches(self, name: str, columns: list[str]) -> Iterator[RecordBatch]:
        """Read columns of a Parquet folder bit by bit."""
        yield from self._dataset(name).to_batches(columns=columns)

    def first_ranks(self, name: str, columns: list[str], rank: str, n: int) -> list[dict[str, Any]]:
        """Read the rows of rank 1 .. n of a Parquet folder; rows without a rank are left out."""
        top = self._dataset(name).to_table(columns=columns, filter=dataset.field(rank) <= n)
        return list(top.sort_by(rank).to_pylist())

    def texts(self, name: str, text: str, key: str, keys: Sequence[str]) -> dict[str, str]:
        """Read a text of some rows of a Parquet folder, by their keys."""
        rows = self._dataset(name).to_table(
            columns=[key, text], filter=dataset.field(key).isin(list(keys))
        )
        return dict(zip(rows[key].to_pylist(), rows[text].to_pylist(), strict=True))

    def read_json(self, name: str) -> Any:
        """Read a JSON file; None when it is not there."""
        content = self.read_bytes(name)
        return None if content is None else json.loads(content)

    def read_bytes(self, name: str) -> bytes | None:
        """Read a file whole; None when it is not there."""
        try:
            with self._fs.open_input_stream(self._at(name)) as stream:
                return bytes(stream.read())
        except OSError as error:  # a folder's, too; to look first would be one more request
            if not isinstance(error, FileNotFoundError) and self.is_file(name):
                raise
            return None

    def open(self, name: str) -> Any:
        """Open a file to be read bit by bit, in a ``with`` statement."""
        return self._fs.open_input_stream(self._at(name))

    def open_anywhere(self, name: str) -> Any:
        """Open a file to be read from any place in it, as it is, in a ``with`` statement."""
        return self._fs.open_input_file(self._at(name))

    def tag(self, name: str) -> str:
        """Return what an object store calls the content of a file; "" where nobody does."""
        if self.renames_folders:
            return ""
        with self.open_anywhere(name) as file:
            said = {key.lower(): value for key, value in (file.metadata() or {}).items()}
        return str(said.get("etag", ""))

    def create(self, name: str) -> Any:
        """Open a new file to be written bit by bit, and to be closed."""
        self._fs.create_dir(self._at(name.rpartition("/")[0]), recursive=True)
        return self._fs.open_output_stream(self._at(name))

    def write_json(self, name: str, content: object) -> None:
        """Write a JSON file whole: beside its place first, where the file system can rename."""
        self.write_bytes(name, as_json(content))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file whole, as `write_bytes` does."""
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole: beside its place first, where the file system can rename."""
        folder, _, leaf = name.rpartition("/")
        self._make_folder(folder)
        beside = f"{folder}/_{leaf}.writing".lstrip("/") if self.renames_folders else name
        with self._fs.open_output_stream(self._at(beside)) as stream:
            stream.write(content)
        if beside != name:
            self._fs.move(self._at(beside), self._at(name))

    def write_parquet(self, name: str, table: Table) -> None:
        """Write a table as one Parquet file."""
        self._fs.create_dir(self._at(name.rpartition("/")[0]), recursive=True)
        parquet.write_table(table, self._at(name), filesystem=self._fs)

    def read_parquet(self, names: Sequence[str]) -> Table:
        """Read Parquet files of the same columns as one table, in the order of the names."""
        paths = [self._at(name) for name in names]
        return dataset.dataset(paths, filesystem=self._fs, format="parquet").to_table()

    def split(self, name: str, rows_per_file: int) -> None:
        """Make of a Parquet file that has more rows several of so many."""
        stem, dot, ending = self._at(name).rpartition(".parquet")
        with self._fs.open_input_file(self._at(name)) as source:
            file = parquet.ParquetFile(source)
            if file.metadata.num_rows <= rows_per_file:
                return
            rest = file.iter_batches(min(rows_per_file, _ROWS_AT_ONCE))
            for number in range(-(-file.metadata.num_rows // rows_per_file)):
                path = f"{stem}-{number:05}{dot}{ending}"
                with parquet.ParquetWriter(
                    path, file.schema_arrow, filesystem=self._fs, compression="zstd"
                ) as writer:
                    rest = _write_rows(writer, rest, rows_per_file)
        self._fs.delete_file(self._at(name))

    def delete(self, name: str) -> None:
        """Delete a file or a folder with all that is in it; do nothing when it is not there."""
        kind = self.info(name).type
        if kind == fs.FileType.Directory:
            self._fs.delete_dir(self._at(name))
        elif kind == fs.FileType.File:
            self._fs.delete_file(self._at(name))

    def move(self, name: str, to: str) -> None:
        """Put a folder in another's place, which is deleted."""
        if self.exchange(name, to):
            self.delete(name)
            return
        self.delete(to)
        self._make_folder(to.rpartition("/")[0])
        self._fs.move(self._at(name), self._at(to))

    def exchange(self, name: str, with_: str) -> bool:
        """Have two files or folders change places at once, so that neither is ever missing.

        Returns
        -------
        whether that was done: Linux can, on most of its own file systems
        """
        if not isinstance(self._fs, fs.LocalFileSystem):
            return False
        with suppress(OSError, AttributeError):  # of another C library
            places = (os.fsencode(self._at(name)), os.fsencode(self._at(with_)))
            rename = ctypes.CDLL(None).renameat2
            return bool(rename(_HERE, places[0], _HERE, places[1], _EXCHANGE) == 0)
        return False

    def copy_file(self, name: str, to: str) -> None:
        """Copy a file; between two places of a store, the store does it."""
        self._make_folder(to.rpartition("/")[0])
        self._fs.copy_file(self._at(name), self._at(to))

    def move_file(self, name: str, to: str) -> None:
        """Give a file or folder another name, of which there is none, below the same root."""
        self._make_folder(to.rpartition("/")[0])
        self._fs.move(self._at(name), self._at(to))

    def _make_folder(self, name: str) -> None:
        if (
            self.renames_folders
        ):  # elsewhere there are none, and an object in its place is in the way
            self._fs.create_dir(self._at(name), recursive=True)

    def _dataset(self, name: str) -> dataset.Dataset:
        own = self.listed(name)
        where = self._at(name) if own is None else [self._at(f"{name}/{path}") for path in own]
        return dataset.dataset(where, filesystem=self._fs, format="parquet")

    def _at(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name.strip('/')}".rstrip("/") or "/"

    def info(self, name: str) -> fs.FileInfo:
        """Return what the file system says of a file or folder: kind, size, time."""
        return self._fs.get_file_info(self._at(name))


def _open(root: str, scheme: str) -> tuple[fs.FileSystem, str]:
    if scheme == "file":
        return fs.LocalFileSystem(), re.sub(r"^file:/+", "/", root, flags=re.IGNORECASE)
    if scheme == "dbfs":
        return fs.LocalFileSystem(), _mounted(root)
    uri = as_uri(_SCHEME.sub(f"{_ARROW_SCHEME.get(scheme, scheme)}:/", root))
    try:
        opened, base = fs.FileSystem.from_uri(_with_endpoint(uri))
    except (OSError, ValueError, NotImplementedError) as error:
        expected = "a path that pyarrow can open"
        got = Shown(f"{root} ({str(error).splitlines()[0]})")
        hint = "use a mounted path, or hdfs://, s3://, gs:// or abfss:// with credentials set"
        raise ConfigError("file_system", "workspace", expected, got, hint) from error
    return opened, str(base)


def _mounted(root: str) -> str:
    """Return where the files of a dbfs:/ path are seen on this machine: Spark's, and no others."""
    below = re.sub("^dbfs:/+", "", root, flags=re.IGNORECASE)
    if below.startswith("Volumes/"):
        return f"/{below}"
    if not Path(_DBFS).is_dir():
        expected, hint = (
            f"DBFS at {_DBFS}",
            "use a path of a volume: /Volumes/CATALOG/SCHEMA/NAME/…",
        )
        got = Shown(f"{root}, and no folder {_DBFS}")
        raise ConfigError("file_system", "workspace", expected, got, hint)
    return f"{_DBFS}/{below}".rstrip("/")


def _with_endpoint(uri: str) -> str:
    return arrow_uri(uri, os.environ) if uri.startswith("s3:") else uri


def _sha256(stream: NativeFile) -> str:
    digest = hashlib.sha256()
    while part := stream.read(_BYTES_AT_ONCE):
        digest.update(part)
    return digest.hexdigest()


def _write_rows(
    writer: parquet.ParquetWriter, batches: Iterator[RecordBatch], n_rows: int
) -> Iterator[RecordBatch]:
    """Write so many rows; return those that are left."""
    for batch in batches:
        writer.write_batch(batch.slice(0, n_rows))
        if batch.num_rows > n_rows:
            return chain([batch.slice(n_rows)], batches)
        n_rows -= batch.num_rows
        if not n_rows:
            break
    return batches


def _is_data(info: fs.FileInfo) -> bool:
    return info.type == fs.FileType.File and not info.base_name.startswith(("_", "."))
