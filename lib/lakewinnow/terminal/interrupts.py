"""Ctrl-C, also where the KeyboardInterrupt that it raises is lost.

It is raised in whatever Python code is run next. What a library written in C has called, while it
is imported, say, may be told of no error: the exception is gone, and the run would go on. So it is
noted, too, and raised again at the next stage. Spark's own handler, which cancels jobs, takes the
place of this one; nothing of that kind is imported after it.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ASKED: Final = threading.Event()  # of this process, as signals are


@contextmanager
def noted() -> Iterator[None]:
    """Note interrupts meanwhile."""
    _ASKED.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # it gets no signals
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored (nohup, &), or somebody else's
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, before)


def raise_again() -> None:
    """Raise what was lost."""
    if _ASKED.is_set():
        raise KeyboardInterrupt


def _interrupt(_: int, __: FrameType | None) -> None:
    _ASKED.set()
    raise KeyboardInterrupt
