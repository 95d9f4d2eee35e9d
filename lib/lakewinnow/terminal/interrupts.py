"""Ctrl-C, also where the KeyboardInterrupt that it raises is lost.

Python raises it in whatever code runs next. If a library written in C has called that code, during
an import, say, the exception may be swallowed, and the run would go on. So Ctrl-C is remembered and
raised again at the next stage. Spark's own handler, which cancels jobs, replaces this one when all
such imports are done.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ASKED: Final = threading.Event()  # of this process, as signals are


@contextmanager
def remembered() -> Iterator[None]:
    """Remember interrupts meanwhile."""
    _ASKED.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
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
    """Raise the KeyboardInterrupt that was lost, if there was one."""
    if _ASKED.is_set():
        raise KeyboardInterrupt


def _interrupt(_: int, __: FrameType | None) -> None:
    _ASKED.set()
    raise KeyboardInterrupt
