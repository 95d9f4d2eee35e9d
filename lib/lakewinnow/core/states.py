"""State that a pass over blocks of rows sums up: it has zero, update and merge."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

import numpy as np

from lakewinnow.core.sparse import Sparse
from lakewinnow.core.types import IntArray

Arrays = Mapping[str, IntArray | Sparse[np.int64]]


class State:
    """Sums of whole numbers: a dataclass of int64 arrays, `Sparse` ones, numbers or states."""

    def merge(self, other: Self) -> Self:
        """Return the state of both sets of rows."""
        both = zip(self._values(), other._values(), strict=True)
        added = (a.merge(b) if isinstance(a, State) else a + b for a, b in both)
        return type(self)(*added)

    def arrays(self) -> dict[str, IntArray | Sparse[np.int64]]:
        """Return all numbers as int64 arrays, those of a state under "its name.theirs"."""
        found: dict[str, IntArray | Sparse[np.int64]] = {}
        for name, value in zip(self._names(), self._values(), strict=True):
            if isinstance(value, State):
                found |= {f"{name}.{inner}": array for inner, array in value.arrays().items()}
            elif isinstance(value, Sparse):
                found[name] = value
            else:
                found[name] = np.atleast_1d(np.asarray(value, np.int64))
        return found

    def with_arrays(self, arrays: Arrays) -> Self:
        """Return a state like this one with the numbers that `arrays` gave of another."""
        return type(self)(*(self._from(name, arrays) for name in self._names()))

    def _from(self, name: str, arrays: Arrays) -> Any:
        mine = getattr(self, name)
        if isinstance(mine, State):
            start = f"{name}."
            theirs = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
            return mine.with_arrays(theirs)
        found: Any = arrays[name]
        return int(found[0]) if isinstance(mine, int) else found

    def _names(self) -> list[str]:
        return [field.name for field in fields(self)]  # type: ignore[arg-type]  # a dataclass

    def _values(self) -> list[Any]:
        return [getattr(self, name) for name in self._names()]
