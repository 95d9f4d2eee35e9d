"""Array types, and the block of rows that every pass over the data works on.

Where nothing else is said, `labels` are int64 of shape (n,), `pred_probs` float64 of shape (n, K)
and `thresholds` float64 of shape (K,); of multi-label rows shape (n, K), of 0 and 1, and (K, 2).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
ObjectArray: TypeAlias = npt.NDArray[np.object_]  # of str or bytes


@runtime_checkable
class Takeable(Protocol):
    """Row ids that know how to take some of them."""

    def take(self, rows: IntArray) -> Sequence[str]:
        """Return the ids of some rows."""


def taken(row_ids: Sequence[str], rows: IntArray) -> Sequence[str]:
    """Return the ids of some rows."""
    if isinstance(row_ids, Takeable):
        return row_ids.take(rows)
    return [row_ids[row] for row in rows.tolist()]


class Block(NamedTuple):
    """Some rows of the corpus: any number, in any order."""

    labels: IntArray  # int64, shape (n,), given labels in 0 .. K-1
    pred_probs: FloatArray  # float64, shape (n, K), C-ordered, out-of-sample, free of NaN
    # n strings, each once in the corpus; compared by code point, which is also the order of their
    # UTF-8 bytes
    row_ids: Sequence[str]

    @classmethod
    def concat(cls, parts: Sequence["Block"], n_classes: int) -> "Block":
        """Return the rows of all parts."""
        nothing = cls(np.zeros(0, np.int64), np.zeros((0, n_classes)), ())
        labels, pred_probs, row_ids = zip(nothing, *parts, strict=True)
        ids = [row_id for ids in row_ids for row_id in ids]
        return cls(np.concatenate(labels), np.concatenate(pred_probs), ids)

    def take(self, rows: IntArray) -> "Block":
        """Return some of the rows."""
        return Block(self.labels[rows], self.pred_probs[rows], taken(self.row_ids, rows))
