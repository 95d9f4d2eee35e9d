"""Sums of integer arrays over all partitions of a table: how mergeable state crosses the wire.

A partition sends the non-zero cells of its arrays; Spark adds cells of the same place; the driver
gets one value a cell, however many partitions there are. Threads of this process send nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakewinnow.core.sparse import Sparse
from lakewinnow.core.states import Arrays, State
from lakewinnow.spark.arrow import arrays as arrow
from lakewinnow.spark.arrow.functions import map_batches
from lakewinnow.spark.arrow.parquet_rows import ParquetRows
from lakewinnow.spark.schemas import schema

S = TypeVar("S", bound=State)
Scan: TypeAlias = Callable[[Iterable[pa.RecordBatch]], Arrays]

_CELLS = schema({"name": "string", "cell": "bigint", "value": "bigint"})


def summed(rows: DataFrame | ParquetRows, zero: S, update: Callable[[S, pa.RecordBatch], S]) -> S:
    """Return the state of all rows.

    Parameters
    ----------
    zero : the state of no rows
    update : adds a batch to a state. Must pickle.
    """
    scan = partial(_scan_state, zero=zero, update=update)
    return zero.with_arrays(total(rows, scan, zero.arrays()))


def _scan_state(
    batches: Iterable[pa.RecordBatch], zero: S, update: Callable[[S, pa.RecordBatch], S]
) -> Arrays:
    return reduce(update, batches, zero).arrays()


def total(rows: DataFrame | ParquetRows, scan: Scan, zeros: Arrays) -> dict[str, Any]:
    """Run `scan` over each partition and add up the arrays that it returns.

    Parameters
    ----------
    scan : gets a partition's batches, returns int64 arrays by name. Must pickle.
    zeros : of the arrays' shapes, or `Sparse`: of these the sums are too
    """
    if isinstance(rows, ParquetRows):
        found = rows.scan(scan)
        return {name: sum((part[name] for part in found), zeros[name]) for name in zeros}
    cells = map_batches(rows, partial(_scan_partition, scan=scan), _CELLS)
    summed = cells.groupBy("name", "cell").agg(F.sum("value").alias("value")).toArrow()
    totals: dict[str, Any] = {}
    names = summed.column("name").to_numpy()
    cell, value = summed.column("cell").to_numpy(), summed.column("value").to_numpy()
    for name, zero in zeros.items():
        mine = names == name
        if isinstance(zero, Sparse):
            totals[name] = Sparse.of_cells(zero.n_classes, cell[mine], value[mine])
        else:
            totals[name] = np.zeros(zero.shape, np.int64)
            totals[name].reshape(-1)[cell[mine]] = value[mine]
    return totals


def _scan_partition(batches: Iterable[pa.RecordBatch], scan: Scan) -> Iterator[pa.RecordBatch]:
    for name, array in scan(batches).items():
        if isinstance(array, Sparse):
            cell, value = array.cell, array.value
        else:
            flat = array.reshape(-1)
            (cell,) = np.nonzero(flat)
            value = flat[cell]
        yield arrow.record_batch(_CELLS, {"name": [name] * len(cell), "cell": cell, "value": value})
