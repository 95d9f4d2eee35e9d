"""The issues among the rows of Parquet files on this machine, found by threads of this process.

A pass holds the rows in memory that the earlier ones leave undecided, if they are few enough, and
decides all others for good; so most often it is the last one.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from lakewinnow import columns as c
from lakewinnow.core.selection.n_lowest import Cuts, Selection, Tally
from lakewinnow.core.selection.scan import scan, undecided
from lakewinnow.core.types import Block
from lakewinnow.spark.arrow.parquet_rows import ParquetRows
from lakewinnow.spark.passes import verdicts
from lakewinnow.spark.passes.confident_learning import WORST_FIRST, Judge, ToBlocks
from lakewinnow.spark.sessions.engines import is_classic, is_sail
from lakewinnow.spark.sessions.session import scratch_folder

MOST_HELD: Final = 2**25  # numbers, of all threads together: 256 MiB
_ID_NUMBERS: Final = 16  # that take as much memory as the id of a row

_OfBatches: TypeAlias = Callable[[Iterable[pa.RecordBatch]], Iterator[Block]]


class _Decided(NamedTuple):
    issues: list[pa.RecordBatch]
    undecided: list[Block]


def find(
    rows: ParquetRows, plan: Selection, judge_by: Callable[..., Judge], to_blocks: ToBlocks
) -> tuple[Cuts, pa.Table]:
    """Return where the selections end, and the issues, ranked.

    Parameters
    ----------
    plan : of the selection's first pass
    judge_by : makes a judge of ``cuts=``

    Returns
    -------
    Cuts
    Table of label_score, row_id and label_rank, as `confident_learning.ranks` has them
    """
    n_classes = plan.cuts.cells.n_classes
    of_batches = partial(to_blocks, n_classes=n_classes)
    most_rows = MOST_HELD // (n_classes + _ID_NUMBERS)
    while min(plan.n_undecided, rows.n_rows) > most_rows:
        tallies = rows.scan(partial(_tally, of_batches=of_batches, plan=plan))
        plan = plan.refine(Tally.merge(tallies))
    sure = judge_by(cuts=plan.sure_cuts)
    parts = rows.scan(partial(_decide, of_batches=of_batches, plan=plan, sure=sure))
    held = Block.concat([block for part in parts for block in part.undecided], n_classes)
    while not plan.done:
        plan = plan.refine(scan(plan, [held]))
    issues = [batch for part in parts for batch in part.issues]
    issues.append(verdicts.issues(held, judge_by(cuts=plan.cuts)))
    return plan.cuts, _ranked(pa.Table.from_batches(issues, to_arrow_schema(verdicts.ISSUE)))


def _tally(batches: Iterable[pa.RecordBatch], of_batches: _OfBatches, plan: Selection) -> Tally:
    return scan(plan, of_batches(batches))


def _decide(
    batches: Iterable[pa.RecordBatch], of_batches: _OfBatches, plan: Selection, sure: Judge
) -> _Decided:
    """Find the issues among the rows that are not undecided, and keep the others."""
    decided = _Decided([], [])
    is_undecided = undecided(plan)
    for block in of_batches(batches):
        is_open = is_undecided(block)
        decided.undecided.append(block.take(np.flatnonzero(is_open)))
        decided.issues.append(verdicts.issues(block, sure, among=~is_open))
    return decided


def _ranked(issues: pa.Table) -> pa.Table:
    worst_first = [(name, "ascending") for name in WORST_FIRST]
    issues = issues.select(WORST_FIRST).take(pc.sort_indices(issues, worst_first))
    is_other = np.ones(len(issues), bool)  # than the issue before it
    is_other[1:] = np.any([pc.not_equal(x[1:], x[:-1]) for x in issues.columns], axis=0)
    (first,) = np.nonzero(is_other)
    return issues.take(first).append_column(c.LABEL_RANK, pa.array(first + 1, pa.int32()))


def as_frame(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return a table as a frame, to be joined with another one."""
    schema = from_arrow_schema(table.schema)
    if not is_classic(spark) and not is_sail(spark):  # another user's server, maybe
        return spark.createDataFrame(table, schema)
    # From a file Spark joins in a third less time, and Sail takes no message of over 128 MiB
    path = scratch_folder() / "table.parquet"
    pq.write_table(table, path)
    return spark.read.schema(schema).parquet(path.as_uri())
