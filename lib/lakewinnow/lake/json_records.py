"""Small records in a folder of the workspace, a JSON file each: of what was asked of a service."""

from dataclasses import asdict
from typing import Any, Generic, TypeVar

from lakewinnow.lake.files import Files

R = TypeVar("R")


class JsonRecords(Generic[R]):
    """Records of one dataclass; files whose names begin with _ are others'."""

    def __init__(self, files: Files, folder: str, cls: type[R]) -> None:
        self._files, self._folder, self._cls = files, folder, cls

    def all(self) -> list[R]:
        """Return all records."""
        names = [entry.base_name for entry in self._files.entries(self._folder)]
        return [
            self._cls(**self._files.read_json(f"{self._folder}/{name}"))
            for name in names
            if name.endswith(".json") and not name.startswith("_")
        ]

    def save(self, name: str, record: R) -> None:
        """Keep a record in place of the one of that name."""
        content: Any = record
        self._files.write_json(f"{self._folder}/{name}.json", asdict(content))
