"""What fine-tuned models have said so far: crossval/, a table and its record for each round.

They lie under a fingerprint of the rows, the model and how it learns, so that a run that was killed
goes on with the next round, and one that changes something else trains nothing.
"""

import re
from collections.abc import Collection
from functools import reduce
from typing import Any, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.classifiers.tasks import CPU_SECONDS, NOTE
from lakewinnow.finetuning.local.folds import SEED
from lakewinnow.lake.observed import LINES, SUM, Observed
from lakewinnow.lake.workspace import Lake
from lakewinnow.stages.crossval.corpus import TaskNotes

FOLDER: Final = "crossval"
_RECORD: Final = re.compile(r"(\d+)-(\d+)\.json")  # the first model's number, and after the last


class Kept:
    """What the models of one fingerprint have said."""

    def __init__(self, lake: Lake, fingerprint: str) -> None:
        self._lake, self._fingerprint = lake, fingerprint
        self._folder = f"{FOLDER}/{fingerprint}"

    @property
    def n_done(self) -> int:
        """How many models have said all that they are asked."""
        return self._rounds()[-1][1] if self._rounds() else 0

    def add(self, said: DataFrame, n_models: int) -> None:
        """Keep what the next models say; the record, written last, makes it valid."""
        start = self.n_done
        name = f"{self._folder}/{start}-{start + n_models}"
        seen = Observed(self._lake, said, {CPU_SECONDS: SUM, NOTE: LINES})
        self._lake.publish(name, seen.rows.drop(CPU_SECONDS, NOTE))
        self._lake.files.write_json(f"{name}.json", seen.figures())

    def rows(self, seed: int) -> DataFrame:
        """Return what all models of a seed have said."""
        tables = [self._lake.read(f"{self._folder}/{start}-{end}") for start, end in self._rounds()]
        together = reduce(DataFrame.unionByName, tables)
        return together.where(F.col(SEED) == seed).select(c.ROW_ID, c.LABEL, c.PRED_PROBS)

    def notes(self) -> TaskNotes:
        """Return what the tasks have reported."""
        notes = TaskNotes()
        for start, end in self._rounds():
            found: Any = self._lake.files.read_json(f"{self._folder}/{start}-{end}.json")
            notes.add(found[CPU_SECONDS], (found[NOTE] or "").splitlines())
        return notes

    def _rounds(self) -> list[tuple[int, int]]:
        """Return the first and the last number of each round that is whole, in their order."""
        names = (entry.base_name for entry in self._lake.files.entries(self._folder))
        found = (_RECORD.fullmatch(name) for name in names)
        return sorted((int(of[1]), int(of[2])) for of in found if of is not None)


def forget_all_but(lake: Lake, fingerprints: Collection[str]) -> None:
    """Delete what models of other rows, or that learnt otherwise, have said; and tables between."""
    for entry in lake.files.entries(FOLDER):
        if entry.base_name not in fingerprints:
            lake.files.delete(f"{FOLDER}/{entry.base_name}")
