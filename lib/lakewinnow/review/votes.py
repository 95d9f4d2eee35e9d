"""What people decided about the rows of a sample, and how far they agree."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.core.evaluation import reviewing
from lakewinnow.core.types import IntArray
from lakewinnow.errors import DataError, LakewinnowError, Shown
from lakewinnow.lake.inputs import decisions
from lakewinnow.lake.inputs.decisions import BY, KEEP, RELABEL, Decisions
from lakewinnow.lake.inputs.formats import file_format
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import counted
from lakewinnow.review import files

KEY: Final = "FILE..."


class Decision(NamedTuple):
    """What was decided about a row: keep, drop, or fix and a label."""

    decision: str
    label: str | None


@dataclass(frozen=True)
class Votes:
    """What was decided about rows of the sample, and about how many others."""

    # by row id, who decided what; one name may have decided twice
    of_row: Mapping[str, Sequence[tuple[str, Decision]]]
    outside: int  # row ids that are not in the sample

    def agreed(self) -> dict[str, Decision]:
        """Return what all, or more than half, say of a row; a row without that is left out."""
        found = {}
        for row_id, votes in self.of_row.items():
            [(decision, n)] = Counter(decision for _, decision in votes).most_common(1)
            if 2 * n > len(votes):
                found[row_id] = decision
        return found

    def people(self) -> dict[str, Any]:
        """Return who decided how many rows, and how far they agree."""
        agreed = self.agreed()
        differing = sorted(
            row_id for row_id, votes in self.of_row.items() if len({v for _, v in votes}) > 1
        )
        names = Counter(name for votes in self.of_row.values() for name in {n for n, _ in votes})
        agreement = reviewing.agreement(self._counts())
        return {
            "by": dict(sorted(names.items())),
            "outside_sample": self.outside,
            "differing": differing,
            "undecided": [row_id for row_id in differing if row_id not in agreed],
            "agreement": None if agreement is None else asdict(agreement),
        }

    def csv(self) -> str:
        """Return what is agreed as a file that `clean.decisions` takes."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([c.ROW_ID, c.DECISION, c.LABEL, BY])
        for row_id, decision in sorted(self.agreed().items()):
            by = sorted({name for name, said in self.of_row[row_id] if said == decision and name})
            writer.writerow([row_id, *decision, " and ".join(by)])
        return text.getvalue()

    def _counts(self) -> IntArray:
        """Count how often each answer was given to each row, shape (rows, answers)."""
        answers: dict[Decision, int] = {}
        counts = Counter(
            (at, answers.setdefault(decision, len(answers)))
            for at, votes in enumerate(self.of_row.values())
            for _, decision in votes
        )
        found = np.zeros((len(self.of_row), len(answers)), np.int64)
        for place, n in counts.items():
            found[place] = n
        return found


def read(lake: Lake, paths: Sequence[str], rows: pa.Table, classes: Sequence[str]) -> Votes:
    """Read files of decisions; what is about rows of the sample comes to the driver.

    Parameters
    ----------
    rows : the sample

    Raises
    ------
    DataError : "another_sample": no decision is about a row of the sample; "unknown_label"; as
        `decisions.read_votes`
    SchemaError : as `decisions.read_votes`
    """
    try:
        parts = [decisions.read_votes(lake.spark, path, file_format(path)) for path in paths]
        every = reduce(DataFrame.union, (part.rows for part in parts))
        decisions.check_labels(Decisions(every, ""), classes)
    except LakewinnowError as error:
        raise error.at(KEY) from error
    sampled = F.broadcast(lake.spark.createDataFrame(rows.select([c.ROW_ID])))
    found = every.join(sampled, c.ROW_ID).distinct().collect()
    others = every.join(sampled, c.ROW_ID, "left_anti").select(c.ROW_ID).distinct().count()
    if not found:
        got = Shown(f"decisions about {counted(others, 'other row')}" if others else "no decision")
        hint = f"their sample is not (or no longer) in {lake.files.path(files.FOLDER)}"
        raise DataError("another_sample", KEY, "decisions about rows of the sample", got, hint)
    given = dict(zip(*rows.select([c.ROW_ID, c.GIVEN_LABEL]).to_pydict().values(), strict=True))
    of_row = defaultdict(set)
    for row in found:
        row_id, label = row[c.ROW_ID], row[c.LABEL]
        is_kept = row[c.DECISION] == RELABEL and label == given[row_id]
        decision = Decision(KEEP, None) if is_kept else Decision(row[c.DECISION], label)
        of_row[row_id].add((row[BY] or "", decision))
    return Votes({row_id: sorted(of_row[row_id], key=str) for row_id in sorted(of_row)}, others)
