"""A process that is killed between two calls to the file system, or while it writes."""

from functools import partial

import pyarrow as pa
from pyarrow import dataset, fs

from lakewinnow.figures.manifest import Manifest
from lakewinnow.figures.rows import Rows
from lakewinnow.lake.files import Files
from lakewinnow.lake.reading import read, verify
from lakewinnow.lake.workspace import Lake
from lakewinnow.typed_json import to_json


class KilledError(Exception):
    """What a call raises in a process that is no more."""


class Life:
    """Ends after so many calls that change something; then there are no calls any more."""

    def __init__(self, calls):
        self.left, self.used = calls, 0

    def live(self, *, changes=True):
        if self.left is not None and self.used > self.left:
            raise KilledError
        self.used += changes
        if self.left is not None and self.used > self.left:
            raise KilledError

    @property
    def is_over(self):
        return self.left is not None and self.used > self.left


class _Stream:
    """A file that is being written: half of it may be there, but for an object."""

    closed = False

    def __init__(self, open_stream, life, is_object):
        self._stream = None if is_object else open_stream()
        self._open, self._life, self._content = open_stream, life, b""

    def write(self, content):
        content = bytes(content)
        self._content += content
        if self._stream is not None:
            self._stream.write(content[: len(content) // 2])
            self._life.live()
            self._stream.write(content[len(content) // 2 :])
        return len(content)

    def flush(self):
        self._life.live(changes=False)

    def close(self):
        if not self.closed and not self._life.is_over:
            self._life.live()
            if self._stream is None:
                self._stream = self._open()
                self._stream.write(self._content)
            self._stream.close()
        self.closed = True


class _Mortal(fs.FileSystemHandler):
    """A file system whose every call is counted."""

    def __init__(self, real, life, has_objects):
        self._real, self._life, self._has_objects = real, life, has_objects

    def get_file_info_selector(self, selector):
        return self.get_file_info(selector)

    def open_output_stream(self, path, metadata):  # noqa: ARG002 - pyarrow calls it so
        self._life.live()
        open_stream = partial(self._real.open_output_stream, path)
        return pa.PythonFile(_Stream(open_stream, self._life, self._has_objects), "w")

    def create_dir(self, path, recursive):
        self._life.live()
        self._real.create_dir(path, recursive=recursive)

    def open_append_stream(self, path, metadata):
        raise NotImplementedError


def _counted(name, *, changes):
    def call(self, *arguments, **options):
        self._life.live(changes=changes)
        return getattr(self._real, name)(*arguments, **options)

    return call


for _name in ("get_file_info", "normalize_path", "open_input_file", "open_input_stream"):
    setattr(_Mortal, _name, _counted(_name, changes=False))
for _name in ("copy_file", "delete_dir", "delete_file", "move"):
    setattr(_Mortal, _name, _counted(_name, changes=True))
_Mortal.get_type_name = lambda self: self._real.type_name
_Mortal.delete_dir_contents = _Mortal.delete_root_dir_contents = _Mortal.open_append_stream
_Mortal.__abstractmethods__ = frozenset()


def mortal(files, life):
    """Have a life end in the middle of what is done with some files."""
    real = vars(files).get("exchange", Files(files.root).exchange)
    files._fs = fs.PyFileSystem(_Mortal(files._fs, life, not files.renames_folders))

    def exchange(name, with_):
        life.live()
        return real(name, with_)

    files.exchange = exchange


# --- a run of two tables and a file -------------------------------------------------------------

TABLES = ("clean", "checks/some")


def table_of(version, name):
    return pa.table({"of": [f"{name} {version}"] * (version + 1), "n": range(version + 1)})


def lake_in(spark, root, how):
    lake = Lake(spark, root)
    how(lake.files)
    return lake


def is_done(files, version, name):
    paths = [f"{name}/{path}" for path in files.listed(name) or ()]
    is_there = paths and all(map(files.is_file, paths))
    return is_there and files.read_parquet(paths).equals(table_of(version, name))


def publish(lake, version, keep=0):
    """Do what a run does: publish tables that are not done, then a file, and commit them."""
    lake.versions.sweep()
    for name in TABLES:
        if not is_done(lake.files, version, name):
            lake.publish_small(name, table_of(version, name))
    lake.publish_json("summary.json", {"version": version})
    tables = lake.listing(TABLES)
    manifest = Manifest(
        version=lake.versions.next_version(tables),
        versions={},
        config={"output": {"format": "not to be checked"}},
        input={"fingerprint": "", "bytes": 0, "columns": {}},
        stages=[],
        rows=Rows(in_=0, clean=0, review=0, dropped=0, quarantine=0),
        tables=tables,
        files=lake.other_files(["summary.json"]),
        warnings=[],
    )
    lake.versions.commit(to_json(manifest), keep)


def by_path(files, name):
    """Read a folder as one does who knows nothing of manifests; None: it is not whole."""
    if not files.exists(name) or not files.exists(f"{name}/_SUCCESS"):
        return None
    return dataset.dataset(files._at(name), filesystem=files._fs, format="parquet").to_table()


def kill_everywhere(spark, root_of, how, keep=0, every=1):
    """Kill a second run between any two calls; each time read, verify, and run it again.

    Parameters
    ----------
    every : kill before the first call, before the one so many later, and so on
    root_of : makes a new workspace's root of a number
    how : is given `Files`, before anything is done with them

    Returns
    -------
    how often it was killed, and how often a folder was not there, or not whole
    """
    kills, gaps = 0, 0
    while True:
        root = root_of(kills)
        publish(lake_in(spark, root, how), 1, keep)
        life = Life(kills * every)
        dying = lake_in(spark, root, how)
        mortal(dying.files, life)
        try:
            publish(dying, 2, keep)
        except KilledError:
            pass
        else:
            return kills, gaps
        gaps += _check_what_is_left(root)
        publish(lake_in(spark, root, how), 2, keep)
        _check_the_end(root, keep)
        kills += 1


def _check_what_is_left(root):
    files = Files(root)
    of = files.read_json("manifest.json")["version"]
    for name in TABLES:
        assert read(root, name).equals(table_of(of, name))
    assert verify(root).faults == []
    found = [(name, by_path(files, name)) for name in TABLES]
    for name, table in found:
        assert table is None or table in (table_of(1, name), table_of(2, name))
    return any(table is None for _, table in found)


def _check_the_end(root, keep):
    files = Files(root)
    assert files.read_json("summary.json") == {"version": 2}
    for name in TABLES:
        assert by_path(files, name).equals(table_of(2, name))
        assert read(root, name).equals(table_of(2, name))
        assert keep == 0 or read(root, name, version=1).equals(table_of(1, name))
    assert verify(root).faults == []
    assert keep == 0 or verify(root, 1).faults == []
    assert keep > 0 or files.entries("_versions") == []
