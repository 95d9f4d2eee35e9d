"""Array types, and the block of rows that every pass over the data works on."""

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


class Block(NamedTuple):
    """Some rows of the corpus: any number, in any order."""

    labels: IntArray  # int64, shape (n,), given labels in 0 .. K-1
    pred_probs: FloatArray  # float64, shape (n, K), C-ordered, out-of-sample, free of NaN
    # n strings, each once in the corpus; compared by code point, which is also the order of their
    # UTF-8 bytes
    row_ids: Sequence[str]

    def take(self, rows: IntArray) -> "Block":
        """Return some of the rows."""
        ids = self.row_ids
        taken = ids.take(rows) if isinstance(ids, Takeable) else [ids[row] for row in rows.tolist()]
        return Block(self.labels[rows], self.pred_probs[rows], taken)
