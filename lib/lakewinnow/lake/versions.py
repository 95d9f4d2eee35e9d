"""The versions of a workspace: which files a run's tables consist of, and where older ones are.

A table's files have names that no other version of it has, and a list in its folder
(``_files.json``). Where folders can be renamed a new table is written below ``_versions/`` and
changes places with the old one; in an object store its files are written beside the old ones, and
``_SUCCESS`` is missing until those are gone. The replacement of manifest.json, which lists the
files of all tables, is what commits a run; until then the files that the last manifest lists stay,
in their places or below ``_versions/``. So a file is where its name is found, and a run that is
killed anywhere leaves the last one readable.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import SparkSession

from lakewinnow.figures.manifest import DataFile, TableFiles
from lakewinnow.lake.conditional_put import Seen, look_at
from lakewinnow.lake.files import LIST, Files, as_json
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.typed_json import from_json, to_json

MANIFEST: Final = "manifest.json"
OLDER: Final = "_versions"
SUCCESS: Final = "_SUCCESS"
_OF_NAME: Final = 32  # digits of a checksum, in the name of an older file
_AT_ONCE: Final = 8  # files that this process reads
_FEW_BYTES: Final = 2**30  # that it reads rather than tasks
_DESCRIBED: Final = "path string, bytes bigint, rows bigint, sha256 string"

Listed = set[tuple[str, str]]  # paths in a table's folder, and their checksums


class Versions:
    """Where the tables of a workspace are put, and where those of its manifests are found.

    Parameters
    ----------
    files : of the workspace
    within : folder of a workspace within it, which begins the names of its tables; ends in a slash
    """

    def __init__(self, files: Files, within: str = "") -> None:
        self.files, self.within = files, within

    # --- to publish -----------------------------------------------------------------------------

    def begin(self, name: str) -> str:
        """Return the folder that a new version of a table is to be written to.

        In an object store files of older versions may be there.
        """
        if self.files.renames_folders:
            return self._aside(name)
        self.files.delete(f"{self.within}{name}/{SUCCESS}")
        return self.within + name

    def put(self, name: str, written: str, table: TableFiles) -> None:
        """Put a new version of a table, which `begin` has named the folder of, in its place."""
        place = self.within + name
        self.files.write_json(f"{written}/{LIST}", to_json(table))
        if not self.files.renames_folders:
            self._clear(place, _of(table), self._wanted(self.manifests()).get(place, set()))
            return
        self.files.write_bytes(f"{written}/{SUCCESS}", b"")
        if not self.files.exists(place):
            self.files.move_file(written, place)
            return
        aside = written
        if not self.files.exchange(written, place):  # it has no place for a moment
            aside = self._aside(name)
            self.files.move_file(place, aside)
            self.files.move_file(written, place)
        if not self._is_wanted(place, aside):
            self.files.delete(aside)

    def drop(self, name: str) -> None:
        """Delete a table or other files; they stay elsewhere as long as a manifest lists them."""
        place = self.within + name
        all_wanted = self._wanted(self.manifests())
        self._keep(self._files_at(place), all_wanted)
        wanted = all_wanted.get(place, set())
        if not self.files.renames_folders:
            self._copy_aside(place, wanted)
        elif wanted & (self._list_of(place) or set()):
            self.files.move_file(place, self._aside(name))
        self.files.delete(place)

    def put_record(self, name: str, content: bytes) -> None:
        """Replace a file of the run's, such as summary.json, whole.

        The content that a manifest lists stays elsewhere until that is replaced.
        """
        place = self.within + name
        before = self.files.read_bytes(place)
        if before == content:
            return
        if before is not None:
            self._keep([place], self._wanted(self.manifests()))
        self.files.write_bytes(place, content)

    def keep_files(self, name: str) -> None:
        """Keep elsewhere, too, what a manifest lists of a folder of files, or one: it is to go."""
        if files := self._files_at(self.within + name):
            self._keep(files, self._wanted(self.manifests()))

    # --- to commit a run ------------------------------------------------------------------------

    def look_at_manifest(self) -> Seen | None:
        """Return the manifest as it is now, for `commit` to replace that and no other."""
        return None if self.files.renames_folders else look_at(self.files.root, MANIFEST)

    def commit(self, manifest: Mapping[str, Any], keep: int, seen: Seen | None = None) -> None:
        """Replace the manifest, and delete what neither it nor one that is kept lists.

        Parameters
        ----------
        keep : how many earlier versions stay
        seen : the manifest to be replaced

        Raises
        ------
        ReplacedError : it is another one by now, and stays
        """
        before = self.files.read_json(MANIFEST)
        if keep and before is not None and before.get("version", 0) < manifest["version"]:
            name = f"{OLDER}/{before.get('version', 0)}.json"
            self.files.write_json(name, before)
        if seen is None or not seen.replace(as_json(manifest)):
            self.files.write_json(MANIFEST, manifest)
        oldest = manifest["version"] - keep
        for number in self._kept():
            if not oldest <= number < manifest["version"]:
                self.files.delete(f"{OLDER}/{number}.json")
        self.sweep()

    def next_version(self, tables: Mapping[str, TableFiles]) -> int:
        """Return the number of the version that these tables are: the last one's, if it is that."""
        before = self.files.read_json(MANIFEST) or {}
        is_same = before.get("tables") == to_json(tables)
        return int(before.get("version", 0)) + (not is_same)

    def sweep(self) -> None:
        """Delete what no manifest lists and no stage has published: also what a killed run left."""
        manifests = self.manifests()
        wanted = self._wanted(manifests)
        if not self.files.renames_folders:
            current = self._wanted(manifests[:1])
            for place in wanted:
                own = self._list_in(place)
                if own is not None:
                    self._copy_aside(place, wanted[place] - current.get(place, set()) - own)
                    self._clear(place, own, current.get(place, set()))
        places = {_flat(place): place for place in wanted}
        for entry in self.files.entries(OLDER):
            flat, _, ending = entry.base_name.rpartition(".")
            path = f"{OLDER}/{entry.base_name}"
            if ending == "json" and flat.isdecimal():  # a manifest
                continue
            found = set()
            if flat in places:
                found = wanted[places[flat]] - (self._list_of(places[flat]) or set())
            if self.files.is_file(path):
                found = {of for of in found if of[1].startswith(ending)}
            else:
                found &= self._list_of(path) or set()
            if not found:
                self.files.delete(path)

    # --- to read --------------------------------------------------------------------------------

    def manifests(self) -> list[dict[str, Any]]:
        """Return the manifest and those of earlier versions that are kept, the newest first."""
        numbers = sorted(self._kept(), reverse=True)
        names = [MANIFEST, *(f"{OLDER}/{number}.json" for number in numbers)]
        return [found for name in names if (found := self.files.read_json(name)) is not None]

    def find(self, place: str, wanted: Sequence[DataFile]) -> dict[str, str | None]:
        """Return where each of a table's files is, by its path in the table; None: nowhere."""
        folders = [place, *self._older(place)]
        sizes = {folder: self.files.data_files(folder) for folder in folders}
        return {
            file.path: next(
                (f"{of}/{file.path}" for of in folders if sizes[of].get(file.path) == file.bytes),
                None,
            )
            for file in wanted
        }

    def find_record(self, record: DataFile) -> str | None:
        """Return where a file of the run's is, as it was when its manifest was written."""
        older = f"{OLDER}/{_flat(record.path)}.{record.sha256[:_OF_NAME]}"
        names = (name for name in (record.path, older) if self.files.is_file(name))
        return next((name for name in names if self.files.sha256(name) == record.sha256), None)

    # --------------------------------------------------------------------------------------------

    def _files_at(self, place: str) -> list[str]:
        """Return the file there, or those in the folder there."""
        if self.files.is_file(place):
            return [place]
        return [f"{place}/{path}" for path in self.files.data_files(place)]

    def _keep(self, files: Sequence[str], wanted: Mapping[str, Listed]) -> None:
        """Copy those of some files that are as manifests list them."""
        for place in files:
            if place in wanted and (place, sha := self.files.sha256(place)) in wanted[place]:
                self.files.copy_file(place, f"{OLDER}/{_flat(place)}.{sha[:_OF_NAME]}")

    def _aside(self, name: str) -> str:
        return f"{OLDER}/{_flat(self.within + name)}.{uuid.uuid4().hex}"

    def _older(self, place: str) -> Iterator[str]:
        for entry in self.files.entries(OLDER):
            if entry.base_name.rpartition(".")[0] == _flat(place):
                yield f"{OLDER}/{entry.base_name}"

    def _kept(self) -> list[int]:
        names = [entry.base_name.removesuffix(".json") for entry in self.files.entries(OLDER)]
        return [int(name) for name in names if name.isdecimal()]

    def _is_wanted(self, place: str, folder: str) -> bool:
        listed = self._wanted(self.manifests()).get(place, set())
        return bool(listed & (self._list_of(folder) or set()))

    @staticmethod
    def _wanted(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Listed]:
        """Return what manifests list, by table; other files are tables of one file."""
        found: dict[str, Listed] = defaultdict(set)
        for manifest in manifests:
            for place, table in manifest.get("tables", {}).items():
                found[place] |= {(file["path"], file["sha256"]) for file in table["files"]}
            for file in manifest.get("files", ()):
                found[file["path"]].add((file["path"], file["sha256"]))
        return found

    def _list_of(self, place: str) -> Listed | None:
        """Return what a table consists of; of a file by itself, that; None: nothing says so."""
        if self.files.is_file(place):
            return {(place, self.files.sha256(place))}
        return self._list_in(place)

    def _list_in(self, folder: str) -> Listed | None:
        content = self.files.read_json(f"{folder}/{LIST}")
        return None if content is None else _of(from_json(TableFiles, content))

    def _clear(self, place: str, own: Listed, wanted: Listed) -> None:
        """Delete a table's files that are not listed; say so if those of its own list are left."""
        of_own, of_any = ({path for path, _ in listed} for listed in (own, own | wanted))
        found = self.files.data_files(place).keys()
        for path in found - of_any:
            self.files.delete(f"{place}/{path}")
        if found & of_any == of_own:
            self.files.write_bytes(f"{place}/{SUCCESS}", b"")

    def _copy_aside(self, place: str, wanted: Listed) -> None:
        """Copy those of a table's files that are there; the list comes last."""
        found = self.files.data_files(place) if wanted else {}
        here = sorted(of for of in wanted if of[0] in found)
        if not here:
            return
        aside = f"{OLDER}/{_flat(place)}.{uuid.uuid4().hex}"
        for path, _ in here:
            self.files.copy_file(f"{place}/{path}", f"{aside}/{path}")
        files = [DataFile(path=path, bytes=found[path], sha256=sha) for path, sha in here]
        self.files.write_json(f"{aside}/{LIST}", to_json(TableFiles(rows=0, files=files)))


def describe(
    spark: SparkSession, files: Files, folder: str, paths: Mapping[str, int]
) -> list[DataFile]:
    """Read files of a table once, for what a manifest says of them: many bytes by tasks.

    Parameters
    ----------
    paths : in the folder, with their bytes
    """
    if sum(paths.values()) <= _FEW_BYTES:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(partial(_described, files, folder), sorted(paths.items())))
    one = partial(_described, files.root, folder)
    rows = spark.createDataFrame(sorted(paths.items()), "path string, bytes bigint")
    found = map_batches(rows.repartition(len(paths)), partial(_describe_batches, one), _DESCRIBED)
    return [from_json(DataFile, row) for row in found.toArrow().sort_by("path").to_pylist()]


def _describe_batches(
    describe_file: "partial[DataFile]", batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        files = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        found = [to_json(describe_file(file)) for file in files]
        yield pa.RecordBatch.from_pylist(found)


def _described(root: Files | str, folder: str, file: tuple[str, int]) -> DataFile:
    files, (path, n_bytes) = Files(root) if isinstance(root, str) else root, file
    rows, checksum = files.rows_and_sha256(f"{folder}/{path}")
    return DataFile(path=path, bytes=n_bytes, rows=rows, sha256=checksum)


def _of(table: TableFiles) -> Listed:
    return {(file.path, file.sha256) for file in table.files}


def _flat(place: str) -> str:
    return place.replace("/", ".")
