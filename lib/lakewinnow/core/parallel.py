"""Work shared out between threads, with the same result whatever their number."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Item], Result], items: Sequence[Item], pool: Executor | None
) -> list[Result]:
    """Results in the order of the items, from this thread if there is no pool.

    NumPy and BLAS let go of the interpreter's lock, so threads do run at once; BLAS itself should
    then have one thread, or the threads of both get in each other's way.
    """
    here = pool is None or len(items) == 1
    return list(map(function, items) if here else pool.map(function, items))
