"""K x K matrices of many classes: few pairs of classes are ever mistaken for each other.

A matrix of 10,000 classes has 100 million cells, 800 MB; of n rows at most n + K are not 0. Up to
`MOST_DENSE` classes matrices are NumPy's own, whose sums come out as cleanlab's to the last bit.
"""

from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from lakewinnow.core.types import FloatArray, IntArray

MOST_DENSE: Final = 1000  # classes: 8 MB a matrix
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class Sparse(Generic[Number]):
    """A K x K matrix by its cells that are not 0, row by row."""

    n_classes: int  # K
    cell: IntArray  # int64, ascending: row * K + column
    value: npt.NDArray[Number]

    @classmethod
    def of_pairs(cls, n_classes: int, row: IntArray, column: IntArray, value: IntArray) -> Self:
        """Return the sums of counts by pair; pairs may repeat."""
        return cls.of_cells(n_classes, row * n_classes + column, value)

    @classmethod
    def of_cells(cls, n_classes: int, cell: IntArray, value: IntArray) -> Self:
        """Return the sums of counts by cell; cells may repeat."""
        cells, at = np.unique(cell, return_inverse=True)
        sums = np.zeros(len(cells), np.int64)
        np.add.at(sums, at, value)
        return cls(n_classes, cells, sums)  # type: ignore[arg-type]

    @classmethod
    def none(cls, n_classes: int) -> Self:
        """Return the matrix of zeros."""
        empty = np.zeros(0, np.int64)
        return cls(n_classes, empty, empty)  # type: ignore[arg-type]

    @property
    def shape(self) -> tuple[int, int]:
        """(K, K)."""
        return self.n_classes, self.n_classes

    @property
    def row(self) -> IntArray:
        """Row of each cell."""
        return self.cell // self.n_classes

    @property
    def column(self) -> IntArray:
        """Column of each cell."""
        return self.cell % self.n_classes

    def with_values(self, value: npt.NDArray[np.number]) -> "Sparse[np.float64]":
        """Return the matrix of the same cells with other values."""
        return Sparse(self.n_classes, self.cell, value)  # type: ignore[arg-type]

    def transposed(self) -> Self:
        """Return the matrix whose rows are this one's columns."""
        cell = self.column * self.n_classes + self.row
        order = np.argsort(cell, kind="stable")
        return type(self)(self.n_classes, cell[order], self.value[order])

    def diagonal(self) -> npt.NDArray[Number]:
        """Return the diagonal, shape (K,)."""
        found = np.zeros(self.n_classes, self.value.dtype)
        is_on = self.row == self.column
        found[self.row[is_on]] = self.value[is_on]
        return found

    def sums(self, axis: int) -> npt.NDArray[Number]:
        """Return the sums over an axis, shape (K,)."""
        found = np.zeros(self.n_classes, self.value.dtype)
        np.add.at(found, self.column if axis == 0 else self.row, self.value)
        return found

    def starts(self) -> IntArray:
        """Return where the cells of each row begin, and where the last end, shape (K + 1,)."""
        return np.searchsorted(self.cell, np.arange(self.n_classes + 1) * self.n_classes)

    def part(self, kept: IntArray) -> npt.NDArray[Number]:
        """Return the matrix of some of the classes, which are ascending."""
        at_row, at_column = np.searchsorted(kept, self.row), np.searchsorted(kept, self.column)
        is_in = np.isin(self.row, kept) & np.isin(self.column, kept)
        found = np.zeros((len(kept), len(kept)), self.value.dtype)
        found[at_row[is_in], at_column[is_in]] = self.value[is_in]
        return found

    def dense(self) -> npt.NDArray[Number]:
        """Return the matrix as an array, shape (K, K)."""
        found = np.zeros(self.shape, self.value.dtype)
        found.reshape(-1)[self.cell] = self.value
        return found

    def __add__(self, other: "Sparse[Number]") -> Self:
        """Return the sum of two matrices of counts."""
        cell = np.concatenate([self.cell, other.cell])
        return self.of_cells(self.n_classes, cell, np.concatenate([self.value, other.value]))


def zeros(n_classes: int) -> "IntArray | Sparse[np.int64]":
    """Return a K x K matrix of zeros that counts are added to."""
    if n_classes > MOST_DENSE:
        return Sparse.none(n_classes)
    return np.zeros((n_classes, n_classes), np.int64)


Counts = IntArray | Sparse[np.int64]
Matrix = FloatArray | Sparse[np.float64]


def dense(matrix: Counts) -> IntArray:
    """Return a matrix of counts as an array."""
    return matrix.dense() if isinstance(matrix, Sparse) else matrix
