"""Verdicts on the rows of Parquet files on this machine, found by threads of this process.

A pass holds the rows in memory that the earlier ones leave undecided, if they are few enough, and
decides all others for good; so most often it is the last one.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakewinnow import columns as c
from lakewinnow.core.selection.n_lowest import Cuts, Selection, Tally
from lakewinnow.core.selection.scan import scan, undecided
from lakewinnow.core.types import Block, IntArray
from lakewinnow.spark.arrow.parquet_rows import PLACE, ParquetRows
from lakewinnow.spark.passes import verdicts
from lakewinnow.spark.passes.confident_learning import Judge
from lakewinnow.spark.passes.valid_probs import Checked

MOST_HELD: Final = 2**25  # numbers, of all threads together: 256 MiB
_ID_NUMBERS: Final = 16  # that take as much memory as the id of a row

_Check: TypeAlias = Callable[[pa.RecordBatch], Checked[Block]]


class _Decided(NamedTuple):
    judged: list[pa.RecordBatch]
    undecided: list[Block]
    places: list[IntArray]  # of the undecided


def judge_rows(
    rows: ParquetRows,
    plan: Selection,
    judge: Judge,
    *,
    is_sound: bool,
    issues_only: bool,
) -> tuple[Cuts, pa.Table]:
    """Return where the selections end, and the verdicts.

    Parameters
    ----------
    plan : of the selection's first pass
    judge : without the cuts
    is_sound : whether all rows are valid
    issues_only : whether the verdicts are of the issues alone, or of every row

    Returns
    -------
    Cuts
    Table of the schema `verdicts.JUDGED`
    """
    n_classes = plan.cuts.cells.n_classes
    check = partial(verdicts.checked, n_classes=n_classes, is_sound=is_sound)
    most_rows = MOST_HELD // (n_classes + _ID_NUMBERS)
    while min(plan.n_undecided, rows.n_rows) > most_rows:
        tallies = rows.scan(partial(_tally, check=check, plan=plan))
        plan = plan.refine(Tally.merge(tallies))
    sure = replace(judge, cuts=plan.sure_cuts)
    parts = rows.scan(partial(_decide, check=check, plan=plan, sure=sure, issues_only=issues_only))
    held = Block.concat([block for part in parts for block in part.undecided], n_classes)
    places = np.concatenate([np.zeros(0, np.int64), *(at for part in parts for at in part.places)])
    while not plan.done:
        plan = plan.refine(scan(plan, [held]))
    batch = pa.record_batch({PLACE: places, c.ROW_ID: pa.array(held.row_ids, pa.string())})
    found = replace(judge, cuts=plan.cuts).of_block(held)
    of_held = verdicts.judged(batch, Checked.sound(held), found)
    judged = [batch for part in parts for batch in part.judged]
    judged.append(of_held.filter(of_held.column(c.IS_LABEL_ISSUE)) if issues_only else of_held)
    return plan.cuts, pa.Table.from_batches(judged)


def _tally(batches: Iterable[pa.RecordBatch], check: _Check, plan: Selection) -> Tally:
    return scan(plan, (check(batch).block for batch in batches))


def _decide(
    batches: Iterable[pa.RecordBatch],
    check: _Check,
    plan: Selection,
    sure: Judge,
    *,
    issues_only: bool,
) -> _Decided:
    """Judge the rows that are not undecided, and keep the others."""
    decided = _Decided([], [], [])
    is_undecided = undecided(plan)
    for batch in batches:
        checked = check(batch)
        (is_open,) = np.nonzero(is_undecided(checked.block))
        found = verdicts.judged(batch, checked, sure.of_block(checked.block))
        is_wanted = np.ones(len(found), bool)
        if issues_only:
            is_wanted[:] = pc.fill_null(found.column(c.IS_LABEL_ISSUE), fill_value=False)
        at = checked.rows[is_open]
        is_wanted[at] = False
        decided.judged.append(found if is_wanted.all() else found.filter(pa.array(is_wanted)))
        decided.undecided.append(checked.block.take(is_open))
        decided.places.append(batch.column(PLACE).to_numpy()[at])
    return decided
