"""What people decided about the rows of a sample."""

from collections.abc import Sequence
from functools import reduce
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow import columns as c
from lakewinnow.errors import DataError, LakewinnowError, Shown
from lakewinnow.lake.inputs import decisions
from lakewinnow.lake.inputs.decisions import KEEP, RELABEL, Decisions
from lakewinnow.lake.inputs.formats import file_format
from lakewinnow.lake.inputs.votes import BY, Decision, Votes
from lakewinnow.lake.workspace import Lake
from lakewinnow.plan.words import counted
from lakewinnow.review import files

KEY: Final = "FILE..."


def read(
    lake: Lake, paths: Sequence[str], rows: pa.Table, classes: Sequence[str]
) -> tuple[Votes, int]:
    """Return what was decided about rows of the sample, and about how many others.

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
    votes = []
    for row in found:
        row_id, label = row[c.ROW_ID], row[c.LABEL]
        is_kept = row[c.DECISION] == RELABEL and label == given[row_id]
        decision = Decision(KEEP, None) if is_kept else Decision(row[c.DECISION], label)
        votes.append((row_id, row[BY], decision))
    return Votes.of(votes), others
