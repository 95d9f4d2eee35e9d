"""Work shared out between threads, with the same result whatever their number."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from threadpoolctl import threadpool_limits

WORTH_THREADS: Final = 4e7  # about 2 ms

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def workers(n_threads: int, work: float) -> Iterator[Executor | None]:
    """Threads for `run_all`, until the end of a `with`; none if they are not worth their price.

    BLAS has one thread meanwhile, in the whole process: its own would come on top of these, and
    the two get in each other's way.

    Parameters
    ----------
    work : multiplications of one pass over the data
    """
    with threadpool_limits(1, user_api="blas"):
        if n_threads == 1 or work < WORTH_THREADS:
            yield None
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                yield pool


def run_all(
    function: Callable[[Item], Result], items: Sequence[Item], pool: Executor | None
) -> list[Result]:
    """Results in the order of the items, from this thread if there is no pool.

    NumPy and BLAS let go of the interpreter's lock, so threads do run at once.
    """
    if pool is None or len(items) == 1:
        return [function(item) for item in items]
    return list(pool.map(function, items))
